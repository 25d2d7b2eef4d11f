"""The time grows with the number of entries, whatever their links and depth."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from magicpak.host import Host, globbing
from magicpak.plan import Bundle, BundlePath, Origin, Why, patterns
from magicpak.system import workdir
from support.command import assert_bounded, cost

GLOB = Origin(Why.INCLUDED, "*")


def planned(source: Path) -> Bundle:
    return Bundle().add(Host().entries(str(source), BundlePath(str(source)), GLOB, tree=True))


def cpu(call: Callable[[], object]) -> float:
    """Measure seconds of CPU, the least of three."""
    took = []
    for _ in range(3):
        begin = time.process_time()
        call()
        took.append(time.process_time() - begin)
    return min(took)


def test_directories_that_are_linked_to_one_another_are_each_searched_once(tmp_path: Path) -> None:
    for one in range(12):
        (tmp_path / f"d{one}").mkdir()
        (tmp_path / f"d{one}" / "f").touch()
        for other in range(12):
            (tmp_path / f"d{one}" / f"l{other}").symlink_to(f"../d{other}")
    found = globbing.matches(Host(), patterns.include(f"{tmp_path}/**/f"))
    assert found == sorted(f"{tmp_path}/d{number}/f" for number in range(12))


def test_a_directory_that_only_a_link_leads_to_is_searched(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep" / "f").touch()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to("../elsewhere")
    found = globbing.matches(Host(), patterns.include(f"{tmp_path}/tree/**/f"))
    assert found == [f"{tmp_path}/tree/link/deep/f"]


def links_to_one_file(root: Path, count: int) -> None:
    (root / "target").touch()
    for number in range(count):
        (root / f"l{number}").symlink_to("target")


def test_four_times_as_many_links_take_about_four_times_as_long(tmp_path: Path) -> None:
    took = []
    for count in (1_500, 6_000):
        root = tmp_path / str(count)
        root.mkdir()
        links_to_one_file(root, count)
        took.append(cpu(lambda root=root: planned(root)))
    assert took[1] < 8 * took[0]


@pytest.fixture
def deep_recursion() -> Iterator[None]:
    """As the command has it: os.walk before Python 3.12 calls itself for each level."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(4096)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("deep_recursion")
def test_a_deep_tree_costs_what_walking_it_costs(tmp_path: Path) -> None:
    """The kernel itself walks each path from the root: that time is not ours."""
    deepest = tmp_path
    for _ in range(1_500):
        deepest /= "d"
    try:
        for directory in (*reversed(deepest.parents), deepest):
            directory.mkdir(exist_ok=True)
        walking = cpu(lambda: [os.stat(path) for path, _, _ in os.walk(tmp_path)])
        assert cpu(lambda: planned(tmp_path)) < 10 * walking
    finally:
        workdir.discard(str(tmp_path / "d"))  # what pytest does by recursion


def test_a_chain_of_links_goes_with_the_one_that_brought_it_in(tmp_path: Path) -> None:
    for number in range(39):
        (tmp_path / f"l{number:02}").symlink_to(f"l{number + 1:02}")
    (tmp_path / "l39").touch()
    first = tmp_path / "l00"
    bundle = Bundle().add(Host().entries(str(first), BundlePath(str(first)), GLOB))
    assert len(bundle) == 40
    assert len(bundle.without(lambda path: path.endswith("l00"))) == 0


@pytest.mark.parametrize("name", ["root", "cwd", "task/{}/root"])
def test_a_link_of_the_kernel_to_what_a_process_has_open_is_not_followed(name: str) -> None:
    """As ``/proc/self/*`` has one to the root of all."""
    path = f"/proc/self/{name.format(os.getpid())}"
    assert [found for found, _ in planned(Path(path))] == [path]


def test_what_a_process_has_open_is_not_walked_into(tmp_path: Path) -> None:
    """/proc/self/root is the root directory: all there is."""
    took = cost("-i", "/proc/self/[cr]*[dt]", "/bin/ls", "out", cwd=tmp_path)
    assert_bounded(took)
    assert not (tmp_path / "out/etc").exists()
    assert_bounded(cost("-i", "/proc/self/*", "/bin/ls", "out", cwd=tmp_path))


@pytest.mark.needs("root")
@pytest.mark.parametrize("name", ["kmsg", "self/pagemap"])
def test_a_file_of_the_kernel_is_not_waited_for_and_not_read_for_ever(
    tmp_path: Path, name: str
) -> None:
    for _ in range(2):  # kmsg tells each message once
        assert_bounded(cost("-i", f"/proc/{name}", "/bin/ls", "out", cwd=tmp_path))


def test_a_chain_of_thousands_of_links_is_followed_as_far_as_the_kernel_does(
    tmp_path: Path,
) -> None:
    for number in range(3_000):
        (tmp_path / f"l{number}").symlink_to(f"l{number + 1}")
    (tmp_path / "l3000").touch()
    took = cost("-i", "l0", "/bin/ls", "out", cwd=tmp_path)
    assert_bounded(took)
    assert "too many levels of symbolic links" in took.lines[-1]
    assert cost("-i", ".", "/bin/ls", "out", cwd=tmp_path).memory < 100

"""Corners of glibc's search: the loader that is installed here judges each rule."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from magicpak.host import Host
from magicpak.loader import cache
from magicpak.loader.closure import closure
from magicpak.loader.diagnostics import looks_past_files
from magicpak.loader.identify import Identified
from magicpak.loader.library import Closure
from magicpak.loader.search import Environment
from support.elves import EM_386, EM_AARCH64, PT_DYNAMIC, Made, dlopen_note
from support.loader import INTERPRETER, bundled, here, start

pytestmark = here
Tags = tuple[str, str]


@pytest.fixture
def loaders(tmp_path: Path) -> Iterator[Identified]:
    """The loaders of this machine."""
    with contextlib.ExitStack() as stack:
        yield Identified(Host(), str(tmp_path), stack)


def program(path: Path, *dynamic: Tags, flags_1: int = 0) -> Path:
    return Made(list(dynamic), INTERPRETER, flags_1=flags_1).write(path)


def library(path: Path, *dynamic: Tags) -> Path:
    return Made(list(dynamic), strings=(str(path),)).write(path)


def found_by(loaders: Identified, path: Path, library_path: str = "") -> Closure:
    host = Host()
    elf = host.read(str(path))
    loader, _ = loaders.loader(INTERPRETER, elf)
    return closure(elf, os.path.realpath(path), loader, host, Environment(library_path))


def told(path: Path, library_path: str = "") -> subprocess.CompletedProcess[str]:
    """Start a program that lists what the loader maps; it crashes when all is loaded."""
    variables = {"LD_LIBRARY_PATH": library_path, "LD_DEBUG": "files"}
    return subprocess.run([path], env=variables, capture_output=True, text=True, check=False)


def agree(loaders: Identified, path: Path, library_path: str = "") -> list[str]:
    """Compare with the loader here what is mapped, and return that in the loader's order."""
    run = told(path, library_path)
    inits = re.findall(r"calling init: (\S+)", run.stderr)
    found = found_by(loaders, path, library_path)
    own = os.path.realpath(INTERPRETER)
    ours, theirs = (
        [each for each in listed if "/" in each and os.path.realpath(each) != own]
        for listed in ([each.path for each in found.libraries], inits)
    )
    missing = re.findall(r"(\S+): cannot open shared object file", run.stderr)
    assert [failure.name for failure in found.failures] == missing, run.stderr
    if not missing:
        assert sorted(ours) == sorted(theirs), run.stderr
    return ours


def paths(*directories: Path) -> str:
    return ":".join(map(str, directories))


def test_the_object_of_the_kernel_is_there(tmp_path: Path, loaders: Identified) -> None:
    exe = program(tmp_path / "exe", ("needed", "linux-vdso.so.1"), ("needed", "liba.so"))
    library(tmp_path / "liba.so", ("needed", "linux-vdso.so.1"))
    assert agree(loaders, exe, str(tmp_path)) == [f"{tmp_path}/liba.so"]


@pytest.mark.parametrize(
    ("bits", "machine", "size"),
    [(32, EM_386, 64), (32, EM_386, 300), (64, EM_AARCH64, 64), (64, EM_AARCH64, 300)],
)
def test_what_is_foreign_is_passed_over_even_if_it_is_truncated(
    tmp_path: Path, loaders: Identified, bits: int, machine: int, size: int
) -> None:
    exe = program(tmp_path / "exe", ("needed", "liba.so"))
    foreign = Made(bits=bits, machine=machine).write(tmp_path / "one" / "liba.so")
    os.truncate(foreign, size)
    library(tmp_path / "two" / "liba.so")
    where = paths(tmp_path / "one", tmp_path / "two")
    assert agree(loaders, exe, where) == [f"{tmp_path}/two/liba.so"]


@pytest.mark.parametrize(("bits", "machine", "size"), [(64, 62, 64), (32, EM_386, 40)])
def test_a_truncated_candidate_that_is_not_foreign_is_refused(
    tmp_path: Path, loaders: Identified, bits: int, machine: int, size: int
) -> None:
    exe = program(tmp_path / "exe", ("needed", "liba.so"))
    damaged = Made(bits=bits, machine=machine).write(tmp_path / "one" / "liba.so")
    os.truncate(damaged, size)
    library(tmp_path / "two" / "liba.so")
    where = paths(tmp_path / "one", tmp_path / "two")
    assert [each.name for each in found_by(loaders, exe, where).failures] == ["liba.so"]
    assert told(exe, where).returncode == 127


@pytest.mark.parametrize("text", ["liba.so", "n" * 256])
@pytest.mark.parametrize("tag", ["rpath", "runpath", "LD_LIBRARY_PATH"])
def test_a_file_that_cannot_be_opened_ends_the_list_that_it_is_in(
    tmp_path: Path, loaders: Identified, text: str, tag: str
) -> None:
    """A loop of links, a name that is too long."""
    one, two = tmp_path / "one", tmp_path / "two"
    exe = tmp_path / "one" / "exe"
    library(two / "liba.so")
    where = paths(one, two)
    listed = (tag, where) if tag != "LD_LIBRARY_PATH" else ("soname", "exe")
    program(exe, ("needed", "liba.so"), listed)
    (one / "liba.so").symlink_to(text)
    assert agree(loaders, exe, where if tag == "LD_LIBRARY_PATH" else "") == []


def through_a_file(tmp_path: Path) -> Path:
    """Make a program whose library is in the second directory, behind a link through a file."""
    one, two = tmp_path / "one", tmp_path / "two"
    library(two / "liba.so")
    program(one / "exe", ("needed", "liba.so"), ("runpath", paths(one, two)))
    (one / "liba.so").symlink_to("exe/x")
    return one / "exe"


def test_a_path_through_a_file_is_as_for_the_loader_here(
    tmp_path: Path, loaders: Identified
) -> None:
    agree(loaders, through_a_file(tmp_path))


@pytest.mark.parametrize(("version", "found"), [("2.36", 0), ("2.41", 1), ("2.43", 1), ("", 0)])
def test_a_path_through_a_file_ends_a_list_before_glibc_2_41(
    tmp_path: Path, loaders: Identified, monkeypatch: pytest.MonkeyPatch, version: str, found: int
) -> None:
    past = looks_past_files({"version.version": version})
    monkeypatch.setattr("magicpak.loader.identify.looks_past_files", lambda _: past)
    listed = found_by(loaders, through_a_file(tmp_path), "").libraries
    assert sum(each.path.endswith("/two/liba.so") for each in listed) == found


def test_the_next_list_is_searched_after_one_that_ends(
    tmp_path: Path, loaders: Identified
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    exe = program(tmp_path / "exe", ("needed", "liba.so"), ("rpath", paths(one, two)))
    library(two / "liba.so")
    library(tmp_path / "three" / "liba.so")
    one.mkdir()
    (one / "liba.so").symlink_to("liba.so")
    assert agree(loaders, exe, str(tmp_path / "three")) == [f"{tmp_path}/three/liba.so"]


def test_a_directory_that_is_none_does_not_end_the_list(
    tmp_path: Path, loaders: Identified
) -> None:
    exe = program(tmp_path / "exe", ("needed", "liba.so"))
    library(tmp_path / "two" / "liba.so")
    (tmp_path / "loop").symlink_to("loop")
    where = paths(exe, tmp_path / "loop", tmp_path / "gone", tmp_path / "two")
    assert agree(loaders, exe, where) == [f"{tmp_path}/two/liba.so"]


@pytest.mark.parametrize("tag", ["filter", "auxiliary"])
def test_what_is_filtered_moves_forward_if_it_is_queued_already(
    tmp_path: Path, loaders: Identified, tag: str
) -> None:
    """So libx.so is found by the RUNPATH of libf.so, and not by that of libb.so."""
    exe = program(tmp_path / "exe", *(("needed", f"lib{x}.so") for x in "abf"))
    library(tmp_path / "liba.so", (tag, "libf.so"))
    library(tmp_path / "libb.so", ("needed", "libx.so"), ("runpath", f"{tmp_path}/b"))
    library(tmp_path / "libf.so", ("needed", "libx.so"), ("runpath", f"{tmp_path}/f"))
    for name in "bf":
        library(tmp_path / name / "libx.so")
    assert f"{tmp_path}/f/libx.so" in agree(loaders, exe, str(tmp_path))


@pytest.mark.parametrize("tag", ["filter", "auxiliary"])
def test_the_order_of_filters_and_needed_names_counts(
    tmp_path: Path, loaders: Identified, tag: str
) -> None:
    library(tmp_path / "libn.so", ("soname", "libf.so"))
    library(tmp_path / "libf.so")
    exe = program(tmp_path / "exe", ("needed", "liba.so"))
    library(tmp_path / "liba.so", ("needed", "libn.so"), (tag, "libf.so"))
    assert f"{tmp_path}/libf.so" not in agree(loaders, exe, str(tmp_path))
    library(tmp_path / "liba.so", (tag, "libf.so"), ("needed", "libn.so"))
    assert f"{tmp_path}/libf.so" in agree(loaders, exe, str(tmp_path))


@pytest.mark.parametrize("tag", ["filter", "auxiliary"])
@pytest.mark.parametrize("first", [True, False])
def test_what_the_program_itself_filters_is_found_by_no_name(
    tmp_path: Path, loaders: Identified, tag: str, first: bool
) -> None:
    filtered, needed = (tag, "libf.so"), ("needed", "libf.so")
    dynamic = (filtered, needed) if first else (needed, filtered)
    exe = program(tmp_path / "exe", *dynamic, ("needed", "liba.so"))
    library(tmp_path / "libf.so", (tag, "libg.so"))
    library(tmp_path / "libg.so")
    needs = (("needed", "libf.so"), ("needed", "libg.so"))
    library(tmp_path / "liba.so", *needs, ("runpath", f"{tmp_path}/two"))
    for name in "fg":
        library(tmp_path / "two" / f"lib{name}.so")
    assert agree(loaders, exe, str(tmp_path)).count(f"{tmp_path}/libf.so") == 2


@pytest.mark.parametrize("needs", [(), (("needed", "libf.so"),), (("needed", "libg.so"),)])
def test_what_filters_itself_is_refused(
    tmp_path: Path, loaders: Identified, needs: tuple[Tags, ...]
) -> None:
    exe = program(tmp_path / "exe", ("filter", "libf.so"), ("needed", "liba.so"))
    library(tmp_path / "libf.so", *needs, ("filter", "libg.so"))
    library(tmp_path / "libg.so", *needs, ("filter", "libf.so"))
    library(tmp_path / "liba.so")
    (failure,) = found_by(loaders, exe, str(tmp_path)).failures
    assert "again and again" in str(failure)
    limited = ["prlimit", f"--as={64 << 20}", str(exe)]
    run = subprocess.run(limited, env={"LD_LIBRARY_PATH": str(tmp_path)}, check=False)
    assert run.returncode


@pytest.mark.parametrize("tag", ["audit", "depaudit"])
def test_an_auditor_has_a_namespace_of_its_own(
    tmp_path: Path, loaders: Identified, tag: str
) -> None:
    """It loads its own libx.so, although one is there; by the program's RUNPATH, whatever it is."""
    dynamic = [("needed", "libx.so"), (tag, "libau.so:libbu.so"), ("runpath", f"{tmp_path}/one")]
    exe = program(tmp_path / "exe", *dynamic, flags_1=0x800)
    library(tmp_path / "one" / "libx.so")
    library(tmp_path / "one" / "liby.so")
    library(tmp_path / "one" / "libau.so", ("needed", "libx.so"), ("runpath", f"{tmp_path}/two"))
    library(tmp_path / "one" / "libbu.so", ("needed", "liby.so"), ("needed", "libz.so.1"))
    library(tmp_path / "two" / "libx.so")
    found = agree(loaders, exe)
    assert {f"{tmp_path}/{each}" for each in ("one/libx.so", "two/libx.so", "one/liby.so")} < {
        *found
    }


def test_the_dynamic_section_is_found_by_its_address(tmp_path: Path, loaders: Identified) -> None:
    exe = program(tmp_path / "exe", ("needed", "liba.so"))
    found = library(tmp_path / "liba.so", ("needed", "libb.so"))
    library(tmp_path / "libb.so")
    content = bytearray(found.read_bytes())
    start_, size, count = 64, 56, struct.unpack_from("<H", content, 56)[0]
    for at in range(start_, start_ + count * size, size):
        if struct.unpack_from("<I", content, at)[0] == PT_DYNAMIC:
            struct.pack_into("<Q", content, at + 8, 0)
    found.write_bytes(content)
    assert agree(loaders, exe, str(tmp_path)) == [f"{tmp_path}/liba.so", f"{tmp_path}/libb.so"]


@pytest.mark.parametrize(
    ("path", "level", "directory"),
    [
        ("/opt/glibc-hwcaps/a/liba.so", "a", "/opt"),
        ("/opt/glibc-hwcaps/a/glibc-hwcaps/b/liba.so", "b", "/opt/glibc-hwcaps/a"),
        ("/opt/glibc-hwcaps/a/sub/liba.so", "", "/opt/glibc-hwcaps/a/sub"),
        ("/opt/glibc-hwcaps/liba.so", "", "/opt/glibc-hwcaps"),
        ("glibc-hwcaps/liba.so", "", "glibc-hwcaps"),
    ],
)
def test_the_last_hwcaps_directory_of_a_path_counts(
    path: str, level: str, directory: str
) -> None:
    assert (cache.level(path), cache.directory(path, level)) == (level, directory)


@pytest.mark.needs("root")
def test_a_path_that_names_a_hwcaps_directory_itself_has_no_variants(
    tmp_path: Path, out: Path
) -> None:
    """What LD_LIBRARY_PATH found there is found in the bundle too, at any level."""
    for level in ("x86-64-v9", "x86-64-v2/glibc-hwcaps/x86-64-v2"):
        directory = tmp_path / "glibc-hwcaps" / level
        library(directory / "liba.so")
        exe = program(tmp_path / "exe", ("needed", "liba.so"))
        place = out / level.replace("/", "-")
        assert bundled(place, exe, LD_LIBRARY_PATH=str(directory)) == ""
        assert "liba.so => /" in start(place, INTERPRETER, "--list", str(exe)).stdout


def test_what_is_loaded_later_brings_what_it_needs_before_the_next_is_loaded(
    tmp_path: Path, loaders: Identified
) -> None:
    """So libx.so is found by the RUNPATH of liba.so, not by that of the program."""
    note = dlopen_note('[{"soname":["liba.so"]},{"soname":["libx.so"]}]')
    exe = Made([("runpath", f"{tmp_path}/one")], INTERPRETER, notes=note).write(tmp_path / "exe")
    library(tmp_path / "one" / "liba.so", ("needed", "libx.so"), ("runpath", f"{tmp_path}/two"))
    for name in ("one", "two"):
        library(tmp_path / name / "libx.so")
    found = [each.path for each in found_by(loaders, exe).libraries]
    assert found == [f"{tmp_path}/one/liba.so", f"{tmp_path}/two/libx.so"]

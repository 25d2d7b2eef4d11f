"""Private directories: removed on every way out, and told from what only looks like one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from magicpak.system import workdir
from support.command import done, listing, magicpak, paths
from support.machine import left_behind


def test_it_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    with workdir.private(str(tmp_path), "magicpak-") as path:
        (Path(path) / "a" / "b").mkdir(parents=True)
        (Path(path) / "a").chmod(0)
        assert workdir.is_private(path)
        assert not workdir.is_dead(path)
    assert listing(tmp_path) == []


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    dead = left_behind(tmp_path, "magicpak-", "helper/x")
    with workdir.private(str(tmp_path), "magicpak-") as path:
        assert listing(tmp_path) == [os.path.basename(path)]
    assert not dead.exists()


def test_a_living_one_stays(tmp_path: Path) -> None:
    with workdir.private(str(tmp_path), "magicpak-") as first:
        workdir.sweep(str(tmp_path))
        assert listing(tmp_path) == [os.path.basename(first)]


def test_a_copy_of_one_is_none(tmp_path: Path) -> None:
    dead = left_behind(tmp_path, "magicpak-", "x")
    copy = tmp_path / "magicpak-copy"
    shutil.copytree(dead, copy)
    copy.chmod(0o700)
    workdir.sweep(str(tmp_path))
    assert listing(tmp_path) == ["magicpak-copy"]


@pytest.mark.parametrize("spoil", ["name", "mode", "link", "owner"])
def test_a_directory_that_others_could_have_made_is_none(tmp_path: Path, spoil: str) -> None:
    path = left_behind(tmp_path, "magicpak-", "x")
    if spoil == "name":
        path = path.rename(tmp_path / "work")
    elif spoil == "mode":
        path.chmod(0o770)
    elif spoil == "link":
        real = path.rename(tmp_path / "real")
        path.symlink_to(real)
    elif os.geteuid() != 0:
        pytest.skip("needs root: only root can give a directory away")
    else:
        os.chown(path, 65534, 65534)
    assert not workdir.is_private(str(path))
    workdir.sweep(str(tmp_path))
    assert path.exists()


def test_a_killed_runs_temporary_directory_is_removed_by_the_next_one(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    left_behind(temporary, "magicpak-", "helper")
    done(magicpak("/bin/true", tmp_path / "out", TMPDIR=str(temporary)))
    assert listing(temporary) == []


def test_what_another_run_has_staged_is_not_bundled(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with workdir.private(str(tmp_path), ".magicpak-") as stage:
        (Path(stage) / "bundle").mkdir()
        (Path(stage) / "bundle" / "secret").touch()
        done(magicpak("-i", ".", "/bin/true", tmp_path / "out", cwd=tmp_path))
    assert "/data" in paths(tmp_path / "out")
    assert not [path for path in paths(tmp_path / "out") if "secret" in path]

"""A log that was recorded where another directory is ``/`` is sifted by what lies below that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from magicpak.host.sysroot import Sysroot
from magicpak.trace import Touched, What
from magicpak.trace.calls import Kind
from magicpak.trace.files import Files
from magicpak.trace.strace_log import Access
from magicpak.trace.touched import LOOSE, MOUNTED, sift
from support.machine import mounted
from support.packing import write
from support.traces import left_out


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a tree whose paths the host has not, or has otherwise."""
    (tmp_path / "srv" / "app").mkdir(parents=True)
    (tmp_path / "srv" / "app" / "data").write_text("x")
    return tmp_path


def sifted(root: Path, *paths: str, kind: Kind = Kind.USED) -> tuple[Touched, ...]:
    return sift([Access(path, kind) for path in paths], files=Files(Sysroot(str(root))))


def test_what_only_the_sysroot_has_is_found_and_what_only_the_host_has_is_not(root: Path) -> None:
    found = sifted(root, "/srv/app/data", "/srv/app", "/etc/passwd")
    assert found == (
        Touched("/srv/app", What.DIRECTORY),
        Touched("/srv/app/data", What.FILE),
    )


def test_links_lead_to_where_they_lead_in_the_sysroot(root: Path) -> None:
    (root / "srv" / "now").symlink_to("/srv/app")
    (root / "etc").symlink_to("../../../../srv")
    found = {one.path: one.what for one in sifted(root, "/srv/now/data", "/etc/app/../now")}
    assert found["/srv/now"] is What.LINK
    assert found["/etc"] is What.LINK
    assert found["/srv/now/data"] is What.FILE
    assert found["/srv/app"] is What.DIRECTORY


def test_a_script_of_the_sysroot_brings_its_interpreter_there(root: Path) -> None:
    (root / "srv" / "run").write_text("#!/srv/shell\n")
    (root / "srv" / "shell").write_text("")
    found = sift(
        [Access("/srv/first", Kind.STARTED), Access("/srv/run", Kind.RUN)],
        files=Files(Sysroot(str(root))),
    )
    assert [(one.path, one.executed) for one in found] == [("/srv/run", True), ("/srv/shell", True)]


def test_secrets_and_loose_files_of_the_sysroot_are_left_out(root: Path) -> None:
    (root / "tmp").mkdir()
    (root / "tmp" / "loose").write_text("x")
    (root / "srv" / "id").write_text("-----BEGIN PRIVATE KEY-----\n")
    notes = left_out(sifted(root, "/tmp/loose", "/srv/id"))
    assert notes == {"/tmp/loose": LOOSE, "/srv/id": "hold private keys"}


@pytest.mark.needs("mounts", "root")
def test_a_mount_of_the_host_is_none_of_the_sysroot(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    path, root = str(mount / "x"), tmp_path / "root"
    with mounted(mount, "-t", "tmpfs", "tmpfs"):
        (mount / "x").write_text("x")
        write(root / path[1:])
        assert left_out(sift([Access(path, Kind.USED)])) == {path: MOUNTED}
        assert sifted(root, path) == (Touched(path, What.FILE),)


def test_a_link_to_a_fifo_of_the_sysroot_does_not_block(root: Path) -> None:
    os.mkfifo(root / "srv" / "fifo")
    (root / "srv" / "link").symlink_to("fifo")
    assert sifted(root, "/srv/link", "/srv/fifo", kind=Kind.RUN) == ()

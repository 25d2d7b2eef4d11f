"""A jail holds the bundle's files unaltered and not copied, and goes without following links."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
from pathlib import Path
from typing import IO

import pytest

from magicpak import errors, jail
from magicpak.jail import plant
from support.jails import Bundle, Run
from support.machine import mounting
from support.programs import Compile

pytestmark = pytest.mark.needs("root", "busybox", "cc")


def test_file_modes_and_links_are_those_of_the_bundle(run: Run, bundle: Bundle) -> None:
    bundle.write("/data/secret", "", 0o640)
    (bundle.tree / "data").chmod(0o550)
    (bundle.tree / "link").symlink_to("data/secret")
    command = "stat -c %a /data /data/secret; readlink /link"
    run("/data/secret", command=command, stdout="550\n640\ndata/secret")


def test_fifos_and_sockets_are_in_the_jail_too(run: Run, bundle: Bundle) -> None:
    os.mkfifo(bundle.tree / "fifo")
    run(
        bundle.write("/f", "", 0o755),
        command="test -p /fifo && cat /fifo & echo x > /fifo; wait",
        stdout="x",
    )


def test_files_are_shared_not_copied(bundle: Bundle) -> None:
    bundle.write("/big", "x" * 100_000)
    root = str(bundle.top / "root")
    shared = plant.plant(str(bundle.tree), root)
    source, target = os.stat(bundle.tree / "big"), os.stat(f"{root}/big")
    # A file system with reflinks gives another inode for the same extents.
    assert source.st_ino == target.st_ino or not shared
    plant.remove(root)


def test_file_that_cannot_be_linked_is_copied(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(31, "Too many links")

    bundle.write("/a", "", 0o755)
    monkeypatch.setattr(os, "link", refuse)
    before = bundle.snapshot()
    assert jail.check(str(bundle.tree), [], command="echo changed >> /a") == ()
    assert bundle.snapshot() == before


def test_file_with_reflinks_is_shared_without_its_inode(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clone(new: IO[bytes], request: int, old: int) -> None:
        assert request == 0x40049409
        new.write(os.pread(old, 1_000_000, 0))
        new.flush()

    # What the file systems of most test machines lack.
    monkeypatch.setattr(fcntl, "ioctl", clone)
    bundle.write("/a", "", 0o4755)
    before = bundle.snapshot()
    assert jail.check(str(bundle.tree), [], command="echo changed >> /a") == ()
    assert bundle.snapshot() == before


def test_file_that_the_test_writes_to_is_reported(run: Run, bundle: Bundle) -> None:
    for name in "abcde":
        bundle.write(f"/etc/{name}", "same size")
    bundle.write("/var/log", "")
    command = """printf 'SAME SIZE' > /etc/b; chmod 600 /etc/c; touch -d @1 /etc/d
        cat /etc/a; rm /etc/e; mkdir /new; echo > /new/f; rmdir /mnt 2> /dev/null
        echo > /var/log"""
    altered = run("/etc/a", command=command, stdout="same size")
    assert [path for path in altered if path != "/etc/e"] == [
        "/etc/b",
        "/etc/c",
        "/etc/d",
        "/var/log",
    ]
    assert (bundle.tree / "etc/e").read_text() == "same size"
    assert not (bundle.tree / "new").exists()


def test_program_that_writes_at_once_is_noticed_however_coarse_the_clock(
    bundle: Bundle, program: Compile
) -> None:
    path = bundle.add(program("app", 'return fputc(120, fopen("/data", "r+")) != 120;'), "/a")
    for _ in range(10):
        bundle.write("/data", "abc")
        assert jail.check(str(bundle.tree), [path]) == ("/data",)


def test_links_cannot_lead_out_of_the_jail(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a/up").symlink_to("../../../..")
    (root / "a/etc").symlink_to("/etc")
    (root / "loop").symlink_to("loop")
    assert plant.inside(str(root), "/a/up/x") == f"{root}/x"
    assert plant.inside(str(root), "/a/etc/../b") == f"{root}/b"
    assert plant.inside(str(root), "/../..") == str(root)
    with pytest.raises(errors.IoError, match="loop"):
        plant.inside(str(root), "/loop/x")


def test_jail_is_removed_whatever_its_modes(run: Run, bundle: Bundle) -> None:
    command = "mkdir -p /x/y/z; touch /x/y/z/f; chmod 0 /x/y/z /x/y /x; chmod 0 /; ln -s / /l"
    run(bundle.write("/f", "", 0o755), command=command)


def test_removal_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir(mode=0o500)
    (tmp_path / "kept/file").touch()
    gone = tmp_path / "gone"
    gone.mkdir()
    (gone / "link").symlink_to(tmp_path / "kept")
    plant.remove(str(gone))
    assert not gone.exists()
    assert (tmp_path / "kept/file").exists()
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o500


def test_removal_never_deletes_through_a_mount(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    place = tmp_path / "gone with\tblanks/mount"
    place.mkdir(parents=True)
    with mounting():
        if subprocess.run(["mount", "--bind", tmp_path / "kept", place], check=False).returncode:
            pytest.skip("mounts are not permitted")
        plant.remove(str(place.parent))
    assert (tmp_path / "kept/file").exists()
    assert not place.parent.exists()

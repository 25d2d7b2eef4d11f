"""Mount points, and file systems that are read-only or full."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from magicpak import Options, pack
from support.command import facts, failed, listing, magicpak, paths
from support.machine import left_behind, mounted
from support.packing import simple

ROOT_ONLY = pytest.mark.needs("root")


@ROOT_ONLY
def test_a_mount_point_is_filled(tmp_path: Path) -> None:
    for how in (["-t", "tmpfs", "tmpfs"], ["--bind", str(tmp_path / "source")]):
        (tmp_path / "source").mkdir(exist_ok=True)
        out = tmp_path / "out put"
        with mounted(out, *how):
            simple(out)
            assert "/bin/true" in paths(out)
            assert not [name for name in listing(out) if name.startswith(".")]
        assert listing(tmp_path) == ["out put", "source"]


@ROOT_ONLY
def test_output_on_another_file_system_is_made_there(tmp_path: Path) -> None:
    with mounted(tmp_path / "other", "-t", "tmpfs", "tmpfs"):
        simple(tmp_path / "other" / "a" / "out")
        assert listing(tmp_path / "other") == ["a"]
        assert "/bin/true" in paths(tmp_path / "other" / "a" / "out")


@ROOT_ONLY
def test_what_a_killed_run_left_in_a_mount_point_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with mounted(out, "-t", "tmpfs", "tmpfs"):
        stage = left_behind(out, ".magicpak-", "bundle/bin/ls")
        simple(out)
        assert not stage.exists()
        assert "/bin/true" in paths(out)


@ROOT_ONLY
@pytest.mark.parametrize("output", ["ro/out", "ro/a/b", "ro"])
def test_a_read_only_place_is_told(tmp_path: Path, output: str) -> None:
    with mounted(tmp_path / "ro", "-t", "tmpfs", "-o", "ro", "tmpfs"):
        message = failed(magicpak("/no/such/input", output, cwd=tmp_path))
    assert message == (
        f"IO error: Read-only file system (os error 30): {output}: nothing can be written to "
        f"{tmp_path}/ro; name an OUTPUT elsewhere"
    )


def test_a_path_that_is_too_long_is_told_and_nothing_stays(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    # As most users have it: fewer descriptors than there are levels to remove.
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
    try:
        message = failed(magicpak("-r", "x/" * 3000, "/bin/true", "out", cwd=tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert message.startswith("IO error: File name too long (os error 36): out/x/")
    assert list(tmp_path.iterdir()) == []


@ROOT_ONLY
def test_a_full_disk_is_told_and_leaves_output_as_it_was(tmp_path: Path) -> None:
    small = tmp_path / "small"
    (tmp_path / "large").write_bytes(os.urandom(3 << 20))
    for output in (small, small / "out", small / "a" / "out"):
        with mounted(small, "-t", "tmpfs", "-o", "size=2m", "tmpfs"):
            (small / "out").mkdir(exist_ok=output.name == "out")
            if output == small:
                (small / "out").rmdir()
            before = facts(small)
            message = failed(magicpak("-i", tmp_path / "large", "/bin/true", output))
            assert message.startswith("IO error: No space left on device (os error 28): ")
            assert str(output) in message
            assert facts(small).keys() == before.keys()


@ROOT_ONLY
@pytest.mark.needs("busybox")
def test_a_disk_that_has_no_room_for_the_test_is_named(tmp_path: Path) -> None:
    report = pack(Options(("/bin/true",), str(tmp_path / "measured")))
    room = f"size={report.size + (500 << 10)}"  # less than a busybox
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", room, "tmpfs"):
        test = ("--test", "--test-command=:")
        message = failed(magicpak(*test, "/bin/true", tmp_path / "small" / "out"))
        start = "IO error: No space left on device (os error 28): "
        assert message.startswith(f"{start}{tmp_path}/small/")
        assert list((tmp_path / "small").iterdir()) == []

"""Which files are part of the file system that a build makes an image of, by what is mounted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from magicpak.trace.mounts import Mounts

HOST = "1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"
CONTAINER = "1 0 0:9 / / rw,relatime master:2 - overlay overlay rw,lowerdir=/a:/b"
SUBVOLUME = "1 0 0:9 /@root / rw - btrfs /dev/sda rw,subvol=/@root"


def keeps(path: Path | str, *lines: str, cwd: str = "/", contained: bool = False) -> bool:
    return Mounts(lines, cwd, contained=contained).keeps(str(path))


def mount(point: Path | str, root: str = "/", kind: str = "ext4", device: str = "8:2") -> str:
    escaped = str(point).replace(" ", "\\040")
    return f"9 1 {device} {root} {escaped} rw,relatime shared:7 master:2 - {kind} none rw"


def test_without_mounts_all_is_kept() -> None:
    assert keeps("/etc/x")
    assert keeps("/etc/x", HOST)
    assert keeps("/etc/x", CONTAINER, contained=True)


@pytest.mark.parametrize("root", [HOST, CONTAINER])
@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_file_that_is_mounted_is_not_kept(tmp_path: Path, root: str, kind: str) -> None:
    secret = tmp_path / "a secret"
    secret.touch()
    line = mount(secret, "/x/npmrc", kind)
    assert not keeps(secret, root, line)
    assert not keeps(secret, root, line, cwd=str(tmp_path))
    assert keeps(tmp_path / "a secret2", root, line)
    assert keeps(tmp_path, root, line)


@pytest.mark.parametrize(
    "line",
    [
        mount("/usr/share", kind="tmpfs"),
        mount("/usr/share", kind="ramfs"),
        mount("/usr/share", "/volumes/cache/_data"),
        mount("/usr/share", "/elsewhere", device="8:1"),
    ],
)
def test_what_lies_in_memory_or_is_bound_from_elsewhere_is_not_kept(line: str) -> None:
    for root in (HOST, CONTAINER):
        assert not keeps("/usr/share/doc/x", root, line)
        assert keeps("/usr/shared", root, line)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "nfs4"])
def test_a_file_system_of_its_own_is_kept_on_a_host_and_not_in_a_container(kind: str) -> None:
    line = mount("/usr/share", kind=kind)
    assert keeps("/usr/share/x", HOST, line)
    assert not keeps("/usr/share/x", CONTAINER, line)
    assert not keeps("/usr/share/x", HOST, line, contained=True)


def test_a_part_of_the_root_that_is_mounted_where_it_is_anyway_is_kept() -> None:
    """As /nix/store is, to be read-only, or the subvolumes of a btrfs."""
    assert keeps("/usr/share/x", HOST, mount("/usr/share", "/usr/share", device="8:1"))
    assert not keeps("/usr/share/x", HOST, mount("/usr/share", "/usr/share", device="8:2"))
    same = mount("/usr/share", "/@root/usr/share", "btrfs", "0:9")
    assert keeps("/usr/share/x", SUBVOLUME, same)
    assert keeps("/usr/share/x", SUBVOLUME, mount("/usr/share", "/@share", "btrfs", "0:9"))


def test_what_the_user_works_on_is_kept(tmp_path: Path) -> None:
    """As the sources of a job are, in the container of a runner."""
    line = mount(tmp_path, "/var/lib/volumes/_data")
    for cwd in (tmp_path, tmp_path / "sub"):
        assert keeps(tmp_path / "app.py", CONTAINER, line, cwd=str(cwd))
    assert not keeps(tmp_path / "app.py", CONTAINER, line, cwd=f"{tmp_path}2")


@pytest.mark.parametrize("scratch", ["/tmp", "/var/tmp"])
def test_the_temporary_directory_itself_is_kept_and_mounts_in_it_are_not(
    tmp_path: Path, scratch: str
) -> None:
    line = mount(scratch, kind="tmpfs")
    assert keeps(f"{scratch}/work/app.py", HOST, line)
    assert not keeps(tmp_path / "x", HOST, line, mount(tmp_path, kind="tmpfs"))


def test_the_last_of_several_mounts_at_a_place_counts() -> None:
    lines = (mount("/usr/share", kind="tmpfs"), mount("/usr/share", kind="xfs"))
    assert keeps("/usr/share/x", HOST, *lines)
    assert not keeps("/usr/share/x", HOST, *reversed(lines))


@pytest.mark.needs("mounts", "root")
def test_the_mounts_of_this_process_are_read(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "token").touch()
    code = (
        "import sys; from magicpak.trace.mounts import Mounts; m = Mounts.of_this_process();"
        "print(*[m.keeps(path) for path in sys.argv[1:]])"
    )
    script = 'mount -t tmpfs none "$1/cache"; mount --bind /etc/hostname "$1/token"; shift; "$@"'
    asked = [tmp_path / name for name in ("cache/x", "token", "other")]
    shown = subprocess.run(
        ["unshare", "-m", "sh", "-ec", script, "sh", tmp_path, sys.executable, "-c", code, *asked],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    assert shown.stdout.split() == ["False", "False", "True"]

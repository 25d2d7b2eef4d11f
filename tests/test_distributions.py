"""The single file on releases of Debian: with the glibc, strace and upx of each."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import architectures
from support.architectures import Architecture
from support.command import Printed

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "base-files", "libc-bin", "dash", "coreutils", "python3", "curl", "strace", "busybox-static",
    "gcc", "libc6-dev", "mount",
)  # fmt: skip
UPX = {"bullseye", "trixie", "sid"}
"""Releases whose main archive has upx."""

pytestmark = [
    pytest.mark.distributions,
    pytest.mark.needs("root", "mounts", "apt-get", "static python", "cc"),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the single file."""
    path = tmp_path_factory.mktemp("file") / "magicpak"
    build = ROOT / "src/standalone/build.py"
    subprocess.run(["/usr/bin/python3", build, path], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module", params=["bullseye", "bookworm", "trixie", "sid"])
def suite(request: pytest.FixtureRequest) -> str:
    """Each release."""
    return str(request.param)


@pytest.fixture(scope="module")
def tree(suite: str, file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Unpack the release, with the single file."""
    place = tmp_path_factory.mktemp(suite) / "tree"
    kind = Architecture("amd64", "x86_64", "/lib64/ld-linux-x86-64.so.2", suite)
    architectures.make(place, kind, (*PACKAGES, *(["upx-ucl"] if suite in UPX else [])))
    shutil.copy(file, place / "magicpak")
    # dpkg(1) would make it while it configures upx-ucl.
    if suite in UPX and not (place / "usr/bin/upx").exists():
        (place / "usr/bin/upx").symlink_to("upx-ucl")
    yield place
    shutil.rmtree(place)


def run(tree: Path, *command: str) -> Printed:
    """Run a program of the tree, with /proc and /dev."""
    line = 'mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; exec chroot "$0" "$@"'
    enclosed = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", line, tree)
    return subprocess.run(
        [*enclosed, *command], env={"PATH": "/usr/bin:/usr/sbin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("options", [
    ("/usr/bin/ls",), ("/usr/bin/curl",), ("--with", "auto", "/usr/bin/curl"),
    ("--with", "auto", "--test", "--test-command", "exec python3 -c 'import json'",
     "/usr/bin/python3"),
    ("--dynamic", "/usr/bin/ls"), ("--test", "--test-command", "exec ls /", "/usr/bin/ls"),
], ids=" ".join)  # fmt: skip
def test_the_file_bundles_traces_and_tests(tree: Path, options: tuple[str, ...]) -> None:
    made = run(tree, "/magicpak", *options, "/out")
    assert made.returncode == 0, made.stderr
    started = run(tree, "chroot", "/out", options[-1], "--version")
    assert started.returncode == 0, started.stderr
    shutil.rmtree(tree / "out")


def test_upx_compresses_or_the_error_says_where_it_is(tree: Path, suite: str) -> None:
    made = run(tree, "/magicpak", "--compress", "/usr/bin/curl", "/out")
    if suite in UPX:
        assert made.returncode == 0, made.stderr
        # As in a container: upx 3.96 unpacks what it reads from /proc/self/exe.
        (tree / "out/proc").mkdir()
        start = "mount -t proc proc /out/proc; exec chroot /out /usr/bin/curl --version"
        started = run(tree, "sh", "-ec", start)
        assert (started.returncode, started.stdout[:4]) == (0, "curl"), started.stderr
        shutil.rmtree(tree / "out")
    else:
        assert made.returncode == 1
        assert "apt-get install -t bookworm-backports upx-ucl" in made.stderr

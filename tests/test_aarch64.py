"""On aarch64, under qemu-user(1): the single file is built there, and bundles and tests there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import architectures
from support.architectures import ARCHITECTURES
from support.command import facts, magicpak

ROOT = Path(__file__).parents[1]
(ARM,) = (kind for kind in ARCHITECTURES if kind.debian == "arm64")

pytestmark = [
    pytest.mark.architectures,
    pytest.mark.needs("root", "userns", "mounts", "apt-get", "qemu-aarch64-static"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Unpack Debian for arm64, and build the single file there as /magicpak."""
    place = tmp_path_factory.mktemp("arm64") / "tree"
    architectures.make(place, ARM, architectures.BUILDS)
    shutil.copytree(ROOT / "src", place / "src")
    shutil.copy("/etc/resolv.conf", place / "etc")
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", place / "etc/ca.crt")
    run = architectures.inside(place, ARM, "python3", "/src/standalone/build.py", "/magicpak")
    assert run.returncode == 0, run.stderr
    yield place
    shutil.rmtree(place)


def packed(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the single file in the tree."""
    return architectures.inside(tree, ARM, "/magicpak", *arguments)


def test_the_file_is_static_and_for_the_architecture(tree: Path) -> None:
    told = subprocess.run(["file", "-b", tree / "magicpak"], capture_output=True, check=True).stdout
    assert b"ARM aarch64" in told
    assert b"statically linked" in told


@pytest.mark.parametrize(
    "arguments", [("/usr/bin/curl",), ("--with", "auto", "/usr/bin/python3")], ids=str
)
def test_the_bundle_is_the_one_of_a_sysroot_elsewhere(
    tree: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    there, here = packed(tree, *arguments, "/out"), tmp_path / "out"
    assert there.returncode == 0, there.stderr
    run = magicpak("--sysroot", tree, *arguments, here)
    assert run.returncode == 0, run.stderr
    try:
        assert facts(tree / "out") == facts(here)
        program = arguments[-1]
        started = architectures.inside(tree, ARM, "chroot", "/out", program, "--version")
        assert started.returncode == 0, started.stderr
    finally:
        shutil.rmtree(tree / "out")


@pytest.mark.parametrize(("path", "passes"), [("/", True), ("/nothing", False)])
def test_a_bundle_is_tested_there(tree: Path, path: str, passes: bool) -> None:
    command = ("--test", "--test-command", f"exec /usr/bin/ls {path}")
    run = packed(tree, *command, "/usr/bin/ls", "/out")
    assert (run.returncode == 0) == passes, run.stderr
    assert passes or "cannot access '/nothing'" in run.stderr
    assert (tree / "out").exists() == passes
    shutil.rmtree(tree / "out", ignore_errors=True)


def test_an_emulator_without_ptrace_is_named(tree: Path) -> None:
    run = packed(tree, "--dynamic", "/usr/bin/ls", "/out")
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: Unable to trace the program: ")
    assert "emulated, as by qemu-user, which has no ptrace(2)" in line
    assert not (tree / "out").exists()

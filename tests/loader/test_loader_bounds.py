"""No file that the loader reads, however it is made, is waited for or takes its fill."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from magicpak import elf
from support.command import assert_bounded, cost
from support.elves import Made
from support.loader import sysroot_of
from support.programs import Compile


@pytest.mark.needs("root", "cc")
@pytest.mark.parametrize("interpreter", ["fifo", "/proc/kmsg", "/dev/zero"])
def test_what_is_named_as_the_loader_is_not_waited_for(
    tmp_path: Path, compile_c: Compile, interpreter: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    path = tmp_path / interpreter
    app = compile_c("app", "int main(void) { return 0; }", f"-Wl,--dynamic-linker={path}")
    for _ in range(2):  # what the kernel has said is read once
        took = cost("-i", app, app, "out", cwd=tmp_path)
        assert_bounded(took)
        assert took.status == 1
        assert str(path) in took.lines[-1]


@pytest.mark.parametrize("name", ["ld.so.cache", "ld.so.preload", "ld.so.conf"])
def test_a_fifo_in_the_place_of_the_loaders_files_is_not_waited_for(
    tmp_path: Path, name: str
) -> None:
    root = sysroot_of("/bin/ls", tmp_path / "root")
    os.mkfifo(root / "etc" / name)
    took = cost("--sysroot", root, "/bin/ls", "out", cwd=tmp_path)
    assert_bounded(took)
    assert took.status == 0


def test_a_fifo_in_the_place_of_musls_path_file_is_not_waited_for(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for directory in ("etc", "lib", "bin"):
        (root / directory).mkdir(parents=True)
    Made([("soname", "libc.musl-x86_64.so.1")]).write(root / "lib/ld-musl-x86_64.so.1")
    Made([], interpreter="/lib/ld-musl-x86_64.so.1").write(root / "bin/app")
    os.mkfifo(root / "etc/ld-musl-x86_64.path")
    took = cost("--sysroot", root, "/bin/app", "out", cwd=tmp_path)
    assert_bounded(took)
    assert took.status == 0


def test_a_cache_whose_entries_share_a_name_without_end_is_damage(tmp_path: Path) -> None:
    root = sysroot_of("/bin/ls", tmp_path / "root")
    count = 40_000
    head = b"glibc-ld.so.cache1.1" + struct.pack("<IIB19x", count, 72_001, 2)
    entry = struct.pack("<iIIIQ", 0x0303, 48 + 24 * count, 48 + 24 * count, 0, 0)
    cache = head + entry * count + b"libc.so.6" * 8_000 + b"\0"
    (root / "etc/ld.so.cache").write_bytes(cache)
    assert_bounded(cost("--sysroot", root, "/bin/ls", "out", cwd=tmp_path))


def test_configurations_that_include_one_another_are_each_read_once(tmp_path: Path) -> None:
    root = sysroot_of("/bin/ls", tmp_path / "root")
    for number in range(6):
        (root / f"etc/c{number}.conf").write_text("include /etc/c*.conf\n" * 6 + "/lib\n")
    (root / "etc/ld.so.conf").write_text("include c*.conf\n")
    took = cost("--sysroot", root, "/bin/ls", "out", cwd=tmp_path)
    assert_bounded(took)
    assert took.status == 0


def test_thousands_of_needed_names_are_looked_for_once_each(tmp_path: Path) -> None:
    needed = [("needed", f"lib{number:04}{'x' * 490}.so") for number in range(2_000)]
    # Without an interpreter, nothing is looked for.
    Made(needed, interpreter=elf.read("/bin/true").interpreter).write(tmp_path / "app")
    assert (tmp_path / "app").stat().st_size > 1_000_000
    took = cost("app", "out", cwd=tmp_path)
    assert took.memory < 100
    assert "Unable to lookup shared library: lib0000" in took.lines[-1]
    assert took.seconds < 4  # dlopen(3) is asked for each, in another process

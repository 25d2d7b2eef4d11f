"""A directory stands for the root of the host."""

from __future__ import annotations

from pathlib import Path

from magicpak.host import Host, globbing
from magicpak.plan import BundlePath, patterns
from support.packing import symlink, write
from support.plans import GLOB


def test_a_sysroot_stands_for_the_root(tmp_path: Path) -> None:
    write(tmp_path / "usr" / "lib" / "f", "inside")
    symlink(tmp_path / "lib", "/usr/lib")
    symlink(tmp_path / "escape", "../../../../lib/f")
    host = Host(str(tmp_path))
    assert host.real("/lib/f") == "/usr/lib/f"
    assert host.sysroot + host.real("/escape") == f"{tmp_path}/usr/lib/f"
    found = list(host.entries("/escape", BundlePath("/escape"), GLOB))
    assert [path for path, _, _ in found] == ["/escape", "/lib/f"]
    assert globbing.matches(host, patterns.include("/l*/f")) == ["/lib/f"]

"""A directory that is made is like the host's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from support.packing import bundled


def test_a_made_directory_is_like_the_hosts_or_0755(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        out = bundled(tmp_path, mkdir=("/tmp", "no/such/../dir", "/a/b/c", "../../up"))
    finally:
        os.umask(old)
    modes = {
        str(path.relative_to(out)): stat.S_IMODE(path.stat().st_mode)
        for path in out.rglob("*") if path.is_dir() and not path.is_symlink()
    }  # fmt: skip
    assert modes["tmp"] == stat.S_IMODE(os.stat("/tmp").st_mode)
    assert {modes[name] for name in ("no", "no/dir", "a", "a/b", "a/b/c", "up")} == {0o755}
    assert stat.S_IMODE(out.stat().st_mode) == 0o755

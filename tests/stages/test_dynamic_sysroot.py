"""With a sysroot, a log says what was used of it, not of this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.command import done, magicpak, paths


@pytest.mark.needs("strace", "root")
def test_a_log_recorded_in_a_sysroot_brings_what_only_the_sysroot_has(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    done(magicpak("/usr/bin/strace", "/bin/cat", root))
    (root / "srv" / "data").mkdir(parents=True)
    (root / "srv" / "data" / "only-here").write_text("x")
    (root / "srv" / "now").symlink_to("/srv/data")
    trace = ["chroot", root, "/usr/bin/strace", "-f", "-y", "-xx", "-o", "/log"]
    assert subprocess.check_output([*trace, "/bin/cat", "/srv/now/only-here"]) == b"x"
    done(magicpak("--sysroot", root, "--dynamic-log", root / "log", "/bin/cat", out))
    assert {"/srv/now", "/srv/data/only-here"} <= paths(out)
    run = ["chroot", out, "/bin/cat", "/srv/now/only-here"]
    assert subprocess.check_output(run) == b"x"

"""System calls for which Python has no function."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from magicpak.system import kernel


def test_the_birth_of_a_file_is_told_where_the_file_system_tells_it(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    os.utime(file, ns=(1, 1))
    link.symlink_to(tmp_path)
    for path in (file, link, tmp_path, Path("/proc/self")):
        asked = subprocess.run(
            ["stat", "-c", "%W", path], capture_output=True, text=True, check=True
        )
        born = kernel.birth(str(path))
        assert (0 if born is None else born // 10**9) == int(asked.stdout.strip("-\n") or 0)


def test_what_is_not_there_was_not_born(tmp_path: Path) -> None:
    assert kernel.birth(str(tmp_path / "none")) is None

"""Make a bundle to be tested in a jail, and ask what the test says of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magicpak import errors
from support.loader import INTERPRETER

Run = Callable[..., tuple[str, ...]]
"""Tests executables of the bundle: ``jail.check`` with these arguments."""

NAME = f"mpk{os.getpid()}"
"""How processes are called here, unlike those of tests that run beside these."""


class Bundle:
    """A bundle in a staging directory, in a directory that its owner alone may write to."""

    def __init__(self, top: Path) -> None:
        """Make it below ``top``."""
        self.top = top
        self.tree = top / "tree"
        self.tree.mkdir()

    def add(self, source: Path | str, path: str, libraries: bool = True) -> str:
        """Add a copy of a file, with the libraries that it needs; return its path."""
        target = self.tree / path[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        if libraries:
            self.add_libraries(source)
        return path

    def add_libraries(self, source: Path | str) -> None:
        """Add what the loader of this machine maps for a program."""
        run = subprocess.run(
            [INTERPRETER, "--list", source], capture_output=True, text=True, check=False
        )
        for word in run.stdout.split() if run.returncode == 0 else ():
            if word.startswith("/") and not (self.tree / word[1:]).exists():
                self.add(word, word, libraries=False)

    def write(self, path: str, text: str, mode: int = 0o644) -> str:
        """Add a file with this content; return its path."""
        target = self.tree / path[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
        return path

    def snapshot(self) -> dict[str, tuple[int, bytes]]:
        """Return the mode and content of all that is in it, links aside."""
        files = (path for path in sorted(self.tree.rglob("*")) if not path.is_symlink())
        return {
            str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in files
        }


def message(run: Run, *executables: str, **options: Any) -> str:
    """Return the line by which a test fails."""
    with pytest.raises(errors.MagicpakError) as failure:
        run(*executables, **options)
    assert "\n" not in str(failure.value)
    return str(failure.value)

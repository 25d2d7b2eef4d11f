"""Programs to trace, and their traced runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from magicpak import trace
from magicpak.trace import Touched
from support.programs import Compile
from support.traces import Compiled, Touch


@pytest.fixture
def touch(tmp_path: Path) -> Touch:
    """Run a program under strace, and return what it touched."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(0o700)

    def run(executable: str, *arguments: str, **options: object) -> tuple[Touched, ...]:
        return trace.run(executable, arguments, scratch=str(scratch), **options)  # type: ignore[arg-type]

    return run


@pytest.fixture
def compiled(compile_c: Compile) -> Compiled:
    """Compile a program with threads, whatever the compiler may think of its source."""
    return lambda source: str(compile_c("program", source, "-w", "-pthread"))

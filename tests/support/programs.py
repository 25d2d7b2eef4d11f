"""Make programs: compile C, write shell scripts."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

Compile = Callable[..., Path]
"""Compiles into a file of that name below the test's directory: ``(name, source, *flags)``."""

FOO = "int foo(void) { return 0; }"
"""A library."""

USES_FOO = "int foo(void); int main(void) { return foo(); }"
"""A program that needs it."""


def compile_c(output: Path, source: str, *flags: str) -> Path:
    """Compile C source into a file, and make the directories that it lies in."""
    output.parent.mkdir(parents=True, exist_ok=True)
    code = output.with_name(output.name + ".c")
    code.write_text(source)
    subprocess.run(["cc", "-o", output, code, *flags], check=True, capture_output=True)
    code.unlink()
    return output


def script(path: Path, body: str) -> str:
    """Write a shell script that stands for a tool, and return its path."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)

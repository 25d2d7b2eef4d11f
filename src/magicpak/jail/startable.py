"""Say why a program of a jail cannot be started (execve(2))."""

from __future__ import annotations

import os
from collections.abc import Iterable

from magicpak import elf
from magicpak.errors import MagicpakError
from magicpak.jail.plant import inside

COMPATIBLE = {"EM_X86_64": ("EM_386",), "EM_AARCH64": ("EM_ARM",)}
"""Machines whose programs another one runs too."""

DEPTH = 5
"""Scripts that may run one another."""


def unstartable(paths: Iterable[str], root: str) -> tuple[str, ...]:
    """Say of the programs at these paths of the jail what keeps them from being started."""
    reasons = (_obstacle(path, root) for path in dict.fromkeys(paths))
    return tuple(reason for reason in reasons if reason is not None)


def _obstacle(path: str, root: str, depth: int = 0) -> str | None:
    here = inside(root, path)
    if not os.path.lexists(here):
        return f"{path} is not in the bundle"
    if os.path.isdir(here):
        return f"{path} is a directory"
    mode = os.stat(here).st_mode
    if not mode & 0o111:
        return f"{path} is not executable: its mode is {mode & 0o7777:04o}"
    try:
        interpreter, machine = _needs(here)
    except (OSError, MagicpakError):
        return f"{path} is neither an ELF file nor a script that begins with '#!'"
    if machine is not None and machine not in _machines():
        return f"{path} is for another machine: {machine}"
    reason = None if interpreter is None else _lack(interpreter, root, depth + 1)
    return None if reason is None else f"{path} cannot be started, because {reason}"


def _lack(interpreter: str, root: str, depth: int) -> str | None:
    """Say what is wrong with the interpreter that a program or a script names."""
    if interpreter.endswith("\r"):
        return "its first line ends in a carriage return"
    if not os.path.lexists(inside(root, interpreter)):
        return f"its interpreter {interpreter} is not in the bundle (--include {interpreter})"
    return _obstacle(interpreter, root, depth) if depth < DEPTH else None


def _machines() -> tuple[str, ...]:
    own = elf.read("/proc/self/exe").abi.machine
    return (own, *COMPATIBLE.get(own, ()))


def _needs(here: str) -> tuple[str | None, str | None]:
    """Return the interpreter that a program or a script names, and a program's machine.

    Raises OSError, MagicpakError.
    """
    with open(here, "rb") as program:
        start = program.read(256)
    if start.startswith(b"#!"):
        words = start[2:].split(b"\n")[0].strip(b" \t").replace(b"\t", b" ").split(b" ")
        return os.fsdecode(words[0]) or None, None
    found = elf.read(here)
    return found.interpreter, found.abi.machine

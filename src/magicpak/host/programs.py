"""Find the programs that run a file: itself, and the interpreters of a script (execve(2))."""

from __future__ import annotations

import os
from collections.abc import Iterator

from magicpak.elf import Elf, MalformedExecutable
from magicpak.host import script
from magicpak.host.collect import Host

NO_PROGRAMS = {
    "ET_REL": "it is an object file, which is not linked yet; link it, and name what comes of that",
    "ET_CORE": "it is the core dump of a process; name the program itself",
}
"""What the kernel does not run, by ``e_type``: any but ET_EXEC and ET_DYN."""


def programs(host: Host, path: str, depth: int = 0) -> Iterator[tuple[str, Elf | None]]:
    """Yield a file and, if it is a script, the programs that run it; None stands for a script.

    Raises ScriptFailed, IoError, MalformedExecutable.
    """
    search = script.PATH if host.sysroot else os.environ.get("PATH", script.PATH)
    run_by = script.interpreters(path, _head(host, path), host.may_run, search)
    if run_by is None:
        yield path, _executable(host, path)
        return
    if depth == script.DEPTH:
        raise script.ScriptFailed(path, "too many levels of script interpreters")
    yield path, None
    for program in run_by:
        yield from programs(host, program, depth + 1)


def _executable(host: Host, path: str) -> Elf:
    elf = host.read(path)
    if elf.kind not in ("ET_EXEC", "ET_DYN"):
        reason = NO_PROGRAMS.get(elf.kind, f"its type {elf.kind} is that of no executable")
        raise MalformedExecutable(path, reason)
    return elf


def _head(host: Host, path: str) -> bytes:
    try:
        fd = host.opened(path)
    except (OSError, ValueError):
        return b""  # the ELF reader raises the error
    try:
        return os.read(fd, script.HEAD)
    except OSError:
        return b""
    finally:
        os.close(fd)

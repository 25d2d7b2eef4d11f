"""Find the programs that run a file: itself, and the interpreters of a script (execve(2))."""

from __future__ import annotations

import os
from collections.abc import Iterator

from magicpak.elf import Elf
from magicpak.host import script
from magicpak.host.collect import Host


def programs(host: Host, path: str, depth: int = 0) -> Iterator[tuple[str, Elf | None]]:
    """Yield a file and, if it is a script, the programs that run it; None stands for a script.

    Raises ScriptFailed, IoError, MalformedExecutable.
    """
    search = script.PATH if host.sysroot else os.environ.get("PATH", script.PATH)
    run_by = script.interpreters(path, _head(host, path), host.may_run, search)
    if run_by is None:
        yield path, host.read(path)
        return
    if depth == script.DEPTH:
        raise script.ScriptFailed(path, "too many levels of script interpreters")
    yield path, None
    for program in run_by:
        yield from programs(host, program, depth + 1)


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

"""Find the programs that run a file: itself, and the interpreters of a script (execve(2))."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from magicpak.elf import Elf, MalformedExecutable
from magicpak.host import script
from magicpak.host.collect import Host

NO_PROGRAMS = {
    "ET_REL": "it is an object file, which is not linked yet; link it, and name the executable",
    "ET_CORE": "it is the core dump of a process; name the program itself",
}
"""The reasons for types that the kernel does not run: all but ET_EXEC and ET_DYN."""


def programs(host: Host, path: str, depth: int = 0) -> Iterator[tuple[str, Elf | None]]:
    """Yield a file and, if it is a script, the programs that run it; None stands for a script.

    Raises ScriptFailed, IoError, MalformedExecutable.
    """
    run_by = _run_by(host, path)
    if not run_by:
        yield path, _executable(host, path)
        return
    if depth == script.DEPTH:
        raise script.ScriptFailed(path, "too many levels of script interpreters")
    yield path, None
    for program in run_by:
        yield from programs(host, program, depth + 1)


def _run_by(host: Host, path: str) -> tuple[str, ...]:
    """List what runs a script: its interpreter and, for a shell script, what it hands over to."""

    def why_not(at: str) -> str:
        return obstacle(host, at)

    head, search = _head(host, path), search_path(host)
    found = script.interpreters(path, head, why_not, search) or ()
    if not found or not script.is_shell(found[-1]):
        return found
    from magicpak.host import shell  # noqa: PLC0415  few inputs are shell scripts

    names = shell.handover(os.fsdecode(head), os.path.dirname(host.end_of_links(path)))
    return (*found, *(script.find(path, name, why_not, search) for name in names))


def _executable(host: Host, path: str) -> Elf:
    elf = host.read(path)
    if elf.kind not in ("ET_EXEC", "ET_DYN"):
        reason = NO_PROGRAMS.get(elf.kind, f"an executable has another type than {elf.kind}")
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


def search_path(host: Host) -> str:
    """Return the PATH to search for programs: below a sysroot, the usual one of a container."""
    return script.PATH if host.sysroot else os.environ.get("PATH", script.PATH)


def on_path(host: Host, name: str) -> str | None:
    """Return the first program of a name in the directories of PATH, or a path that is one."""
    directories = filter(None, search_path(host).split(":"))
    places = [name] if "/" in name else [f"{directory}/{name}" for directory in directories]
    return next((place for place in places if not obstacle(host, place)), None)


def obstacle(host: Host, path: str) -> str:
    """Say why execve(2) fails for a file; an empty string if it does not."""
    try:
        mode = host.look(path, follow=True).st_mode
    except (OSError, ValueError):
        return "is not found; install it"
    if not stat.S_ISREG(mode):
        return "is a directory" if stat.S_ISDIR(mode) else "is not a regular file"
    return "" if mode & 0o111 else "is not executable; run chmod +x on it"

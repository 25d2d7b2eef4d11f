"""Say why a command failed in a jail: run it once more under strace(1), look at its programs."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from magicpak import elf
from magicpak.errors import MagicpakError
from magicpak.jail.plant import inside

log = logging.getLogger(__name__)

NAMED = 5
"""How many files a message names."""

NOT_BUNDLED = ("/proc/", "/sys/", "/dev/", "/run/", "/var/run/", "/tmp/", "/etc/ld.so.")  # noqa: S108
"""Where a file that was looked for is not the bundle's matter."""

SELDOM = ("/locale/", "/gconv/", "/terminfo/", "/localtime", "/nsswitch.conf", "/openssl.cnf")
"""Parts of paths that nearly every program looks for, and does well without."""

COMPATIBLE = {"EM_X86_64": ("EM_386",), "EM_AARCH64": ("EM_ARM",)}
"""Machines whose programs another one runs too."""

CALL = re.compile(
    rb'(?P<name>\w+)\((?:(?:AT_FDCWD|\d+), )?"(?P<path>(?:[^"\\]|\\.)*)".*\) += (?P<result>.*)'
)


@dataclass(frozen=True, slots=True)
class Lookup:
    """A path that was asked for, as strace shows it."""

    path: str
    found: bool
    executed: bool


def lookups(trace: bytes) -> Iterator[Lookup]:
    """Read a log of ``strace -f -e trace=file``, from the call of chroot(2) on."""
    entered = False
    begun: dict[bytes, bytes] = {}
    for line in trace.splitlines():
        pid, _, call = line.partition(b" ")
        call = call.strip()
        if call.endswith(b"<unfinished ...>"):
            begun[pid] = call.removesuffix(b"<unfinished ...>")
            continue
        if call.startswith(b"<... "):
            call = begun.pop(pid, b"") + call.partition(b">")[2]
        match = CALL.match(call)
        # Names with escapes are passed over: this gives a hint, and no more.
        if match is None or b"\\" in match["path"]:
            continue
        if match["name"] == b"chroot":
            entered = True
            continue
        # ENOEXEC: a shell then reads the file as a script, and fails by what it finds there.
        missing = match["result"].startswith((b"-1 ENOENT", b"-1 ENOEXEC"))
        if entered and (missing or not match["result"].startswith(b"-1")):
            # The jail is entered in "/"; few programs go elsewhere.
            path = os.path.join("/", os.fsdecode(match["path"]))
            yield Lookup(path, not missing, match["name"].startswith(b"execve"))


def suspects(
    seen: Iterable[Lookup], root: str, exists: Callable[[str], bool] = os.path.exists
) -> tuple[str, ...]:
    """Return what was not found in the jail and is on the host, the likeliest first."""
    listed = list(seen)
    # What is found in one directory has often been looked for in others.
    had = {os.path.basename(lookup.path) for lookup in listed if lookup.found}
    candidates: dict[str, str] = {}
    # The last thing a program looked for is the likeliest reason for its end.
    for lookup in reversed(listed):
        path = os.path.normpath(lookup.path)
        if lookup.found or path.startswith(NOT_BUNDLED) or os.path.basename(path) in had:
            continue
        if exists(path) and _specific(path) and not os.path.lexists(inside(root, path)):
            # Of several names for one file, the one that was tried first.
            candidates[os.path.realpath(path)] = path
    named = list(candidates.values())
    # A directory brings what is in it.
    paths = [path for path in named if not path.startswith(tuple(f"{each}/" for each in named))]
    paths.sort(key=lambda path: any(part in path for part in SELDOM))
    return tuple(paths[:NAMED])


def _specific(path: str) -> bool:
    """Tell whether a path is a file, or a directory that belongs to one package (hier(7))."""
    if not os.path.isdir(path):
        return True
    name = os.path.basename(path)
    # The loader asks for the directories of libraries, which nobody wants whole.
    return path.count("/") >= 3 and not name.startswith("lib") and "-linux-" not in name


def unstartable(paths: Iterable[str], root: str) -> tuple[str, ...]:
    """Say of the programs at these paths of the jail what keeps them from being started."""
    reasons = (_obstacle(path, root) for path in dict.fromkeys(paths))
    return tuple(reason for reason in reasons if reason is not None)


def _obstacle(path: str, root: str) -> str | None:
    here = inside(root, path)
    if not os.path.lexists(here):
        return f"{path} is not in the bundle"
    if os.path.isfile(here) and not os.stat(here).st_mode & 0o111:
        return f"{path} is not executable: its mode is {os.stat(here).st_mode & 0o7777:04o}"
    interpreter, machine = _needs(here)
    if machine is not None and machine not in _machines():
        return f"{path} is for another machine: {machine}"
    if interpreter is None or os.path.lexists(inside(root, interpreter)):
        return None
    return (
        f"{path} cannot be started, because its interpreter {interpreter} is not in the bundle "
        f"(--include {interpreter})"
    )


def _machines() -> tuple[str, ...]:
    own = elf.read("/proc/self/exe").abi.machine
    return (own, *COMPATIBLE.get(own, ()))


def _needs(here: str) -> tuple[str | None, str | None]:
    """Return the interpreter that a program or a script names (execve(2)), and its machine."""
    try:
        with open(here, "rb") as program:
            start = program.read(256)
        if start.startswith(b"#!"):
            words = start[2:].splitlines()[0].split()
            return (os.fsdecode(words[0]) if words else None), None
        found = elf.read(here)
    except (OSError, MagicpakError, IndexError):
        return None, None
    return found.interpreter, found.abi.machine

"""Read which paths the processes of a jail asked for: from strace(1), or from what they said."""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

TRACED = ("-e", "trace=file,bind", "-e", "signal=none")
"""The options that make strace write just what is read here."""

CALL = re.compile(
    rb"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>.*)",
)
PATHS = re.compile(rb'(?:(?P<directory>AT_FDCWD|\d+)(?:<[^>]*>)?, )?"(?P<path>(?:[^"\\]|\\.)*)"')

COMPLAINTS = (b"No such file or directory", b"not found")
NAMED = re.compile(rb"/[\w.+@/-]+")

TARGETS = (b"link", b"rename", b"symlink")
"""How calls begin whose second path is the one that they make."""

MAKERS = (b"bind", b"creat", b"mkdir", b"mknod", *TARGETS)
"""How calls begin that make what they name."""


class Lookup(NamedTuple):
    """A path that was asked for."""

    path: str
    found: bool
    executed: bool = False
    made: bool = False
    """Whether it was to be made."""


def lookups(trace: bytes) -> Iterator[Lookup]:
    """Read a log of strace -f, from the call of chroot(2) on."""
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
        if match is None:
            continue
        if entered:
            yield from _lookup(match["name"], match["arguments"], match["result"])
        entered = entered or match["name"] == b"chroot"


def _lookup(name: bytes, arguments: bytes, result: bytes) -> Iterator[Lookup]:
    # ENOEXEC: a shell then reads the file as a script, and fails by what it finds there.
    missing = result.startswith((b"-1 ENOENT", b"-1 ENOEXEC"))
    named = list(PATHS.finditer(arguments))
    if not named or (result.startswith(b"-1") and not missing):
        return
    match = named[-1 if name.startswith(TARGETS) else 0]
    path, directory = match["path"], match["directory"]
    # Names with escapes are passed over: this gives a hint, and no more.
    if b"\\" in path or (directory not in (None, b"AT_FDCWD") and not path.startswith(b"/")):
        return
    made = name.startswith(MAKERS) or b"O_CREAT" in arguments
    # The jail is entered in "/"; few programs go elsewhere.
    full = os.path.join("/", os.fsdecode(path))
    yield Lookup(full, not missing, name.startswith(b"execve"), made)


def complaints(stderr: bytes) -> Iterator[Lookup]:
    """Read what a program says that it did not find, where there is no trace."""
    for line in stderr.splitlines():
        if any(complaint in line for complaint in COMPLAINTS):
            for path in map(os.fsdecode, NAMED.findall(line)):
                # Nobody says what for; in a directory of temporary files, to make it.
                yield Lookup(path.rstrip("."), found=False, made="tmp/" in path)

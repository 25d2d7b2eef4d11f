"""Where the paths of each process of a log start, from its birth to its end. Pure."""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from magicpak.trace import syntax

PATH_MAX = 4096
"""Bytes of a path that the kernel takes (limits.h): a longer one names nothing."""


_LONGEST = 4 * PATH_MAX + 2  # bytes of such a path as strace writes it


@dataclass(slots=True)
class Place:
    """Where paths of a process start; threads share one (CLONE_FS)."""

    cwd: str | None  # None: the log does not tell
    root: str | None  # None: in another mount root, whose paths say nothing about the host
    counts: bool  # what the process touches is asked for
    mounts: dict[str, str | None]  # what is mounted in its namespace, and from where it is bound
    searched: str | None = None  # where the loader has just looked for a library in vain


@dataclass(slots=True)
class Processes:
    """The places of all processes, up to a line of the log."""

    start: Place
    births: dict[bytes, deque[bytes]]  # the parents of a process id, first to last
    physical: Callable[[str], str]  # resolves links, as the kernel does with a directory
    pending: dict[bytes, bytes] = field(default_factory=dict)  # first halves of calls
    places: dict[bytes, Place] = field(default_factory=dict)
    told: bool = False  # the log tells the start itself, or it is too late for that

    def place(self, pid: bytes) -> Place:
        """Return where paths of a process start, inherited where it is new."""
        if pid not in self.places:
            parent = self._parent(pid)
            # Its first line may come before the one in which its parent's clone(2) returns.
            if parent is not None and parent in self.places:
                self._inherit(pid, parent, self.pending.get(parent, b""))
            else:
                self.places[pid] = replace(self.start)
        return self.places[pid]

    def born(self, child: bytes, parent: bytes, clone: bytes) -> None:
        """Give a new process the place of its parent, by the arguments of clone(2)."""
        if child not in self.places:
            self._inherit(child, parent, clone)
            self._parent(child)

    def ended(self, pid: bytes) -> None:
        """Forget a process: its id may come again."""
        self.places.pop(pid, None)

    def becomes(self, thread: bytes, pid: bytes) -> None:
        """Let a thread that has executed a program become the process."""
        self.places[pid] = self.place(thread)
        self.pending.pop(pid, None)

    def moves(self, place: Place, cwd: str | None) -> None:
        """Give a process another directory."""
        self.told = True
        place.cwd = cwd

    def directory(self, place: Place, fd: bytes | None) -> str | None:
        """Return what a relative path is relative to; a cwd that the kernel gives is kept."""
        is_cwd = fd is None or fd.startswith(b"AT_FDCWD")
        path = syntax.annotated(fd)
        if path is not None and is_cwd:
            if not self.told:
                self.start.cwd = path
            self.moves(place, path)
        return place.cwd if is_cwd else path

    def resolve(
        self, place: Place, fd: bytes | None, string: bytes, *, rooted: bool = False
    ) -> str | None:
        """Make a path absolute; None where the log does not tell from which directory."""
        name = text(string)
        start = self.directory(place, fd)
        if not name or len(name) >= PATH_MAX or place.root is None:
            return None
        if name.startswith("/"):
            start = start if rooted else place.root
        joined = None if start is None else _joined(start, name)
        return None if joined is None or len(joined) >= PATH_MAX else joined

    def room(self, path: str, string: bytes) -> str | None:
        """Return the directory that a path lies in, where the process has chosen it.

        It has not where it is the one in which the run was started, and not named.
        """
        directory = os.path.dirname(path)
        absolute = (text(string) or "").startswith("/")
        return directory if absolute or directory != self.start.cwd else None

    def _parent(self, pid: bytes) -> bytes | None:
        """Take the next parent of a process id, which may be used more than once."""
        parents = self.births.get(pid)
        return parents.popleft() if parents else None

    def _inherit(self, child: bytes, parent: bytes, clone: bytes) -> None:
        """Give a new process the place of its parent: the same for a thread, a copy for a child."""
        place = self.place(parent)
        self.places[child] = place if b"CLONE_FS" in clone else replace(place)
        if b"CLONE_NEWNS" in clone:
            self.places[child].mounts = dict(place.mounts)


@functools.lru_cache(maxsize=256)  # names come back soon, or never
def text(string: bytes) -> str | None:
    """Return what a quoted string says; None where it is cut, or damaged."""
    cut = string.endswith(b"...") or len(string) > _LONGEST
    name = b"\0" if cut else syntax.unescape(string[1:-1])
    return None if b"\0" in name else os.fsdecode(name)


def _joined(start: str, name: str) -> str:
    # ".." stays: where it leads depends on the links before it.
    parts = [part for part in f"{start}/{name}".split("/") if part not in ("", ".")]
    return "/" + "/".join(parts)

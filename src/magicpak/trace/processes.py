"""Where the paths of each process of a log start, from its birth to its end. Pure."""

from __future__ import annotations

import functools
import os
from collections import deque
from dataclasses import dataclass, field, replace

from magicpak.trace import syntax


@dataclass(slots=True)
class Place:
    """Where paths of a process start; threads share one (CLONE_FS)."""

    cwd: str
    root: str | None  # None: in another mount root, whose paths say nothing about the host
    counts: bool  # what the process touches is asked for
    searched: str | None = None  # where the loader has just looked for a library in vain


@dataclass(slots=True)
class Processes:
    """The places of all processes, up to a line of the log."""

    start: Place
    births: dict[bytes, deque[bytes]]  # the parents of a process id, first to last
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
        """Give a process another directory, where it is known."""
        self.told = True
        place.cwd = cwd or place.cwd

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
        if not name or place.root is None:
            return None
        if name.startswith("/"):
            start = start if rooted else place.root
        return None if start is None else _joined(start, name)

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


@functools.lru_cache(maxsize=256)  # names come back soon, or never
def text(string: bytes) -> str | None:
    """Return what a quoted string says; None where it is cut, or damaged."""
    name = b"\0" if string.endswith(b"...") else syntax.unescape(string[1:-1])
    return None if b"\0" in name else os.fsdecode(name)


def _joined(start: str, name: str) -> str:
    # ".." stays: where it leads depends on the links before it.
    parts = [part for part in f"{start}/{name}".split("/") if part not in ("", ".")]
    return "/" + "/".join(parts)

"""Read what strace(1) wrote: which paths the traced processes reached, and how. Pure."""

from __future__ import annotations

import enum
import functools
import os
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from magicpak.trace import syntax

SYSCALLS = re.findall(
    r"\w+",
    """open openat openat2 creat execve execveat chdir fchdir chroot pivot_root
    stat stat64 oldstat lstat lstat64 oldlstat statx newfstatat fstatat64 fstat fstat64
    statfs statfs64 access faccessat faccessat2 readlink readlinkat truncate truncate64
    rename renameat renameat2 link linkat symlink symlinkat mkdir mkdirat mknod mknodat
    chmod fchmodat fchmodat2 chown chown32 lchown lchown32 fchownat utime utimes futimesat
    utimensat utimensat_time64 getxattr lgetxattr listxattr llistxattr inotify_add_watch
    clone clone3 fork vfork io_uring_setup""",
)
"""Calls that take a path, that change what a path means, or that make a process."""

_KNOWN = frozenset(name.encode() for name in SYSCALLS)
_OPENS = frozenset((b"open", b"openat", b"openat2"))
_MAKES = frozenset((b"mkdir", b"mkdirat", b"mknod", b"mknodat"))
_BIRTHS = frozenset((b"clone", b"clone3", b"fork", b"vfork"))
_TO_SECOND = frozenset(
    (b"rename", b"renameat", b"renameat2", b"link", b"linkat", b"symlink", b"symlinkat")
)
_USES = frozenset((b"chdir", b"readlink", b"readlinkat"))
_CACHE = "/etc/ld.so.cache"
_SIZES = frozenset((b"fstat", b"fstat64", b"newfstatat", b"fstatat64", b"statx"))


class Kind(enum.Enum):
    """What a call says about the file at its path."""

    SEEN = enum.auto()  # it is there
    USED = enum.auto()  # its content, or its entries, were there to be read
    RUN = enum.auto()  # it was executed
    STARTED = enum.auto()  # it was executed as the first of all: the traced program itself
    APPENDED = enum.auto()  # opened to write; made, if it was not there before
    SHARED = enum.auto()  # opened to read and write; made, if it was not there before
    WRITTEN = enum.auto()  # opened in a way that makes it or empties it, through links
    MADE = enum.auto()  # the call made it or put it there


class Access(NamedTuple):
    """A successful call: the absolute path, as the process named it from its directory and root."""

    path: str
    kind: Kind
    absolute: bool = True  # the process named it from the root, not from a directory
    counts: bool = True  # the process is one of those whose needs are asked for


@dataclass(slots=True)
class _Place:
    """Where paths of a process start; threads share one (CLONE_FS)."""

    cwd: str
    root: str | None  # None: in another mount root, whose paths say nothing about the host
    counts: bool  # what the process touches is asked for


@dataclass(slots=True)
class _Reader:
    """What is known up to a line of the log."""

    start: _Place
    wanted: Callable[[str], bool]  # executing this makes a process count
    births: dict[bytes, deque[bytes]]  # the parents of a process id, first to last
    missing: set[bytes] = field(default_factory=set)  # names, as written, looked for in vain
    found: list[Access] = field(default_factory=list)
    places: dict[bytes, _Place] = field(default_factory=dict)
    pending: dict[bytes, bytes] = field(default_factory=dict)
    undecided: dict[str, int] = field(default_factory=dict)  # index in found, by descriptor path
    caches: dict[bytes, Access] = field(default_factory=dict)  # opened last of all by a process
    here: _Place = field(init=False)  # of the process whose line is read

    def __post_init__(self) -> None:
        self.here = self.start

    def line(self, line: bytes) -> None:
        """Take in a line, joined with its first half where the call was interrupted."""
        if self.caches:
            self.after_cache(line)
        if line.endswith(b" ...>"):
            begun = syntax.UNFINISHED.fullmatch(line)
            if begun:
                self.begun(begun[1] or b"", begun[2], begun[3])
            return
        pid = None
        if b" resumed>" in line and (resumed := syntax.RESUMED.fullmatch(line)):
            pid = resumed[1] or b""
            line = self.pending.pop(pid, b"") + resumed[3]
        if failed := syntax.FAILED.search(line):
            if failed[1] == b"ENOENT" and (name := syntax.QUOTED.search(line)):
                self.missing.add(name[0])
        elif match := syntax.LINE.fullmatch(line):
            if match["call"] not in _KNOWN:
                return
            self.call(match[1] or b"" if pid is None else pid, match)
        elif gone := syntax.EXITED.match(line):
            self.places.pop(gone[1] or b"", None)

    def after_cache(self, line: bytes) -> None:
        """Tell who opened the loader's cache: the loader, if it goes on to look for a library."""
        begun = syntax.BEGUN.match(line)
        if begun and begun["path"] != b'""' and (begun[1] or b"") in self.caches:
            access = self.caches.pop(begun[1] or b"")
            if ".so" not in (_text(begun["path"] or b"") or ""):
                self.found.append(access)

    def begun(self, pid: bytes, call: bytes, successor: bytes | None) -> None:
        """Take in the first half of a call.

        A thread that executes a program becomes the process; that call has succeeded, whatever the
        line of its end says, which some versions write wrongly.
        """
        if successor is None:
            self.pending[pid] = call
            return
        self.places[successor] = self.place(pid)
        self.pending.pop(successor, None)
        if match := syntax.LINE.fullmatch(call + b") = 0"):
            self.call(successor, match)

    def place(self, pid: bytes) -> _Place:
        """Return where paths of a process start, inherited where it is new."""
        if pid not in self.places:
            parent = self.parent(pid)
            # Its first line may come before the one in which its parent's clone(2) returns.
            if parent is not None and parent in self.places:
                self.inherit(pid, parent, self.pending.get(parent, b""))
            else:
                self.places[pid] = replace(self.start)
        return self.places[pid]

    def parent(self, pid: bytes) -> bytes | None:
        """Take the next parent of a process id, which may be used more than once."""
        parents = self.births.get(pid)
        return parents.popleft() if parents else None

    def inherit(self, child: bytes, parent: bytes, clone: bytes) -> None:
        """Give a new process the place of its parent: the same for a thread, a copy for a child."""
        place = self.place(parent)
        self.places[child] = place if b"CLONE_FS" in clone else replace(place)

    def directory(self, place: _Place, fd: bytes | None) -> str | None:
        """Return what a relative path is relative to; a cwd that the kernel gives is kept."""
        is_cwd = fd is None or fd.startswith(b"AT_FDCWD")
        path = syntax.annotated(fd)
        if path is not None and is_cwd:
            place.cwd = path
        return place.cwd if is_cwd else path

    def resolve(self, place: _Place, fd: bytes | None, string: bytes, rooted: bool) -> str | None:
        """Make a path absolute; None where the log does not tell from which directory."""
        name = _text(string)
        start = self.directory(place, fd)
        if not name or place.root is None:
            return None
        if name.startswith("/"):
            start = start if rooted else place.root
        return None if start is None else _joined(start, name)

    def add(self, path: str | None, kind: Kind, string: bytes = b'"/"') -> None:
        """Note an access."""
        if path is not None:
            absolute = (_text(string) or "").startswith("/")
            self.found.append(Access(path, kind, absolute, self.here.counts))
            if kind is Kind.RUN and not self.here.counts:
                self.here.counts = self.wanted(path)

    def call(self, pid: bytes, match: re.Match[bytes]) -> None:
        """Take in a successful call."""
        name, fd, string, rest = match["call"], match["fd"], match["path"], match["rest"]
        place = self.here = self.place(pid)
        if name in _BIRTHS:
            if match["result"] not in self.places:
                self.inherit(match["result"], pid, rest)
                self.parent(match["result"])
        elif name in _TO_SECOND:
            self.renamed(place, match)
        elif name == b"fchdir":
            place.cwd = self.directory(place, fd) or place.cwd
            self.add(place.cwd if place.root is not None else None, Kind.USED)
        elif not string or string == b'""':
            self.unnamed(name, fd, rest)
        else:
            path = self.resolve(place, fd, string, b"RESOLVE_IN_ROOT" in rest)
            if path == _CACHE and name in _OPENS and b"O_CLOEXEC" in rest:
                self.caches[pid] = Access(path, Kind.USED)
            elif name in _OPENS:
                self.opened(path, match)
            elif name in (b"chroot", b"pivot_root"):
                place.root = path if name == b"chroot" else None
            else:
                self.add(path, self.kind(name), string)
                if name == b"chdir" and path is not None:
                    place.cwd = path

    def kind(self, name: bytes) -> Kind:
        """Return what a call that neither opens nor renames says about its path."""
        if name in (b"execve", b"execveat"):
            return Kind.RUN if self.found else Kind.STARTED
        if name == b"creat":
            return Kind.WRITTEN
        if name in _MAKES:
            return Kind.MADE
        return Kind.USED if name in _USES else Kind.SEEN

    def renamed(self, place: _Place, match: re.Match[bytes]) -> None:
        """Take in a call with two paths, of which the second is made."""
        second = syntax.SECOND.match(match["rest"])
        if match["call"] in (b"link", b"linkat") and match["path"]:
            self.add(self.resolve(place, match["fd"], match["path"], False), Kind.SEEN)
        if second and b"RENAME_EXCHANGE" not in match["rest"]:
            self.add(self.resolve(place, second[1], second[2], False), Kind.MADE, second[2])

    def opened(self, path: str | None, match: re.Match[bytes]) -> None:
        """Take in an open(2) by its flags."""
        rest = match["rest"]
        kind = Kind.USED
        if b"O_TRUNC" in rest or (b"O_CREAT" in rest and b"O_EXCL" in rest):
            kind = Kind.WRITTEN
        elif b"O_CREAT" in rest:
            kind = Kind.SHARED if b"O_RDWR" in rest else Kind.APPENDED
            if match["path"] in self.missing:
                kind = Kind.WRITTEN
            elif real := syntax.annotated(match["real"]):
                self.undecided.setdefault(real, len(self.found) if path else -1)
        if path is not None and path.startswith(("/proc/", "/dev/")):
            # /proc/self/exe is what was executed; /proc/self/fd/3 stands for the file behind it.
            path = None if path.endswith("/exe") else syntax.annotated(match["real"])
        self.add(path, kind, match["path"])

    def unnamed(self, name: bytes, fd: bytes | None, rest: bytes) -> None:
        """Take in a call on a descriptor: fexecve(3); the size of a file that was just opened."""
        path = syntax.annotated(fd)
        if name == b"execveat":
            self.add(path, self.kind(name))
        size = syntax.SIZE.search(rest)
        index = self.undecided.pop(path, -1) if name in _SIZES and path and size else -1
        if size and index >= 0:
            kind = Kind.WRITTEN if int(size[1]) == 0 else Kind.USED
            self.found[index] = self.found[index]._replace(kind=kind)


def parse(
    lines: Iterable[bytes], cwd: str, wanted: Callable[[str], bool] | None = None
) -> tuple[Access, ...]:
    """Read a log of ``strace -f -y [-xx] -o FILE PROGRAM`` into its successful calls, in order.

    The lines, without their ends, are gone through twice. ``cwd`` is where PROGRAM was started, for
    logs of versions before 5.18 that do not write it. Lines that are no system calls (signals, ends
    of processes, what PROGRAM printed) are skipped.

    With ``wanted``, those processes alone count that have executed a path of which it is true, and
    those that they have started since; PROGRAM does not.
    """
    births: dict[bytes, deque[bytes]] = defaultdict(deque)
    for line in lines:
        if born := syntax.BORN.match(line):
            births[born[2]].append(born[1])
    start = _Place(cwd, "/", counts=wanted is None)
    reader = _Reader(start, wanted or (lambda _: True), births)
    for line in lines:
        reader.line(line)
    return (*reader.found, *reader.caches.values())


@functools.lru_cache(maxsize=256)  # names come back soon, or never
def _text(string: bytes) -> str | None:
    """Return what a quoted string says; None where it is cut, or damaged."""
    name = b"\0" if string.endswith(b"...") else syntax.unescape(string[1:-1])
    return None if b"\0" in name else os.fsdecode(name)


def _joined(start: str, name: str) -> str:
    # ".." stays: where it leads depends on the links before it.
    parts = [part for part in f"{start}/{name}".split("/") if part not in ("", ".")]
    return "/" + "/".join(parts)

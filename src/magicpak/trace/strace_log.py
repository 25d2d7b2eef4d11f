"""Read what strace(1) wrote: which paths the traced processes reached, and how. Pure."""

from __future__ import annotations

import contextlib
import enum
import functools
import os
import re
from collections import defaultdict, deque
from dataclasses import dataclass, field, replace


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


@dataclass(frozen=True, slots=True)
class Access:
    """A successful call: the absolute path, as the process named it from its directory and root."""

    path: str
    kind: Kind
    absolute: bool = True  # the process named it from the root, not from a directory


_FD = rb"(?:AT_FDCWD|\d+)(?:<[^<>]*(?:<[^<>]*>)?>)?(?:\(deleted\))?"
# A string of -xx is all hexadecimal, for which a set is five times as fast as a repeated group.
_STRING = rb'"(?:(?=\\x)[\\x0-9a-f]+|[^"\\]*(?:\\.[^"\\]*)*)"(?:\.\.\.)?'
_PID = rb"(?:(?:\[pid +)?(\d+)\]? +)?(?:[\d:.]+ +)?"  # strace -f, -t
_LINE = re.compile(
    _PID + rb"(?P<call>[a-z]\w*)\((?P<fd>" + _FD + rb")?(?:, )?(?P<path>" + _STRING + rb")?"
    rb"(?P<rest>.*)\) += (?P<result>\d+)(?P<real><[^<>]*(?:<[^<>]*>)?>)?(?:\(deleted\))?"
    rb"(?: => .*| \([^()\"]*\))?(?: <[\d.]+>)?"
)
_SECOND = re.compile(rb", (?:(" + _FD + rb"), )?(" + _STRING + rb")")
_RESUMED = re.compile(_PID + rb"<\.\.\. (\w+) resumed>(.*)")
_UNFINISHED = re.compile(_PID + rb"(.*?) ?<unfinished \.\.\.>")
_EXITED = re.compile(_PID + rb"\+\+\+ (?:exited with|killed by) ")
_BORN = re.compile(
    rb"^(?:\[pid +)?(\d+)\]? +(?:[\d:.]+ +)?(?:<\.\.\. )?(?:clone3?|v?fork)\b.*\) += (\d+)$", re.M
)
_FAILED = re.compile(rb"\) += -1 (E\w+) \([^()\"]*\)$")
_QUOTED = re.compile(_STRING)
_ANNOTATION = re.compile(rb"<([^<>]*)")
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))", re.S)
_NAMED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b"a": b"\a", b"b": b"\b"}
_OPENS = frozenset((b"open", b"openat", b"openat2"))
_MAKES = frozenset((b"mkdir", b"mkdirat", b"mknod", b"mknodat"))
_BIRTHS = frozenset((b"clone", b"clone3", b"fork", b"vfork"))
_TO_SECOND = frozenset(
    (b"rename", b"renameat", b"renameat2", b"link", b"linkat", b"symlink", b"symlinkat")
)
_USES = frozenset((b"chdir", b"readlink", b"readlinkat"))
_SIZES = frozenset((b"fstat", b"fstat64", b"newfstatat", b"fstatat64", b"statx"))
_SIZE = re.compile(rb"\bstx?_size=(\d+)")


def unescape(text: bytes) -> bytes:
    r"""Undo strace's ways to write a byte: ``\x41`` (-xx), ``\101``, ``\n`` and the other of C."""
    if text.startswith(b"\\x"):
        with contextlib.suppress(ValueError):  # not all of it is hexadecimal
            return bytes.fromhex(text.replace(b"\\x", b"").decode())
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes.fromhex(match[1].decode())
    if match[2]:
        return bytes((int(match[2], 8) & 0xFF,))
    return _NAMED.get(match[3], match[3])


@dataclass(slots=True)
class _Place:
    """Where paths of a process start; threads share one (CLONE_FS)."""

    cwd: str
    root: str | None  # None: in another mount root, whose paths say nothing about the host


@dataclass(slots=True)
class _Reader:
    """What is known up to a line of the log."""

    start: _Place
    births: dict[bytes, deque[bytes]]  # the parents of a process id, first to last
    missing: set[bytes] = field(default_factory=set)  # names, as written, looked for in vain
    found: list[Access] = field(default_factory=list)
    places: dict[bytes, _Place] = field(default_factory=dict)
    pending: dict[bytes, bytes] = field(default_factory=dict)
    undecided: dict[str, int] = field(default_factory=dict)  # index in found, by descriptor path
    strings: dict[bytes, str | None] = field(default_factory=dict)

    def line(self, line: bytes) -> None:
        """Take in a line, joined with its first half where the call was interrupted."""
        if line.endswith(b"<unfinished ...>"):
            begun = _UNFINISHED.fullmatch(line)
            if begun:
                self.pending[begun[1] or b""] = begun[2]
            return
        pid = None
        if b" resumed>" in line and (resumed := _RESUMED.fullmatch(line)):
            pid = resumed[1] or b""
            line = self.pending.pop(pid, b"") + resumed[3]
        if failed := _FAILED.search(line):
            if failed[1] == b"ENOENT" and (name := _QUOTED.search(line)):
                self.missing.add(name[0])
        elif match := _LINE.fullmatch(line):
            self.call(match[1] or b"" if pid is None else pid, match)
        elif gone := _EXITED.match(line):
            self.places.pop(gone[1] or b"", None)

    def place(self, pid: bytes) -> _Place:
        """Return where paths of a process start, inherited where it is new."""
        if pid not in self.places:
            parents = self.births.get(pid)
            parent = parents.popleft() if parents else None
            # Its first line may come before the one in which its parent's clone(2) returns.
            if parent is not None and parent in self.places:
                self.inherit(pid, parent, self.pending.get(parent, b""))
            else:
                self.places[pid] = replace(self.start)
        return self.places[pid]

    def inherit(self, child: bytes, parent: bytes, clone: bytes) -> None:
        """Give a new process the place of its parent: the same for a thread, a copy for a child."""
        place = self.place(parent)
        self.places[child] = place if b"CLONE_FS" in clone else replace(place)

    def text(self, string: bytes) -> str | None:
        """Return what a quoted string says; None where strace cut it."""
        if string not in self.strings:
            cut = string.endswith(b"...")
            self.strings[string] = None if cut else os.fsdecode(unescape(string[1:-1]))
        return self.strings[string]

    def directory(self, place: _Place, fd: bytes | None) -> str | None:
        """Return what a relative path is relative to; a cwd that the kernel gives is kept."""
        is_cwd = fd is None or fd.startswith(b"AT_FDCWD")
        path = _annotated(fd)
        if path is not None and is_cwd:
            place.cwd = path
        return place.cwd if is_cwd else path

    def resolve(self, place: _Place, fd: bytes | None, string: bytes, rooted: bool) -> str | None:
        """Make a path absolute; None where the log does not tell from which directory."""
        name = self.text(string)
        start = self.directory(place, fd)
        if not name or place.root is None:
            return None
        if name.startswith("/"):
            start = start if rooted else place.root
        return None if start is None else _joined(start, name)

    def add(self, path: str | None, kind: Kind, string: bytes = b'"/') -> None:
        """Note an access."""
        if path is not None:
            absolute = (self.text(string) or "").startswith("/")
            self.found.append(Access(path, kind, absolute))

    def call(self, pid: bytes, match: re.Match[bytes]) -> None:
        """Take in a successful call."""
        name, fd, string, rest = match["call"], match["fd"], match["path"], match["rest"]
        place = self.place(pid)
        if name in _BIRTHS:
            if match["result"] not in self.places:
                self.inherit(match["result"], pid, rest)
                self.births[match["result"]].popleft()
        elif name in _TO_SECOND:
            self.renamed(place, match)
        elif name == b"fchdir":
            place.cwd = self.directory(place, fd) or place.cwd
            self.add(place.cwd if place.root is not None else None, Kind.USED)
        elif not string or string == b'""':
            self.unnamed(name, fd, rest)
        else:
            path = self.resolve(place, fd, string, b"RESOLVE_IN_ROOT" in rest)
            if name in _OPENS:
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
        second = _SECOND.match(match["rest"])
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
            elif real := _annotated(match["real"]):
                self.undecided.setdefault(real, len(self.found) if path else -1)
        if path is not None and path.startswith(("/proc/", "/dev/")):
            # /proc/self/exe, /proc/self/fd/3: the file behind it is what was opened.
            path = _annotated(match["real"])
        self.add(path, kind, match["path"])

    def unnamed(self, name: bytes, fd: bytes | None, rest: bytes) -> None:
        """Take in a call on a descriptor: fexecve(3); the size of a file that was just opened."""
        path = _annotated(fd)
        if name == b"execveat":
            self.add(path, self.kind(name))
        size = _SIZE.search(rest)
        index = self.undecided.pop(path, -1) if name in _SIZES and path and size else -1
        if size and index >= 0:
            kind = Kind.WRITTEN if int(size[1]) == 0 else Kind.USED
            self.found[index] = replace(self.found[index], kind=kind)


def parse(data: bytes, cwd: str) -> tuple[Access, ...]:
    """Read a log of ``strace -f -y [-xx] -o FILE PROGRAM`` into its successful calls, in order.

    ``cwd`` is where PROGRAM was started, for logs of versions before 5.18 that do not write it.
    Lines that are no system calls (signals, ends of processes, what PROGRAM printed) are skipped.
    """
    births: dict[bytes, deque[bytes]] = defaultdict(deque)
    for born in _BORN.finditer(data):
        births[born[2]].append(born[1])
    reader = _Reader(_Place(cwd, "/"), births)
    for line in data.split(b"\n"):
        reader.line(line)
    return tuple(reader.found)


@functools.lru_cache(maxsize=256)
def _annotated(fd: bytes | None) -> str | None:
    """Return the path that -y gives a descriptor; None for sockets and pipes, and without -y."""
    match = _ANNOTATION.search(fd) if fd else None
    path = os.fsdecode(unescape(match[1])) if match else ""
    return path if path.startswith("/") else None


def _joined(start: str, name: str) -> str:
    # ".." stays: where it leads depends on the links before it.
    parts = [part for part in f"{start}/{name}".split("/") if part not in ("", ".")]
    return "/" + "/".join(parts)

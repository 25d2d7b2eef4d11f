"""Read what strace(1) wrote: which paths the traced processes named, and what was there. Pure."""

import functools
import os
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from magicpak.trace import aliases, calls, syntax
from magicpak.trace.calls import Kind
from magicpak.trace.mounted import Trees
from magicpak.trace.moved import Moved
from magicpak.trace.processes import Place, Processes, text

_CACHE = "/etc/ld.so.cache"
_LIBRARY = re.compile(r"[^/]\.so(?:\.[^/]*)?\Z")


class Access(NamedTuple):
    """What a call tells about a path: absolute, as the process named it from where it was then."""

    path: str
    kind: Kind
    counts: bool = True  # the process is one of those whose needs are asked for


@dataclass(slots=True)
class _Reader:
    """What is known up to a line of the log."""

    processes: Processes
    wanted: Callable[[str], bool]  # executing this makes a process count
    found: list[Access] = field(default_factory=list)
    written: set[str] = field(default_factory=set)  # opened to be written, of a size not yet known
    moved: Moved = field(default_factory=Moved)
    trees: Trees = field(default_factory=Trees)
    caches: dict[bytes, Access] = field(default_factory=dict)  # opened last of all by a process
    here: Place = field(init=False)  # of the process whose line is read
    pid: bytes = b""

    def __post_init__(self) -> None:
        self.here = self.processes.start

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
            line = self.processes.pending.pop(pid, b"") + resumed[3]
        if match := syntax.LINE.fullmatch(line):
            if match["call"] in calls.KNOWN:
                self.call(match[1] or b"" if pid is None else pid, match)
        elif gone := syntax.EXITED.match(line):
            self.processes.ended(gone[1] or b"")

    def after_cache(self, line: bytes) -> None:
        """Tell who opened the loader's cache: the loader, if it goes on to look for a library."""
        begun = syntax.BEGUN.match(line)
        if begun and begun["path"] != b'""' and (begun[1] or b"") in self.caches:
            access = self.caches.pop(begun[1] or b"")
            if ".so" not in (text(begun["path"] or b"") or ""):
                self.found.append(access)

    def begun(self, pid: bytes, call: bytes, successor: bytes | None) -> None:
        """Take in the first half of a call.

        A thread that executes a program becomes the process; that call has succeeded, whatever the
        line of its end says, which some versions write wrongly.
        """
        if successor is None:
            self.processes.pending[pid] = call
            return
        self.processes.becomes(pid, successor)
        if match := syntax.LINE.fullmatch(call + b") = 0"):
            self.call(successor, match)

    def add(self, path: str | None, kind: Kind) -> None:
        """Note an access."""
        if path is None:
            return
        if self.here.mounts:
            place = aliases.origin(path, self.here.mounts)
            path, kind = (path, Kind.HIDDEN) if place is None else (place, kind)
        if kind is Kind.RUN and not self.found:
            kind = Kind.STARTED
        self.found.append(Access(path, kind, self.here.counts))
        if (held := self.moved.of(path, kind)) is not None:
            self.found.append(Access(held, kind, self.here.counts))
        if kind is Kind.RUN and not self.here.counts:
            self.here.counts = self.wanted(path)

    def call(self, pid: bytes, match: re.Match[bytes]) -> None:
        """Take in a call."""
        self.pid, self.here = pid, self.processes.place(pid)
        name, failed = match["call"], match["error"] is not None
        if name in calls.BIRTHS:
            if not failed:
                self.processes.born(match["result"], pid, match["rest"])
        elif name in calls.TO_SECOND:
            self.renamed(match)
        elif name in calls.MOUNTS:
            if not failed:
                resolve = functools.partial(self.processes.resolve, self.here)
                for path in self.trees.told(match, resolve, self.here.mounts):
                    self.add(path, Kind.SEEN)
        elif name in calls.NAMESPACES:
            if not failed and b"CLONE_NEWNS" in match["rest"]:
                self.here.mounts = dict(self.here.mounts)
                self.here.root = None if name == b"setns" else self.here.root
        elif name == b"bind":
            if bound := syntax.BOUND.search(match["rest"]):
                self.named(match, None, bound[1])
        elif match["path"] and match["path"] != b'""':
            # What inotify_add_watch(2) has is no directory.
            self.named(match, None if name in calls.OF_THE_CWD else match["fd"], match["path"])
        elif not failed:
            self.unnamed(match)

    def named(self, match: re.Match[bytes], fd: bytes | None, string: bytes) -> None:
        """Take in a call on a path."""
        call, rest, error = match["call"], match["rest"], match["error"]
        rooted = b"RESOLVE_IN_ROOT" in rest
        path = self.processes.resolve(self.here, fd, string, rooted=rooted)
        searched, self.here.searched = self.here.searched, None
        if call in calls.ROOTS:
            if not error:
                self.here.root = path if call == b"chroot" else None
            return
        if path == _CACHE and call in calls.OPENS and not error and b"O_CLOEXEC" in rest:
            self.caches[self.pid] = Access(path, Kind.USED, self.here.counts)
            return
        if call in calls.OPENS:
            path = self.opened(path, match)
        # The loader asks for each directory that has not what it looks for whether it is there.
        elif call in calls.STATS and path is not None and path == searched:
            return
        for kind in calls.told(call, rest, error):
            self.add(path, kind)
        if path is not None and calls.makes(call, rest, error):
            self.add(self.processes.room(path, string), Kind.SEEN)
        if call == b"chdir" and not error:
            cwd = None if path is None else self.processes.physical(path)
            self.processes.moves(self.here, cwd)

    def opened(self, path: str | None, match: re.Match[bytes]) -> str | None:
        """Take in an open(2); return the path of what is behind its path."""
        if match["error"]:
            if path is not None and _LIBRARY.search(path):
                self.here.searched = os.path.dirname(path)
            return path
        real = syntax.annotated(match["real"])
        if real is not None and calls.writes(match["rest"]):
            self.written.add(real)
        if path is None or not path.startswith(("/proc/", "/dev/")):
            return path
        # /proc/self/exe is what was executed; /proc/self/fd/3 stands for the file behind it.
        return None if path.endswith("/exe") else real

    def renamed(self, match: re.Match[bytes]) -> None:
        """Take in a call with two paths, of which the second is made."""
        call, rest, error = match["call"], match["rest"], match["error"]
        resolve = self.processes.resolve
        first = resolve(self.here, match["fd"], match["path"]) if match["path"] else None
        second = syntax.SECOND.match(rest)
        if not second or not calls.makes(call, rest, error):
            return
        path = resolve(self.here, second[1], second[2])
        if b"symlink" not in call:
            self.add(first, Kind.SEEN)
        kind = calls.told_of_second(call, rest, error)
        if first is None or path is None or error or b"symlink" in call:
            self.add(path, kind)
        else:
            told = self.moved.renamed if b"rename" in call else self.moved.linked
            exchanged = b"RENAME_EXCHANGE" in rest
            if exchanged:
                self.add(path, kind)
            every = self.moved.exchanged(first, path) if exchanged else told(first, path, kind)
            for name, what in every:
                self.add(name, what)
        if path is not None:
            self.add(self.processes.room(path, second[2]), Kind.SEEN)

    def unnamed(self, match: re.Match[bytes]) -> None:
        """Take in a call on a descriptor: fexecve(3); the size of a file that was just opened."""
        call, rest = match["call"], match["rest"]
        path = syntax.annotated(match["fd"])
        if call == b"fchdir":
            self.processes.moves(self.here, path or self.here.cwd)
            self.add(self.here.cwd if self.here.root is not None else None, Kind.USED)
        elif call == b"execveat":
            self.add(path, Kind.RUN)
        elif call in calls.OPENS:
            for kind in calls.told(call, rest, None):
                self.add(syntax.annotated(match["real"]), kind)
        elif call in calls.TRUNCATES:
            if rest == b"0":
                self.add(path, Kind.EMPTIED)
        elif path in self.written and (size := syntax.SIZE.search(rest)):
            self.written.discard(path)
            self.add(path, Kind.FILLED if int(size[1]) else Kind.EMPTY)


def parse(
    lines: Iterable[bytes],
    cwd: str,
    wanted: Callable[[str], bool] | None = None,
    physical: Callable[[str], str] = lambda path: path,
) -> tuple[Access, ...]:
    """Read a log of ``strace -f -y [-xx] -o FILE PROGRAM`` into what its calls tell, in order.

    The lines, without their ends, are gone through twice. ``cwd`` is where PROGRAM was started, for
    logs of versions before 5.18 that do not write it. Lines that are no system calls (signals, ends
    of processes, what PROGRAM printed) are skipped.

    With ``wanted``, those processes alone count that have executed a path of which it is true, and
    those that they have started since; PROGRAM does not. ``physical`` resolves the links of a
    directory, as the kernel does when a process goes there.
    """
    births: dict[bytes, deque[bytes]] = defaultdict(deque)
    for line in lines:
        if born := syntax.BORN.match(line):
            births[born[2]].append(born[1])
    start = Place(cwd, "/", wanted is None, {})
    reader = _Reader(Processes(start, births, physical), wanted or (lambda _: True))
    for line in lines:
        reader.line(line)
    return (*reader.found, *reader.caches.values())

"""What of the files of a run was there before it, and what became of it."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from magicpak.system import kernel
from magicpak.trace.calls import Kind
from magicpak.trace.files import Files, down_to
from magicpak.trace.mounts import Mounts
from magicpak.trace.strace_log import Access

_PUTS = frozenset((Kind.MADE, Kind.REPLACED))
_MAY_MAKE = frozenset((Kind.OPENED, Kind.LOGGED, Kind.EMPTIED))
_MOVES = frozenset((Kind.AWAY, Kind.BACK))
_STIRS = _PUTS | _MAY_MAKE | _MOVES | {Kind.REMOVED}
_USES = frozenset((Kind.USED, Kind.RUN, Kind.STARTED, Kind.OPENED))
_OF_THE_NAME = _PUTS | _MOVES | {Kind.SEEN, Kind.DENIED, Kind.REMOVED}
"""What is told about a link itself, not about what it leads to."""


@dataclass(slots=True)
class Past:
    """What became of a path in a run, told by its calls in their order."""

    there: bool | None
    """Whether it was there when the run first touched it; None: that call may have made it."""
    used: bool = False
    """Its content as it was before may have been used."""
    empty: bool = False
    """It had no content before."""
    filled: bool = False
    """It had content when it was first opened."""
    emptied: bool = False
    written: bool = False
    """It was opened only to be written."""
    put: bool = False
    """It was removed, or another one was put there."""
    away: bool = False
    """It has another name now."""

    @property
    def gone(self) -> bool:
        """Whether what is there now, if anything, is another one."""
        return self.put or self.away

    @classmethod
    def begin(cls, kind: Kind) -> Past:
        """Begin with what the first call tells."""
        return cls(None if kind in _MAY_MAKE else kind not in _PUTS and kind is not Kind.ABSENT)

    def tell(self, kind: Kind) -> None:
        """Take in what a call tells."""
        if kind in _PUTS or kind is Kind.REMOVED:
            self.put = True
        elif kind in _MOVES:
            self.away = kind is Kind.AWAY
            self.put &= self.away
        elif kind is Kind.EMPTIED:
            self.emptied = True
        elif not (self.emptied or self.put):
            self.used |= kind in _USES
            self.written |= kind in (Kind.WRITTEN, Kind.LOGGED)
            self.empty |= kind is Kind.EMPTY
            self.filled |= kind is Kind.FILLED


class History:
    """The pasts of what a run touched, by paths without links on the way.

    What was there before the run is decided by the first call that touches it. Where that call
    opens a file and would make it (``O_CREAT`` alone), times decide, and then the size that the
    program was told: see ``_by_times``. What nothing decides is None.
    """

    def __init__(
        self, accesses: Iterable[Access], files: Files, mounts: Mounts, started: int | None
    ) -> None:
        """Read the calls of a run that started at a time, in ns by the clock of files, if known."""
        self._files = files
        self._mounts = mounts
        self._started = started
        self._pasts: dict[str, Past] = {}
        self._stirred: defaultdict[str, set[str]] = defaultdict(set)
        self._before: dict[str, bool | None] = {}
        self._made: dict[str, bool] = {"": False}
        accesses = tuple(accesses)
        put = {files.canonical(path) for path, kind, _ in accesses if kind in _PUTS}
        for path, kind, _ in accesses:
            if kind is Kind.HIDDEN:
                continue
            for key, about in self._told(files.canonical(path), kind, put):
                if key not in self._pasts:
                    self._pasts[key] = Past.begin(about)
                self._pasts[key].tell(about)
                if about in _STIRS:
                    self._stirred[os.path.dirname(key)].add(key)

    def _told(self, key: str, kind: Kind, put: set[str]) -> Iterator[tuple[str, Kind]]:
        """Give what a call tells about a path: about a link, and about what that leads to."""
        real = self._files.real(key)
        if real == key or kind in _OF_THE_NAME or (kind is Kind.ABSENT and key in put):
            yield key, kind
            return
        yield key, Kind.SEEN
        yield real, kind

    def of(self, path: str) -> Past | None:
        """Return the past of a path, if the run has touched it."""
        return self._pasts.get(path)

    def was_there(self, path: str) -> bool | None:
        """Tell whether something was at a path before the run; None where nothing tells."""
        if path not in self._before:
            past = self._pasts.get(path)
            self._before[path] = True if past is None else self._decide(path, past)
        return self._before[path]

    def made(self, path: str) -> bool:
        """Tell whether the run made a path, or a directory above it."""
        for each in down_to(path, self._made):
            above = self._made[each.rpartition("/")[0]]
            self._made[each] = above or self.was_there(each) is False
        return self._made[path]

    def lost(self, path: str) -> bool:
        """Tell whether a run used what was at a path before, and then removed it from there."""
        past = self._pasts.get(path)
        return past is not None and past.used and past.gone and bool(past.there or past.filled)

    def changed(self, path: str) -> bool:
        """Tell whether a file was written to since the run started."""
        if self._started is None:
            return False
        status = self._files.look(path)  # a time of modification can be set to any time
        return min(status.st_mtime_ns, status.st_ctime_ns) >= self._started

    def _decide(self, path: str, past: Past) -> bool | None:
        if past.there is False:
            return False
        by_times = None
        with contextlib.suppress(OSError):  # it is gone
            if past.there is None or self.changed(path):
                by_times = self._by_times(path)
        if past.there:  # or what is beside the run has made it
            return past.gone or by_times is not False or self._copied_up(path)
        if by_times is None and past.filled:
            return True
        # What had no use for the content can make the file as well.
        return False if by_times is None and past.emptied and not past.used else by_times

    def _by_times(self, path: str) -> bool | None:
        """Tell by its times whether a file was there when the run started. Raises OSError.

        A new file has a new time of birth, and so have those that overlayfs copies up when they
        are first written to. But who makes a file changes the time of its directory as well; who
        copies one up restores that.
        """
        if self._started is None:
            return None
        directory = os.path.dirname(path)
        changed = self._files.look(directory).st_mtime_ns
        born = kernel.birth(path)
        if born is not None and not self._copied_up(path):
            return born < self._started
        if min(changed, self._files.look(path).st_mtime_ns) < self._started:
            return True
        if born is not None and (born < self._started or changed < born):
            return True
        return False if self._stirred[directory] == {path} else None

    def _copied_up(self, path: str) -> bool:
        return self._mounts.of(path).copies_up

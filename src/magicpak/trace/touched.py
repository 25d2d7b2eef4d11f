"""What of the accesses in a log belongs into a bundle, as the files of this machine tell."""

import contextlib
import enum
import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from magicpak.trace import places, secrets
from magicpak.trace.calls import Kind
from magicpak.trace.files import Files
from magicpak.trace.history import History
from magicpak.trace.mounts import Mounts
from magicpak.trace.needed import executed, needed
from magicpak.trace.strace_log import Access

CHANGED = "were written to during the traced run"
EMPTIED = "were emptied by the traced run"
REPLACED = "were replaced by the traced run, which had no use of what was there before"
UNSURE = "may have been made by the traced run, which cannot be told"
WRITTEN = "the traced run only wrote to"
GONE = "the traced run used, and then removed or renamed (put them back first)"
BEHIND = "lie on file systems that the traced run mounted itself"
LOOSE = "lie loose in a temporary directory, as input and output of a run do"
UNREAD = "this user may not read, and the traced run only looked at"
MOUNTED = "lie on mounts, which are no part of this file system"


class What(enum.Enum):
    """As what a path goes into the bundle."""

    FILE = enum.auto()  # with the links that lead to it
    EMPTY = enum.auto()  # the same, without content
    LINK = enum.auto()  # without what it leads to
    DIRECTORY = enum.auto()  # without what is in it
    NOTHING = enum.auto()  # left out, although the run has used it
    MADE = enum.auto()  # left out, because the run has made it


class Touched(NamedTuple):
    """A path that a program touched, absolute and as it named it: no link is resolved."""

    path: str
    what: What
    note: str = ""
    """Why it is left out, or is not what it was before: says of several what they are."""
    executed: bool = False
    """Whether it is a program that ran, or that ran a script."""

    @property
    def bundled(self) -> bool:
        """Whether it goes into the bundle."""
        return self.what not in (What.NOTHING, What.MADE)

    @property
    def directory(self) -> bool:
        """Whether it is a directory, of which the program needs the existence."""
        return self.what is What.DIRECTORY

    @property
    def link(self) -> bool:
        """Whether it is a link of which the target is not taken."""
        return self.what is What.LINK

    @property
    def empty(self) -> bool:
        """Whether it is a file that is taken without its content."""
        return self.what is What.EMPTY


def sift(
    accesses: Iterable[Access], started: int | None = None, files: Files | None = None
) -> tuple[Touched, ...]:
    """Keep what a program needs of this machine, and was not made by the program itself.

    ``started`` is when the run started, in nanoseconds of the clock of files. ``files`` are
    those of another machine than this one, a sysroot.
    """
    accesses = tuple(accesses)
    files = files or Files()
    mounts = Mounts.of_this_process() if files.native else Mounts.none()
    sieve = _Sieve(files, mounts, History(accesses, files, mounts, started))
    found: dict[str, Touched] = {}
    ways: dict[str, Touched] = {}
    for path, proven in needed(accesses, files).items():
        # It may be gone, or never have been here: another root, another machine.
        with contextlib.suppress(OSError):
            for touched in sieve.decide(path, proven):
                (found if touched.path == path else ways)[touched.path] = touched
                if touched.bundled:
                    ways.update((way.path, way) for way in sieve.ways(path))
    for path, kind, counts in accesses:
        if counts and kind is Kind.HIDDEN and not places.of_the_machine(path):
            found.setdefault(path, Touched(path, What.NOTHING, BEHIND))
    programs = {files.real(path) for path in executed(accesses, files)}
    every = ways | found
    return tuple(
        every[path]._replace(executed=files.real(path) in programs) for path in sorted(every)
    )


class _Sieve(NamedTuple):
    """Decides about single paths."""

    files: Files
    mounts: Mounts
    history: History

    def decide(self, path: str, proven: bool = True) -> Iterator[Touched]:
        """Decide about a path. Raises OSError where it is not there."""
        key, real = self.files.canonical(path), self.files.real(path)
        if places.of_the_machine(path) or places.of_the_machine(key):
            return
        if self.history.lost(key) and not (self.files.mode(path) or places.loose(key)):
            yield Touched(path, What.NOTHING, GONE)
            return
        is_link = stat.S_ISLNK(self.files.look(path).st_mode)
        if self.history.made(key):
            yield Touched(key, What.MADE)
        elif self._is_left(real):
            if is_link:
                yield Touched(path, What.LINK)
                yield from self._room(real)
        elif stat.S_ISDIR(mode := self.files.mode(real)):
            yield from self._directory(path, real, is_link)
        elif stat.S_ISREG(mode):
            if proven:
                yield self._file(path, {path, key, real}, real)
        elif is_link and (not mode or stat.S_ISLNK(mode)):  # dangling, or a circle
            yield Touched(path, What.LINK)

    def _room(self, real: str) -> Iterator[Touched]:
        """Give the directory in which a program makes a file by a link that was there."""
        room = os.path.dirname(real)
        if self.history.made(real) and not (self.history.made(room) or self._is_left(room)):
            yield Touched(room, What.DIRECTORY)

    def _is_left(self, real: str) -> bool:
        """Tell whether what a link leads to is the runtime's matter, or the run's."""
        file_of_run = places.of_run(real) and not stat.S_ISDIR(self.files.mode(real))
        return (
            places.of_the_machine(real)
            or self.history.made(real)
            or (file_of_run and secrets.by_name(real) is None)
        )

    def _directory(self, path: str, real: str, is_link: bool) -> Iterator[Touched]:
        kind = secrets.by_name(real)
        if kind is not None:
            yield Touched(path, What.NOTHING, f"hold {kind}")
        elif is_link and not places.OF_THE_SYSTEM.fullmatch(path):
            yield Touched(path, What.LINK)
            yield Touched(real, What.DIRECTORY)
        else:
            # A directory where others have one, so that the bundle can be copied onto their image.
            yield Touched(path, What.DIRECTORY)
            if is_link:
                yield Touched(real, What.DIRECTORY)

    def _file(self, path: str, names: set[str], real: str) -> Touched:
        """Decide about a regular file, or a link to one."""
        if note := self._held_back(names, real):
            return Touched(path, What.NOTHING, note)
        past = self.history.of(real)
        if past is not None and past.gone and not past.used:
            return Touched(path, What.NOTHING, REPLACED)
        if past is not None and past.empty:
            return Touched(path, What.EMPTY)
        if past is not None and not past.used and (past.emptied or past.written):
            note = WRITTEN if self.files.look(real).st_size else ""
            return Touched(path, What.EMPTY, EMPTIED if past.emptied else note)
        changed = self.history.changed(real) or (past is not None and past.gone)
        return Touched(path, What.FILE, CHANGED if changed else "")

    def _held_back(self, names: set[str], real: str) -> str | None:
        """Return why a file that was used should not be in an image, if so."""
        kinds = (secrets.by_name(name) for name in sorted(names))
        if kind := next(filter(None, kinds), None):
            return f"hold {kind}"
        if not self.mounts.keeps(real):
            return MOUNTED
        try:
            with self.files.opened(real) as file:
                if kind := secrets.by_content(real, file):
                    return f"hold {kind}"
        except PermissionError:
            past = self.history.of(real)
            if past is not None and not past.used:
                return UNREAD
        except OSError:
            pass  # whoever copies it tells
        if any(map(places.loose, names)) and not self.files.mode(real) & 0o111:
            return LOOSE
        return UNSURE if self.history.was_there(real) is None else None

    def ways(self, path: str) -> Iterator[Touched]:
        """Give the links on the way to a path."""
        for link in self.files.links(path):
            if not (places.of_the_machine(link) or self.history.made(self.files.canonical(link))):
                system = places.OF_THE_SYSTEM.fullmatch(link)
                yield Touched(link, What.DIRECTORY if system else What.LINK)

"""Where the paths of a log lead on this machine, or below a sysroot, after the run."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Container, Iterator
from typing import BinaryIO

from magicpak.host.sysroot import Sysroot
from magicpak.plan import LINKS_FOLLOWED


class Files:
    """The files that a log is about, each link looked at once."""

    def __init__(self, sysroot: Sysroot | None = None) -> None:
        """Know nothing yet of the files below a sysroot; without one, of this machine's."""
        self._sysroot = sysroot or Sysroot()
        self._directories: dict[str, str] = {}
        self._resolved: dict[str, str] = {}
        self._passed: dict[str, frozenset[str]] = {}

    @property
    def native(self) -> bool:
        """Whether they are this machine's own."""
        return not self._sysroot.sysroot

    def look(self, path: str) -> os.stat_result:
        """Call lstat(2). Raises OSError."""
        return self._sysroot.look(path, follow=False)

    def mode(self, path: str) -> int:
        """Return the type and mode of a path, links not followed; 0 where nothing is there."""
        status = self._sysroot.status(path)
        return 0 if status is None else status.st_mode

    def opened(self, path: str) -> BinaryIO:
        """Open a file to read it; a FIFO does not block. Raises OSError."""
        return open(self._sysroot.opened(path), "rb")

    def links(self, path: str, left: int = LINKS_FOLLOWED) -> frozenset[str]:
        """Name the links that lead to a path: itself, and those on the way, at any remove.

        ``left`` is how many more the kernel would follow.
        """
        for each in down_to(path, self._passed):
            self._passed[each] = frozenset()  # a link that leads in a circle ends here
            found = self._passed.get(each.rpartition("/")[0], frozenset())
            self._passed[each] = found.union(self._followed(each, left))
        return self._passed.get(path, frozenset())

    def _followed(self, path: str, left: int) -> Iterator[str]:
        """Name the links that a path, if it is one, leads over."""
        for count in range(left, 0, -1):
            if not self._is_link(path):
                break
            yield path
            path = os.path.join(os.path.dirname(path), self._sysroot.link_text(path))
            yield from self.links(os.path.dirname(path), count - 1)

    def canonical(self, path: str) -> str:
        """Resolve the links on the way to a path, but not the link it may be itself."""
        parent, _, name = path.rpartition("/")
        if name == "..":
            return self._directory(path)
        return os.path.join(self._directory(parent), name)

    def _directory(self, path: str) -> str:
        """Resolve all links of a directory."""
        for each in down_to(path, self._directories):
            above, _, name = each.rpartition("/")
            real = self._directories.get(above, "/")
            step = os.path.dirname(real) if name == ".." else os.path.join(real, name)
            self._directories[each] = self._end_of(step)
        return self._directories.get(path, "/")

    def real(self, path: str) -> str:
        """Resolve all links, as realpath(3)."""
        if path not in self._resolved:
            self._resolved[path] = self._end_of(self.canonical(path))
        return self._resolved[path]

    def _end_of(self, path: str) -> str:
        """Follow what may be a link; what the kernel does not follow, a circle, stays."""
        if not self._is_link(path):
            return path
        try:
            self._sysroot.look(path, follow=True)
        except OSError as e:
            if e.errno == errno.ELOOP:
                return path
        return self._sysroot.real(path)

    def _is_link(self, path: str) -> bool:
        return stat.S_ISLNK(self.mode(path))


def down_to(path: str, known: Container[str]) -> list[str]:
    """Name a path and the directories above it up to the nearest that is known, from above."""
    names = []
    while path and path not in known:
        names.append(path)
        path = path.rpartition("/")[0]
    return names[::-1]

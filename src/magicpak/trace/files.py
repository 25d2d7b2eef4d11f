"""Where the paths of a log lead on this machine, or below a sysroot, after the run."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from magicpak.host.sysroot import Sysroot


class Files:
    """The files that a log is about, each link looked at once."""

    def __init__(self, sysroot: Sysroot | None = None) -> None:
        """Know nothing yet of the files below a sysroot; without one, of this machine's."""
        self._sysroot = sysroot or Sysroot()
        self._parents: dict[str, str] = {}
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

    def links(self, path: str) -> frozenset[str]:
        """Name the links that lead to a path: itself, and those on the way, at any remove."""
        if path not in self._passed:
            self._passed[path] = frozenset()  # a link that leads in a circle ends here
            parent = path.rpartition("/")[0]
            found = self.links(parent) if parent else frozenset()
            if stat.S_ISLNK(self.mode(path)):
                text = self._sysroot.link_text(path)
                found |= {path} | self.links(os.path.join(parent or "/", text))
            self._passed[path] = found
        return self._passed[path]

    def canonical(self, path: str) -> str:
        """Resolve the links on the way to a path, but not the link it may be itself."""
        parent, _, name = path.rpartition("/")
        if name == "..":
            return self._sysroot.real(path)
        if parent not in self._parents:
            self._parents[parent] = self._sysroot.real(parent or "/")
        return os.path.join(self._parents[parent], name)

    def real(self, path: str) -> str:
        """Resolve all links, as realpath(3)."""
        if path not in self._resolved:
            key = self.canonical(path)
            is_link = stat.S_ISLNK(self.mode(key))
            self._resolved[path] = self._sysroot.real(key) if is_link else key
        return self._resolved[path]

"""Where the paths of a log lead on this machine, after the run."""

from __future__ import annotations

import os


class Files:
    """The links of this machine, each looked at once."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._parents: dict[str, str] = {}
        self._resolved: dict[str, str] = {}
        self._passed: dict[str, frozenset[str]] = {}

    def links(self, path: str) -> frozenset[str]:
        """Name the links that lead to a path: itself, and those on the way, at any remove."""
        if path not in self._passed:
            self._passed[path] = frozenset()  # a link that leads in a circle ends here
            parent = path.rpartition("/")[0]
            found = self.links(parent) if parent else frozenset()
            if os.path.islink(path):
                found |= {path} | self.links(os.path.join(parent or "/", os.readlink(path)))
            self._passed[path] = found
        return self._passed[path]

    def canonical(self, path: str) -> str:
        """Resolve the links on the way to a path, but not the link it may be itself."""
        parent, _, name = path.rpartition("/")
        if name == "..":
            return os.path.realpath(path)
        if parent not in self._parents:
            self._parents[parent] = os.path.realpath(parent or "/")
        return os.path.join(self._parents[parent], name)

    def real(self, path: str) -> str:
        """Resolve all links, as realpath(3)."""
        if path not in self._resolved:
            key = self.canonical(path)
            self._resolved[path] = os.path.realpath(key) if os.path.islink(key) else key
        return self._resolved[path]

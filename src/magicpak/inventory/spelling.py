"""The spellings of one path: through a directory, or through a link to that.

On a merged /usr, dpkg has ``/lib/x86_64-linux-gnu/libc.so.6`` where a bundle may have
``/usr/lib/…``, or the other way round.
"""

import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from magicpak.host.sysroot import Sysroot
from magicpak.inventory import files

LINKED = ("/", "/usr", "/var")
"""Where distributions have links in the place of directories: /lib, /usr/sbin, /var/run."""
NO_NAMES = frozenset(("", ".", ".."))
"""Components of a path that name no entry."""


class Ways(NamedTuple):
    """How a directory is reached; each path ends with a slash."""

    place: str
    """Through none of the links."""
    others: tuple[str, ...]
    """Through one of them."""


class Spellings:
    """How the paths of a root may be spelled; its links are looked for once."""

    def __init__(self, host: Sysroot) -> None:
        """Look for the links of this root."""
        self._host = host
        self._links = dict(self._find_links())
        self._starts, self._ends = tuple(self._links), tuple(self._links.values())
        self._ways: dict[str, Ways] = {}
        self._real: dict[str, str] = {"": ""}

    def _find_links(self) -> Iterator[tuple[str, str]]:
        """Give the links to directories, with what they lead to."""
        for directory in LINKED:
            for name in files.names(self._host, directory):
                path = f"{self._host.real(directory).rstrip('/')}/{name}"
                if self._is_link(path) and self._host.directory_identity(path) is not None:
                    yield f"{path}/", f"{self._host.real(path).rstrip('/')}/"

    def of(self, paths: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return the place of each path, through no link, and all spellings of each place.

        Links are those of the root; the last component of a path is not followed.
        """
        places, spelled = {}, {}
        for path in paths:
            parent, _, name = path.rpartition("/")
            ways = self._ways.get(parent)
            if ways is None or not parent or name in NO_NAMES:
                parent, name = self._split(path)
                ways = self._ways_to(parent)
            place = ways.place + name
            if place == path:
                place = path  # a text that has been hashed
            places[path] = spelled[place] = place
            for other in ways.others:
                spelled[other + name] = place
        return places, spelled

    def _split(self, path: str) -> tuple[str, str]:
        """Split a path of any form into an absolute directory and the name of an entry."""
        parent, _, name = path.rstrip("/").rpartition("/")
        if name in NO_NAMES:
            parent, _, name = self._host.real(path).rpartition("/")
        elif not path.startswith("/"):
            parent = self._host.real(parent or ".").rstrip("/")
        return parent, name

    def _ways_to(self, directory: str) -> Ways:
        if directory not in self._ways:
            place, links = f"{directory}/", self._links.items()
            while place.startswith(self._starts):
                link, to = next(pair for pair in links if place.startswith(pair[0]))
                place = to + place[len(link) :]
            linked = links if place.startswith(self._ends) else ()
            others = [link + place[len(to) :] for link, to in linked if place.startswith(to)]
            self._ways[directory] = Ways(place, tuple(others))
        return self._ways[directory]

    def real(self, place: str) -> str:
        """Follow all links on the way to a place, those of each directory once."""
        parent, _, name = place.rpartition("/")
        names = []
        while parent not in self._real:
            parent, _, last = parent.rpartition("/")
            names.append(last)
        real = self._real[parent]
        for last in reversed(names):
            parent, real = f"{parent}/{last}", f"{real}/{last}"
            if last in NO_NAMES or self._is_link(real):
                real = self._host.real(real).rstrip("/")
            self._real[parent] = real
        return f"{real}/{name}"

    def _is_link(self, path: str) -> bool:
        status = self._host.status(path)
        return status is not None and stat.S_ISLNK(status.st_mode)

"""The files and the loader inside the bundle.

LD_LIBRARY_PATH is not set there, and the only cache is the one that mend.py generates.
"""

from __future__ import annotations

import errno
import functools

from magicpak.elf import Abi, Elf
from magicpak.host import Host
from magicpak.loader import cache, mend
from magicpak.loader.finder import Known
from magicpak.loader.identify import MUSL_DIRECTORIES, musl_directories
from magicpak.loader.search import Flavour, Loader
from magicpak.plan import Bundle, File


class BundleView:
    """The objects that the loader sees inside the bundle."""

    def __init__(self, bundle: Bundle, host: Host) -> None:
        """Look at each path once: programs need the same libraries."""
        self.bundle, self.host = bundle, host
        self._file = functools.cache(self._found)
        self._started: dict[tuple[str, Abi, int], tuple[Loader, Known]] = {}

    def elf(self, path: str) -> Elf | None:
        """Read an object of the bundle; None where there is no such file."""
        file = self._file(path)
        return None if file is None or file.content is not None else self.host.read_planned(file)

    def failure(self, path: str) -> int:
        """Return the errno with which stat(2) fails in the bundle; 0 if there is something."""
        if self.bundle.resolve(path) is not None:
            return 0
        if self.bundle.resolve(path, final=True) is not None:
            return errno.ENOENT
        parent = self._file(path.rpartition("/")[0])
        return errno.ELOOP if parent is None else errno.ENOTDIR

    def content(self, path: str) -> bytes | None:
        """Read a configuration file of the bundle; None where there is none. Raises IoError."""
        file = self._file(path)
        return None if file is None else self.host.planned_content(file)

    def started(self, loader: Loader, elf: Elf) -> tuple[Loader, Known]:
        """Describe the loader as it runs here for an object, with what it has found here so far."""
        like = (loader.interpreter, elf.abi, elf.flags)
        if like not in self._started:
            self._started[like] = inside(loader, self, elf), {}
        return self._started[like]

    def _found(self, path: str) -> File | None:
        place = self.bundle.resolve(path)
        item = self.bundle.get(place) if place is not None else None
        return item.entry if item is not None and isinstance(item.entry, File) else None


def directories(loader: Loader, view: BundleView) -> tuple[str, ...]:
    """Return where the loader looks by default in the bundle."""
    if loader.flavour is Flavour.GLIBC:
        return loader.directories
    listed = view.content(mend.musl_path(loader))
    return MUSL_DIRECTORIES if listed is None else musl_directories(listed)


def inside(loader: Loader, view: BundleView, elf: Elf) -> Loader:
    """Describe the loader as it runs in the bundle."""
    if loader.flavour is Flavour.MUSL:
        return loader._replace(directories=directories(loader, view))
    content = view.content(mend.CACHE)
    known = None
    if content is not None:
        entries = cache.parse(content, elf.abi.little_endian)
        known = cache.select(entries, cache.flags(elf.abi, elf.flags))
    return loader._replace(cache=known)

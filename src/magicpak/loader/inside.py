"""The files and the loader inside the bundle.

LD_LIBRARY_PATH is not set there, and the only cache is the one that mend.py generates.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from magicpak.elf import Elf
from magicpak.errors import IoError
from magicpak.host import Host
from magicpak.host.sysroot import READ
from magicpak.loader import cache, mend
from magicpak.loader.identify import MUSL_DIRECTORIES, musl_directories
from magicpak.loader.search import Flavour, Loader
from magicpak.plan import Bundle, BundlePath, File
from magicpak.system.files import read_regular


class BundleView(NamedTuple):
    """The objects that the loader sees inside the bundle."""

    bundle: Bundle
    host: Host

    def elf(self, path: str) -> Elf | None:
        """Read an object of the bundle; None where there is no such file."""
        place = self.bundle.resolve(path)
        item = self.bundle.get(place) if place is not None else None
        if item is None or not isinstance(item.entry, File) or item.entry.content is not None:
            return None
        return self.host.read_planned(item.entry)


def directories(loader: Loader, bundle: Bundle) -> tuple[str, ...]:
    """Return where the loader looks by default in the bundle."""
    if loader.flavour is Flavour.GLIBC:
        return loader.directories
    listed = _content(bundle, mend.musl_path(loader))
    return MUSL_DIRECTORIES if listed is None else musl_directories(listed)


def inside(loader: Loader, bundle: Bundle, elf: Elf) -> Loader:
    """Describe the loader as it runs in the bundle."""
    if loader.flavour is Flavour.MUSL:
        return loader._replace(directories=directories(loader, bundle))
    content = _content(bundle, mend.CACHE)
    known = None
    if content is not None:
        entries = cache.parse(content, elf.abi.little_endian)
        known = cache.select(entries, cache.flags(elf.abi, elf.flags))
    return loader._replace(cache=known)


def _content(bundle: Bundle, path: BundlePath) -> bytes | None:
    place = bundle.resolve(path)
    item = bundle.get(place) if place is not None else None
    if item is None or not isinstance(item.entry, File):
        return None
    if item.entry.content is not None:
        return item.entry.content
    try:
        return read_regular(os.open(item.entry.source, READ), item.entry.source)
    except OSError as e:
        raise IoError.of(e, item.entry.source) from e

"""Generate the configuration with which a loader finds in the bundle what it found on the host.

glibc: ld.so.cache, and ld.so.conf for an ldconfig(8) that runs in the image later.
musl: ld-musl-ARCH.path.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set

from magicpak.host import Host
from magicpak.loader import cache
from magicpak.loader.library import Library
from magicpak.loader.resolve import Root
from magicpak.loader.search import Flavour, How, Loader
from magicpak.plan import Bundle, BundlePath, File, Link, Meta, Origin, Placed, Why

log = logging.getLogger(__name__)

CACHE = BundlePath("/etc/ld.so.cache")
CONFIGURATION = BundlePath("/etc/ld.so.conf")
NO_FILE = (0, 0)
"""The identity of a generated file."""


def musl_path(loader: Loader) -> BundlePath:
    """Return the file from which musl's loader reads its search path."""
    architecture = loader.interpreter.rpartition("ld-musl-")[2].removesuffix(".so.1")
    return BundlePath(f"/etc/ld-musl-{architecture}.path")


def configuration(
    bundle: Bundle, roots: Iterable[Root], wanted: Set[str], host: Host
) -> Iterator[Placed]:
    """Generate the files that let the loaders find the libraries named in ``wanted``."""
    entries: set[cache.CacheEntry] = set()
    listed: defaultdict[str, list[Library]] = defaultdict(list)
    loaders: dict[str, Loader] = {}
    little_endian = True
    for root in roots:
        if root.loader is None:
            continue
        loaders[root.loader.interpreter] = root.loader
        every = (*root.closure.libraries, *root.closure.baseline)
        libraries = [library for library in every if library.name in wanted]
        if root.loader.flavour is Flavour.MUSL:
            listed[root.loader.interpreter] += libraries
            continue
        little_endian = root.elf.abi.little_endian
        flags = cache.flags(root.elf.abi, root.elf.flags)
        entries |= {_entry(lib, flags, host) for lib in libraries if _is_in(bundle, lib, host)}
    for loader in loaders.values():
        entries |= _taken_over(bundle, loader)
        if listed[loader.interpreter]:
            yield _musl_list(loader, listed[loader.interpreter], host)
    if entries:
        directories = sorted({directory(entry.path) for entry in entries})
        yield _generated(CACHE, cache.serialise(entries, little_endian))
        yield _generated(CONFIGURATION, os.fsencode("".join(f"{each}\n" for each in directories)))


def links(
    bundle: Bundle, lost: Iterable[tuple[str, Root]], host: Host
) -> Iterator[Placed]:
    """Make links to libraries whose needed name is a path relative to ``$ORIGIN``.

    ``lost`` has the expanded paths, and the objects that need them.
    """
    for name, root in lost:
        parent, _, base = name.rpartition("/")
        there = bundle.resolve(parent, final=True) if name.startswith("/") else None
        if there is None or bundle.get(there.child(base)) is not None:
            continue
        for library in root.closure.libraries:
            if library.place.how is How.SLASH and os.path.basename(library.path) == base:
                text = host.place(library.path)
                if bundle.resolve(text) is not None:
                    yield Placed(there.child(base), Link(text, Meta(0o777)), Origin(Why.CACHE))
                    break


def _is_in(bundle: Bundle, library: Library, host: Host) -> bool:
    # A name with a slash is never looked up in the cache.
    return "/" not in library.name and bundle.resolve(host.place(library.path)) is not None


def _entry(library: Library, flags: int, host: Host) -> cache.CacheEntry:
    path = host.place(library.path)
    level = path.partition("/glibc-hwcaps/")[2].partition("/")[0]
    return cache.CacheEntry(library.name, path, flags, level)


def _taken_over(bundle: Bundle, loader: Loader) -> set[cache.CacheEntry]:
    """Keep the entries of the host's cache that are bundled and outside the default directories.

    A program may load them by dlopen(3), which the replay of the start does not show.
    """
    if loader.cache is None:
        return set()
    return {
        entry
        for known in loader.cache.entries.values()
        for entry in known
        if directory(entry.path) not in loader.directories
        and bundle.resolve(entry.path) is not None
    }


def directory(path: str) -> str:
    """Return the directory of a library, without its glibc-hwcaps subdirectory."""
    return os.path.dirname(path).partition("/glibc-hwcaps/")[0]


def _musl_list(loader: Loader, libraries: Iterable[Library], host: Host) -> Placed:
    extra = (os.path.dirname(host.place(library.path)) for library in libraries)
    lines = dict.fromkeys((*loader.directories, *extra))
    return _generated(musl_path(loader), os.fsencode("".join(f"{line}\n" for line in lines)))


def _generated(path: BundlePath, content: bytes) -> Placed:
    entry = File(path, NO_FILE, len(content), Meta(0o644), content=content)
    return Placed(path, entry, Origin(Why.CACHE))


def report(before: Bundle, after: Bundle) -> None:
    """Log the generated entries."""
    for path, _ in after:
        if before.get(path) is None:
            log.info("%s is generated, so that the loader finds its libraries", path)

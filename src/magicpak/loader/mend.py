"""Generate the configuration with which a loader finds in the bundle what it found on the host.

glibc: ld.so.cache, and ld.so.conf for an ldconfig(8) that runs in the image later.
musl: ld-musl-ARCH.path.
"""

import logging
import os
from collections.abc import Collection, Iterable, Iterator, Set
from typing import NamedTuple

from magicpak.host import Host
from magicpak.loader import cache, listing
from magicpak.loader.cache import CacheEntry
from magicpak.loader.library import Library
from magicpak.loader.resolve import Root
from magicpak.loader.search import Flavour, Loader
from magicpak.plan import Bundle, BundlePath, Entry, Origin, Placed, Why, generated

log = logging.getLogger(__name__)

GENERATED = Origin(Why.CACHE)
CACHE = BundlePath("/etc/ld.so.cache")
CONFIGURATION = BundlePath("/etc/ld.so.conf")
DROP_IN = BundlePath("/etc/ld.so.conf.d/magicpak.conf")
"""The same for an image with its own ld.so.conf, which usually includes this directory."""


class Need(NamedTuple):
    """A library that a loader does not find in the bundle without help."""

    loader: Loader
    entry: CacheEntry
    """The entry for a cache."""


def needs(bundle: Bundle, roots: Iterable[Root], wanted: Set[str], host: Host) -> Iterator[Need]:
    """List the libraries named in ``wanted``, and those that only the host's cache finds."""
    loaders: dict[str, Loader] = {}
    for root in roots:
        if root.loader is None:
            continue
        loaders[root.loader.interpreter] = root.loader
        flags = cache.flags(root.elf.abi, root.elf.flags)
        for library in (*root.closure.libraries, *root.closure.baseline):
            if library.name in wanted and _is_in(bundle, library, host):
                yield Need(root.loader, _entry(library, flags, host))
    for loader in loaders.values():
        yield from _taken_over(bundle, loader)


def configuration(
    bundle: Bundle,
    roots: Iterable[Root],
    wanted: Set[str],
    host: Host,
    *,
    conf: BundlePath = CONFIGURATION,
    listed: bool = False,
) -> Iterator[Placed]:
    """Generate the files that let the loaders find the libraries named in ``wanted``.

    With ``listed``, the cache lists all libraries of the bundle.
    """
    roots = tuple(roots)
    found = list(needs(bundle, roots, wanted, host))
    musl = (need.loader for need in found if need.loader.flavour is Flavour.MUSL)
    for loader in {loader.interpreter: loader for loader in musl}.values():
        yield _musl_list(loader, (need.entry.path for need in found if need.loader == loader))
    best: dict[object, CacheEntry] = {}
    for need in found:
        if need.loader.flavour is Flavour.GLIBC:
            best.setdefault(need.entry.key, need.entry)
    entries = set(best.values())
    if listed:
        entries = listing.libraries(bundle, roots, host, entries)
    if not entries and bundle.get(CACHE) is None:
        return
    little_endian = all(root.elf.abi.little_endian for root in roots)
    yield generated(CACHE, cache.serialise(entries, little_endian), GENERATED)
    # ldconfig(8) searches these without a configuration.
    defaults = {each for root in roots if root.loader for each in root.loader.directories}
    directories = sorted({entry.directory for entry in entries} - defaults)
    if directories:
        text = "".join(f"{directory}\n" for directory in directories)
        yield generated(conf, os.fsencode(text), GENERATED)


def put(bundle: Bundle, made: Collection[Placed]) -> Bundle:
    """Add generated files; a generated cache replaces the host's."""
    if bundle.get(CACHE) is not None:
        cached: dict[BundlePath, Entry] = {path: entry for path, entry, _ in made if path == CACHE}
        bundle = bundle.change(cached.get)
    return bundle.add(made)


def _is_in(bundle: Bundle, library: Library, host: Host) -> bool:
    # A name with a slash is never looked up in the cache.
    return "/" not in library.name and bundle.resolve(host.place(library.path)) is not None


def _entry(library: Library, flags: int, host: Host) -> CacheEntry:
    path = host.place(library.path)
    return CacheEntry(library.name, path, flags, library.level)


def _taken_over(bundle: Bundle, loader: Loader) -> Iterator[Need]:
    """Keep the entries of the host's cache that are bundled and that nothing else finds.

    They lie outside the default directories, or have another name there. A program may load them
    by dlopen(3), which the replay of the start does not show.
    """
    for entry in listing.known(loader):
        needless = entry.is_needless(loader.directories)
        if not needless and bundle.resolve(entry.path) is not None:
            yield Need(loader, entry)


def _musl_list(loader: Loader, paths: Iterable[str]) -> Placed:
    lines = dict.fromkeys((*loader.directories, *map(os.path.dirname, paths)))
    content = os.fsencode("".join(f"{line}\n" for line in lines))
    return generated(musl_path(loader), content, GENERATED)


def musl_path(loader: Loader) -> BundlePath:
    """Return the file from which musl's loader reads its search path."""
    architecture = loader.interpreter.rpartition("ld-musl-")[2].removesuffix(".so.1")
    return BundlePath(f"/etc/ld-musl-{architecture}.path")

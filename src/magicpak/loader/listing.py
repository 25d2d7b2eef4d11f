"""List the libraries of a bundle as ldconfig(8) does: for what reads the loader's cache itself.

Python's find_library() and many like it run ``ldconfig -p``. glibc: elf/ldconfig.c (search_dir).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from magicpak.elf import Elf
from magicpak.host import Host
from magicpak.loader import cache
from magicpak.loader.cache import CacheEntry
from magicpak.loader.resolve import Root
from magicpak.loader.search import Flavour, Loader
from magicpak.plan import Bundle, BundlePath, File, Link

READERS = ("/ldconfig", "/ldconfig.real")
"""Ends of the paths of programs that read the cache."""


def is_read(bundle: Bundle, path: BundlePath) -> bool:
    """Tell whether something in the bundle reads the cache that lies at this path.

    The host's lies there where it was included, or opened in a traced run by no loader.
    """
    return bundle.get(path) is not None or any(at.endswith(READERS) for at, _ in bundle)


def libraries(
    bundle: Bundle, roots: Iterable[Root], host: Host, chosen: Iterable[CacheEntry]
) -> set[CacheEntry]:
    """Add to the ``chosen`` entries those of all other libraries.

    Of several by one name the loader would take the first, so that one alone is listed: what is
    chosen, what the host's cache has, what lies in a default directory.
    """
    loaders: dict[int, Loader] = {}
    others: set[tuple[int, int]] = set()
    for root in roots:
        if root.loader is not None and root.loader.flavour is Flavour.GLIBC and root.has_loader:
            loaders[cache.flags(root.elf.abi, root.elf.flags)] = root.loader
        elif root.elf.needed:
            # For musl, or for no loader that is here.
            others |= {root.elf.identity, *(lib.elf.identity for lib in root.closure.libraries)}
            own = host.elf(root.loader.interpreter) if root.loader is not None else None
            others |= {own.identity} if own is not None else set()
    found = [entry for entry in _found(bundle, host) if entry.flags in loaders]
    found.sort(key=lambda entry: _rank(entry, loaders[entry.flags]))
    best: dict[tuple[str, int, str, int], CacheEntry] = {}
    for entry in (*chosen, *(e for loader in loaders.values() for e in known(loader)), *found):
        file = _file(bundle, entry.path)
        if file is not None and file.identity not in others:
            best.setdefault(entry.key, entry)
    return set(best.values())


def known(loader: Loader) -> Iterator[CacheEntry]:
    """List what the host's cache has for a loader."""
    if loader.cache is not None:
        for entries in loader.cache.entries.values():
            yield from entries


def _rank(entry: CacheEntry, loader: Loader) -> tuple[int, str]:
    directory = entry.directory
    defaults = loader.directories
    return defaults.index(directory) if directory in defaults else len(defaults), entry.path


def _file(bundle: Bundle, path: str) -> File | None:
    place = bundle.resolve(path)
    item = bundle.get(place) if place is not None else None
    return item.entry if item is not None and isinstance(item.entry, File) else None


def _found(bundle: Bundle, host: Host) -> Iterator[CacheEntry]:
    """List what has a name of a library, and is one that a loader may load."""
    for path, item in bundle:
        name = path.rpartition("/")[2]
        if not name.startswith(("lib", "ld-")) or ".so" not in name:
            continue
        file = _file(bundle, path)
        elf = host.known(file.identity) if file is not None else None
        if elf is not None and elf.kind == "ET_DYN" and elf.dynamic:
            yield _entry(bundle, path, elf, isinstance(item.entry, Link))


def _entry(bundle: Bundle, path: BundlePath, elf: Elf, is_link: bool) -> CacheEntry:
    """Make the entry of a library, or of a link to one, under the name that programs ask for."""
    own = path.rpartition("/")[2]
    name = elf.soname or own
    if is_link and own.endswith(".so") and name.startswith(own):
        name = own  # the link for ld(1)
    beside = path.parent.child(name)
    # ldconfig(8) has a link made by the soname.
    place = beside if bundle.resolve(beside) is not None else path
    return CacheEntry(name, place, cache.flags(elf.abi, elf.flags), cache.level(path))

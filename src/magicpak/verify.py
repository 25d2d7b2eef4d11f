"""Replay the loader inside the plan, and mend what it would not find there.

In the bundle there is no LD_LIBRARY_PATH, and no cache but the one that is made here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from magicpak.bundle import (
    Bundle,
    BundlePath,
    File,
    Meta,
    Origin,
    Placed,
    Why,
)
from magicpak.collect import Host
from magicpak.elf import Elf
from magicpak.errors import LookupRefused, MagicpakError
from magicpak.loader import cache
from magicpak.loader.closure import Closure, Library, closure
from magicpak.loader.search import Environment, Flavour, How, Loader
from magicpak.resolve import Root

log = logging.getLogger(__name__)

CACHE = BundlePath("/etc/ld.so.cache")
CONFIGURATION = BundlePath("/etc/ld.so.conf")


@dataclass(eq=False)
class WillNotStart(MagicpakError):
    """A program of the bundle needs what its loader will not find there."""

    path: str
    name: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.path} would not start in the bundle: {self.name}: {self.reason}; "
            f"--include what is missing, or --exclude {self.path}"
        )


@dataclass(frozen=True, slots=True)
class BundleView:
    """The objects as the loader sees them inside the bundle."""

    bundle: Bundle
    host: Host

    def elf(self, path: str) -> Elf | None:
        """Read an object of the bundle; None where there is no such file."""
        place = self.bundle.resolve(path)
        item = self.bundle.get(place) if place is not None else None
        if item is None or not isinstance(item.entry, File) or item.entry.content is not None:
            return None
        return self.host.read_at(item.entry.source, item.entry.source)


@dataclass(frozen=True, slots=True)
class Lost:
    """A library that the loader does not find in the bundle where it found it on the host."""

    root: Root
    path: str
    """The object's path in the bundle."""
    name: str
    reason: str


def replay(
    bundle: Bundle, roots: Iterable[Root], host: Host, excluded: Bundle
) -> Bundle:
    """Return the plan with what it takes for the loader to find everything.

    Raises WillNotStart where that cannot be had, and ``excluded`` is not why.
    """
    resolved = [root for root in roots if root.loader is not None]
    located = list(_located(bundle, resolved))
    lost = list(_lost(bundle, located, host))
    wanted = {loss.name for loss in lost}
    mended = bundle.add(_caches(bundle, resolved, wanted, host))
    if len(mended) != len(bundle):
        lost = list(_lost(mended, located, host))
    for loss in lost:
        _judge(loss, excluded, host)
    for root in resolved:
        _check_versions(root)
    return mended


def _located(bundle: Bundle, roots: Iterable[Root]) -> Iterator[tuple[BundlePath, Root]]:
    """Find the objects in the bundle: one of them may lie at several paths."""
    by_identity = {root.elf.identity: root for root in roots}
    for path, item in bundle:
        if isinstance(item.entry, File) and item.entry.content is None:
            root = by_identity.get(item.entry.identity)
            if root is not None:
                yield path, root


def _lost(
    bundle: Bundle, located: Iterable[tuple[BundlePath, Root]], host: Host
) -> Iterator[Lost]:
    view = BundleView(bundle, host)
    for path, root in located:
        assert root.loader is not None
        if root.elf.interpreter is not None and view.elf(root.elf.interpreter) is None:
            yield Lost(root, path, root.elf.interpreter, "its interpreter is not in the bundle")
            continue
        loader = _inside(root.loader, bundle, root.elf)
        found = closure(root.elf, path, loader, view, Environment())
        yield from _differences(path, root, found)


def _inside(loader: Loader, bundle: Bundle, elf: Elf) -> Loader:
    """Describe the loader as it runs in the bundle."""
    if loader.flavour is Flavour.MUSL:
        listed = _content(bundle, _musl_path(loader))
        directories = tuple(os.fsdecode(listed).split()) if listed is not None else MUSL_DEFAULT
        return replace(loader, directories=directories)
    content = _content(bundle, CACHE)
    if content is None:
        return replace(loader, cache=None)
    entries = cache.parse(content, elf.abi.little_endian)
    return replace(loader, cache=cache.select(entries, cache.flags(elf.abi, elf.flags)))


MUSL_DEFAULT = ("/lib", "/usr/local/lib", "/usr/lib")


def _musl_path(loader: Loader) -> BundlePath:
    architecture = loader.interpreter.rpartition("ld-musl-")[2].removesuffix(".so.1")
    return BundlePath(f"/etc/ld-musl-{architecture}.path")


def _content(bundle: Bundle, path: BundlePath) -> bytes | None:
    place = bundle.resolve(path)
    item = bundle.get(place) if place is not None else None
    if item is None or not isinstance(item.entry, File):
        return None
    if item.entry.content is not None:
        return item.entry.content
    with open(item.entry.source, "rb") as file:
        return file.read()


def _differences(path: str, root: Root, found: Closure) -> Iterator[Lost]:
    here = {library.name: library for library in reversed(root.closure.libraries)}
    there = {library.name: library for library in reversed(found.libraries)}
    for failure in found.failures:
        if isinstance(failure, LookupRefused):
            yield Lost(root, path, failure.name, f"{failure.path}: {failure.reason}")
        else:
            yield Lost(root, path, failure.name, f"looked in {', '.join(failure.places)}")
    for name in sorted(here.keys() & there.keys()):
        if here[name].elf.identity != there[name].elf.identity:
            reason = f"{there[name].path} is found instead of {here[name].path}"
            yield Lost(root, path, name, reason)
    for name in sorted(here.keys() - there.keys()):
        if here[name].optional:
            yield Lost(root, path, name, "it is loaded later, by dlopen")


def _caches(
    bundle: Bundle, roots: Iterable[Root], wanted: set[str], host: Host
) -> Iterator[Placed]:
    """Make the loader's cache, where one is needed for the bundle."""
    entries: set[cache.CacheEntry] = set()
    order = True
    for root in roots:
        loader = root.loader
        assert loader is not None
        order = root.elf.abi.little_endian
        wants = {*wanted, *_far(root, loader, host)}
        libraries = [library for library in root.closure.libraries if library.name in wants]
        flags = cache.flags(root.elf.abi, root.elf.flags)
        if loader.flavour is Flavour.GLIBC:
            entries |= {
                cache.CacheEntry(lib.name, host.place(lib.path), flags, _hwcap(lib.path))
                for lib in libraries
                if bundle.resolve(host.place(lib.path)) is not None
            }
            entries |= _cached(bundle, loader, flags)
        elif libraries:
            yield _musl_list(loader, libraries, host)
    if entries:
        directories = sorted({os.path.dirname(entry.path) for entry in entries})
        conf = "".join(f"{directory}\n" for directory in directories)
        yield _generated(CACHE, cache.serialise(entries, order))
        yield _generated(CONFIGURATION, os.fsencode(conf))


def _far(root: Root, loader: Loader, host: Host) -> Iterator[str]:
    """Name what is found by a rule that a container does not have, outside default directories."""
    for library in root.closure.libraries:
        directory = os.path.dirname(host.place(library.path))
        if library.place.how in (How.CACHE, How.LIBRARY_PATH, How.DLOPEN) and (
            directory.partition("/glibc-hwcaps")[0] not in loader.directories
        ):
            yield library.name


def _cached(bundle: Bundle, loader: Loader, flags: int) -> set[cache.CacheEntry]:
    """Take over from the host's cache what is bundled, and lies in no default directory."""
    if loader.cache is None:
        return set()
    listed = (entry for known in loader.cache.entries.values() for entry in known)
    return {
        replace(entry, flags=flags)
        for entry in listed
        if os.path.dirname(entry.path).partition("/glibc-hwcaps")[0] not in loader.directories
        and bundle.resolve(entry.path) is not None
    }


def _hwcap(path: str) -> str:
    return path.partition("/glibc-hwcaps/")[2].partition("/")[0]


def _musl_list(loader: Loader, libraries: Iterable[Library], host: Host) -> Placed:
    extra = dict.fromkeys(os.path.dirname(host.place(library.path)) for library in libraries)
    lines = dict.fromkeys((*loader.directories, *extra))
    return _generated(_musl_path(loader), os.fsencode("".join(f"{line}\n" for line in lines)))


def _generated(path: BundlePath, content: bytes) -> Placed:
    log.info("%s is made, for the loader to find what it found here", path)
    entry = File(path, (-1, hash(path) & 0xFFFF), len(content), Meta(0o644), content=content)
    return Placed(path, entry, Origin(Why.CACHE))


def _judge(loss: Lost, excluded: Bundle, host: Host) -> None:
    """Raise where a program would not start, unless that was asked for."""
    names = {loss.name, *(lib.path for lib in loss.root.closure.libraries if lib.name == loss.name)}
    if any(excluded.get(host.place(name)) is not None for name in names if "/" in name):
        log.warning("%s will not find %s: it is excluded", loss.path, loss.name)
    elif loss.root.elf.runs and not loss.reason.startswith("it is loaded later"):
        raise WillNotStart(loss.path, loss.name, loss.reason)
    else:
        log.warning("%s will not find %s in the bundle: %s", loss.path, loss.name, loss.reason)


def _check_versions(root: Root) -> None:
    """Warn of symbol versions that are asked for and not there; the loader stops at them."""
    libraries = root.closure.libraries
    by_name = {name: lib.elf for lib in libraries for name in (lib.name, lib.elf.soname) if name}
    for elf in (root.elf, *(library.elf for library in libraries)):
        for name, versions in elf.versions.needed:
            provider = by_name.get(name)
            if provider is None or not provider.versions.defined:
                continue
            for version in versions:
                if version not in provider.versions.defined:
                    log.warning("%s needs version %s of %s, which %s does not define",
                                elf.path, version, name, provider.path)  # fmt: skip


def warn_of_excluded(excluded: Bundle) -> None:
    """Tell which of the excluded entries something needs."""
    for path, item in excluded:
        needs = [o for o in item.origins if o.why in (Why.NEEDED, Why.INTERPRETER)]
        if needs:
            log.warning("%s is excluded: %s", path, needs[0])

"""Replay the loader inside the plan: what it finds there, before anything is written.

In the bundle there is no LD_LIBRARY_PATH, and no cache but the one that mend.py makes.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from magicpak import mend
from magicpak.elf import Elf
from magicpak.errors import IoError, LookupFailed, LookupRefused, MagicpakError
from magicpak.host import Host
from magicpak.loader import cache
from magicpak.loader.closure import closure
from magicpak.loader.identify import MUSL_DIRECTORIES, musl_directories
from magicpak.loader.library import Closure, Library
from magicpak.loader.search import Environment, Flavour, How, Loader
from magicpak.plan import Bundle, BundlePath, File, Why
from magicpak.resolve import Root

log = logging.getLogger(__name__)


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


class BundleView(NamedTuple):
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


class Lost(NamedTuple):
    """A library that the loader does not find in the bundle where it found it on the host."""

    root: Root
    path: str
    """The object's path in the bundle."""
    name: str
    reason: str
    starts: bool = False
    """Whether the program starts all the same."""


def replay(bundle: Bundle, roots: Collection[Root], host: Host, excluded: Bundle) -> Bundle:
    """Return the plan with what it takes for the loader to find everything.

    Raises WillNotStart where that cannot be had, and ``excluded`` is not why.
    """
    resolved = [root for root in roots if root.loader is not None]
    located = list(_located(bundle, roots))
    wanted: set[str] = set()
    while True:
        mended = bundle.add(mend.configuration(bundle, resolved, wanted, host))
        lost = list(_lost(mended, located, host))
        by_path = list(mend.links(mended, ((loss.name, loss.root) for loss in lost), host))
        new = {loss.name for loss in (*lost, *_lost_without_proc(mended, located, host))} - wanted
        if not (new or by_path):
            break
        bundle = bundle.add(by_path)
        # What a lost library needs is seen only when that one is found: look ahead.
        wanted |= new | {name for root in resolved for name in _far(root)}
    mend.report(bundle, mended)
    gone = _Gone.of(excluded)
    for loss in lost:
        present = _present(loss, located)
        if present is not None:
            _tell_present(loss, present)
        else:
            _judge(loss, gone, host)
    _check_versions(resolved)
    return mended


def _located(bundle: Bundle, roots: Iterable[Root]) -> Iterator[tuple[BundlePath, Root]]:
    """Find the objects in the bundle: one of them may lie at several paths."""
    by_identity = {root.elf.identity: root for root in roots}
    for path, item in bundle:
        if isinstance(item.entry, File) and item.entry.content is None:
            root = by_identity.get(item.entry.identity)
            if root is not None:
                yield path, root


def _far(root: Root) -> Iterator[str]:
    """Name what is found by a rule that a container does not have, in no default directory."""
    defaults = root.loader.directories if root.loader is not None else ()
    for library in root.closure.libraries:
        if library.place.how in (How.CACHE, How.LIBRARY_PATH, How.DLOPEN) and (
            mend.directory(library.path) not in defaults
        ):
            yield library.name


def _lost(
    bundle: Bundle, located: Iterable[tuple[BundlePath, Root]], host: Host
) -> Iterator[Lost]:
    view = BundleView(bundle, host)
    for path, root in located:
        yield from _differences(path, root, _found(path, root, view))


def _lost_without_proc(
    bundle: Bundle, located: Iterable[tuple[BundlePath, Root]], host: Host
) -> Iterator[Lost]:
    """Find what a cache must tell a program that cannot tell where it lies.

    Without /proc, as in a plain chroot, a loader does not know ``$ORIGIN`` of the program.
    """
    view = BundleView(bundle, host)
    for path, root in located:
        if root.elf.runs and "ORIGIN" in f"{root.elf.rpath}{root.elf.runpath}":
            yield from _differences(path, root, _found("", root, view))


def _found(origin: str, root: Root, view: BundleView) -> Closure:
    if root.loader is None:
        return Closure()
    loader = _inside(root.loader, view.bundle, root.elf)
    return closure(root.elf, origin, loader, view, Environment())


def _inside(loader: Loader, bundle: Bundle, elf: Elf) -> Loader:
    """Describe the loader as it runs in the bundle."""
    if loader.flavour is Flavour.MUSL:
        listed = _content(bundle, mend.musl_path(loader))
        return loader._replace(
            directories=MUSL_DIRECTORIES if listed is None else musl_directories(listed)
        )
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
        with open(item.entry.source, "rb") as file:
            return file.read()
    except OSError as e:
        raise IoError.of(e, item.entry.source) from e


def _differences(path: str, root: Root, found: Closure) -> Iterator[Lost]:
    for failure in found.failures:
        yield Lost(root, path, failure.name, _reason(failure), _is_relative(failure.name))
    yield from _changed(path, root, root.closure.libraries, found.libraries)
    older = (root.closure.baseline, found.baseline)
    for loss in _changed(path, root, *older):
        yield loss._replace(reason=f"{loss.reason}, on a processor without hwcaps", starts=True)


def _changed(
    path: str, root: Root, host: Iterable[Library], bundle: Iterable[Library]
) -> Iterator[Lost]:
    """Compare what is found by each name; of several the first counts, as for the loader."""
    here = {library.name: library for library in reversed(tuple(host))}
    there = {library.name: library for library in reversed(tuple(bundle))}
    for name, library in sorted(here.items()):
        if name not in there:
            if library.optional:
                yield Lost(root, path, name, "it is loaded later, by dlopen", starts=True)
        elif library.elf.identity != there[name].elf.identity:
            reason = f"{there[name].path} is found instead of {library.path}"
            # It starts; what then fails in that library's own search is told besides.
            yield Lost(root, path, name, reason, starts=True)


def _reason(failure: LookupFailed | LookupRefused) -> str:
    if isinstance(failure, LookupRefused):
        return f"{failure.path}: {failure.reason}"
    return f"looked in {', '.join(failure.places) or 'no directory'}"


def _is_relative(name: str) -> bool:
    """Tell whether it depends on the working directory, which only the image's author knows."""
    return "/" in name and not name.startswith("/")


class _Gone(NamedTuple):
    """What was excluded, by path and by file."""

    paths: frozenset[str]
    files: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, excluded: Bundle) -> _Gone:
        files = (item.entry.identity for _, item in excluded if isinstance(item.entry, File))
        return cls(frozenset(path for path, _ in excluded), frozenset(files))

    def explains(self, loss: Lost, host: Host) -> bool:
        """Tell whether it is missing because it was excluded: itself, or a link to it."""
        libraries = (*loss.root.closure.libraries, *loss.root.closure.baseline)
        named = [library for library in libraries if library.name == loss.name]
        identities = {library.elf.identity for library in named}
        places = {host.place(library.path) for library in named}
        if loss.root.loader is not None and loss.name == loss.root.loader.interpreter:
            places.add(host.place(loss.name))
            loader = host.elf(loss.name)
            identities |= {loader.identity} if loader is not None else set()
        return not (self.paths.isdisjoint(places) and self.files.isdisjoint(identities))


def _present(loss: Lost, located: Iterable[tuple[BundlePath, Root]]) -> BundlePath | None:
    """Find a library that is in the bundle, but not where the loader looks by itself."""
    if loss.starts:
        return None
    for path, root in located:
        # LD_LIBRARY_PATH goes by the name of the file, and what is loaded already by its soname.
        named = loss.root.elf.runs and path.rpartition("/")[2] == loss.name
        if named or root.elf.soname == loss.name:
            return path
    return None


def _tell_present(loss: Lost, path: str) -> None:
    """Say when it is found all the same.

    The program may have loaded it before, as Java does with libjvm.so; a script that starts the
    program may set LD_LIBRARY_PATH.
    """
    level = logging.WARNING if loss.root.elf.runs else logging.INFO
    by = "unless LD_LIBRARY_PATH has" if loss.root.elf.runs else "unless its program has loaded"
    log.log(level, "%s will not find %s, %s %s", loss.path, loss.name, by, path)


def _judge(loss: Lost, gone: _Gone, host: Host) -> None:
    """Raise where a program would not start, unless that was asked for."""
    if gone.explains(loss, host):
        log.warning("%s will not find %s: it is excluded", loss.path, loss.name)
    elif loss.root.elf.runs and not loss.starts:
        raise WillNotStart(loss.path, loss.name, loss.reason)
    else:
        log.warning("%s will not find %s in the bundle: %s", loss.path, loss.name, loss.reason)


def _check_versions(roots: Iterable[Root]) -> None:
    """Warn of symbol versions that are asked for and not there; the loader stops at them."""
    missing = {text: None for root in roots for text in _versions_missing(root)}
    for text in missing:
        log.warning("%s", text)


def _versions_missing(root: Root) -> Iterator[str]:
    libraries = root.closure.libraries
    by_name = {name: lib.elf for lib in libraries for name in (lib.name, lib.elf.soname) if name}
    for elf in (root.elf, *(library.elf for library in libraries)):
        for name, versions in elf.versions.needed:
            provider = by_name.get(name)
            # One that defines none at all is accepted as it is.
            if provider is None or not provider.versions.defined:
                continue
            for version in versions:
                if version not in provider.versions.defined:
                    yield (
                        f"{elf.path} needs version {version} of {name}, "
                        f"which {provider.path} does not define"
                    )


def warn_of_excluded(excluded: Bundle) -> None:
    """Tell which of the excluded entries something needs."""
    for path, item in excluded:
        needs = [o for o in item.origins if o.why in (Why.NEEDED, Why.INTERPRETER)]
        if needs:
            log.warning("%s is excluded: %s", path, needs[0])

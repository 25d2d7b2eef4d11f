"""Turn the loader and the libraries of an executable into entries of the bundle."""

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from magicpak.elf import DlopenNote, Elf
from magicpak.host import Host
from magicpak.loader.closure import closure
from magicpak.loader.errors import LookupFailed, LookupRefused, together
from magicpak.loader.finder import Known
from magicpak.loader.identify import PRELOAD, Identified
from magicpak.loader.library import Closure
from magicpak.loader.loaded_later import GUESSED
from magicpak.loader.search import Environment, Loader
from magicpak.plan import Origin, Placed, Why

log = logging.getLogger(__name__)


class Root(NamedTuple):
    """An object from which a loader starts, with its closure."""

    path: str
    elf: Elf
    loader: Loader | None = None
    """None if the object needs no loader, or none is found for it."""
    closure: Closure = Closure()

    @property
    def has_loader(self) -> bool:
        """Whether its loader is here."""
        missing = {failure.name for failure in self.closure.failures}
        return self.loader is not None and self.loader.interpreter not in missing


class Resolver:
    """Finds the closures of a run, each object once."""

    def __init__(self, host: Host, loaders: Identified, environment: Environment) -> None:
        """Know no object yet."""
        self.host, self.loaders, self.environment = host, loaders, environment
        self.roots: dict[tuple[int, int], Root] = {}
        """By the identity of the object."""
        self.known: defaultdict[str, Known] = defaultdict(dict)
        """What each loader has found since files may last have changed."""

    def root(self, path: str, elf: Elf) -> Root:
        """Resolve an object."""
        if elf.identity not in self.roots:
            self.roots[elf.identity] = self._resolve(path, elf)
        return self.roots[elf.identity]

    def _resolve(self, path: str, elf: Elf, most: int = logging.CRITICAL) -> Root:
        """Find the closure, and log its notices, at a level of ``most`` at most."""
        interpreter = self.loaders.governing(elf) if elf.interpreter or elf.needed else None
        if interpreter is None:
            return Root(path, elf)
        loader, ask = self.loaders.loader(interpreter, elf)
        # $ORIGIN of a program comes from its real path (/proc/self/exe), and $ORIGIN of a library
        # from the path by which it was found.
        found_by = os.path.join(self.environment.directory, path)
        place = self.host.real(path) if elf.runs else found_by
        known = self.known[interpreter]
        found = closure(elf, place, loader, self.host, self.environment, ask=ask, known=known)
        root = Root(path, elf, loader, found)
        for level, text in found.notices:
            # The missing loader is reported once; without it, nothing else matters.
            log.log(min(level, most) if root.has_loader else logging.INFO, "%s", text)
        return root

    def entries(self, root: Root) -> Iterator[Placed]:
        """Yield the entries of the loader and the libraries of an object."""
        if root.loader is None:
            return
        interpreter = root.loader.interpreter
        origin = Origin(Why.INTERPRETER, root.path)
        if root.has_loader:
            yield from self.host.entries(interpreter, self.host.place(interpreter), origin)
        if root.loader.preload:
            yield from self.host.entries(PRELOAD, self.host.place(PRELOAD), origin)
        for library in (*root.closure.libraries, *root.closure.baseline):
            log.debug("%s => %s (%s)", library.name, library.path, library.place)
            origin = Origin(Why.NEEDED, library.needed_by)
            yield from self.host.entries(library.path, self.host.place(library.path), origin)

    def loaded_by_name(self, path: str, elf: Elf, names: Iterable[str]) -> Iterator[Placed]:
        """Yield the entries of the libraries that an object may load by dlopen(3), where here."""
        self.known.clear()
        notes = tuple(DlopenNote((name,), "", GUESSED) for name in names)
        # The notices of the object itself are logged already.
        root = self._resolve(path, elf._replace(dlopens=elf.dlopens + notes), logging.INFO)
        self.roots[elf.identity] = root
        yield from self.entries(root)

    def among(
        self, paths: Iterable[tuple[str, Elf]], *, must_start: bool = False
    ) -> Iterator[Placed]:
        """Yield the entries of the loaders and the libraries of several objects.

        With ``must_start``, raises LookupFailed or LookupRefused for programs that do not start.
        The replay checks other objects: they may be excluded, or run in another environment.
        """
        self.known.clear()
        roots = [self.root(path, elf) for path, elf in paths]
        if must_start:
            _refuse([each for root in roots if root.elf.runs for each in root.closure.failures])
        for root in roots:
            yield from self.entries(root)


def _refuse(failures: Iterable[LookupFailed | LookupRefused]) -> None:
    """Raise the failures of one kind as one error, if there are any."""
    missing = [each for each in failures if isinstance(each, LookupFailed)]
    refused = [each for each in failures if isinstance(each, LookupRefused)]
    if missing:
        raise together(missing)
    if refused:
        raise together(refused)

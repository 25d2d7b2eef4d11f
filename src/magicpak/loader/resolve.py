"""What an executable brings into the bundle: its loader and libraries, as entries."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from magicpak.elf import Elf
from magicpak.host import Host
from magicpak.loader.closure import closure
from magicpak.loader.identify import PRELOAD, Identified
from magicpak.loader.library import Closure
from magicpak.loader.search import Environment, Loader
from magicpak.plan import Origin, Placed, Why

log = logging.getLogger(__name__)


class Root(NamedTuple):
    """An object that a loader loads first, with all that it loads for it."""

    path: str
    elf: Elf
    loader: Loader | None = None
    """None where nothing has to be loaded."""
    closure: Closure = Closure()


@dataclass(slots=True)
class Resolver:
    """Finds the closures of a run, each object once."""

    host: Host
    loaders: Identified
    environment: Environment
    roots: dict[tuple[int, int], Root] = field(default_factory=dict)

    def root(self, path: str, elf: Elf) -> Root:
        """Resolve an object."""
        if elf.identity not in self.roots:
            self.roots[elf.identity] = self._resolve(path, elf)
        return self.roots[elf.identity]

    def _resolve(self, path: str, elf: Elf) -> Root:
        interpreter = self.loaders.governing(elf) if elf.interpreter or elf.needed else None
        if interpreter is None:
            if elf.needed:
                log.warning("%s: no loader for it is here: its libraries are not bundled", path)
            return Root(path, elf)
        loader, ask = self.loaders.loader(interpreter, elf)
        # $ORIGIN of a program is where the file is, as /proc/self/exe has it; a library's is where
        # it was found.
        found_by = os.path.join(self.environment.directory, path)
        place = self.host.real(path) if elf.runs else found_by
        found = closure(elf, place, loader, self.host, self.environment, ask=ask)
        for level, text in found.notices:
            log.log(level, "%s", text)
        return Root(path, elf, loader, found)

    def entries(self, root: Root) -> Iterator[Placed]:
        """Give the entries of the loader and the libraries of an object."""
        if root.loader is None:
            return
        interpreter = root.loader.interpreter
        origin = Origin(Why.INTERPRETER, root.path)
        yield from self.host.entries(interpreter, self.host.place(interpreter), origin)
        if root.loader.preload:
            yield from self.host.entries(PRELOAD, self.host.place(PRELOAD), origin)
        for library in (*root.closure.libraries, *root.closure.baseline):
            log.info("%s => %s (%s)", library.name, library.path, library.place)
            origin = Origin(Why.NEEDED, library.needed_by)
            yield from self.host.entries(library.path, self.host.place(library.path), origin)

    def among(
        self, paths: Iterable[tuple[str, Elf]], *, must_start: bool = False
    ) -> Iterator[Placed]:
        """Give the entries that several objects bring.

        With ``must_start``, raises LookupFailed or LookupRefused for a program that does not start.
        Of others the replay judges: they may be excluded, or be started with another environment.
        """
        for path, elf in paths:
            root = self.root(path, elf)
            if must_start and elf.runs and root.closure.failures:
                raise root.closure.failures[0]
            yield from self.entries(root)

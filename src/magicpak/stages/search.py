"""What the ways to find run-time data share: the search of one run, and its steps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from magicpak.host import Host
from magicpak.plan import Bundle, Origin, Placed, Why
from magicpak.runtime import literal, ruled
from magicpak.runtime.asked import Asked
from magicpak.runtime.subject import Reader
from magicpak.stages.libraries import with_libraries
from magicpak.stages.run import Run

if TYPE_CHECKING:
    from magicpak.inventory import Inventory


class Step(NamedTuple):
    """One addition to the bundle, made once."""

    key: object
    take: Callable[[Bundle], Bundle]


class Search:
    """What the steps of one run share."""

    def __init__(self, run: Run, asked: Asked) -> None:
        """Read nothing yet."""
        self.run, self.asked, self.reader = run, asked, Reader(run.host)
        self.real = functools.cache(run.host.real)

    @property
    def inventory(self) -> Inventory:
        """The packages of the host."""
        return self.run.inventory()

    def wanted(self, name: str) -> bool:
        """Tell whether evidence for a kind or a rule is to be followed."""
        return self.asked.auto and name not in self.asked.without

    def step(self, key: object, entries: Callable[..., Iterable[Placed]], *about: Any) -> Step:
        """Return the step that adds what a function yields for this search and what it is about."""
        return Step(
            key, lambda bundle: with_libraries(self.run, list(entries(self, *about)), bundle)
        )


class Named(NamedTuple):
    """A path of the host that an object or a script names."""

    by: str
    path: str


def named(host: Host, by: str, texts: Iterable[str]) -> Iterator[Named]:
    """Yield the paths among texts that are here; some are below the prefix of the program."""
    for path in literal.paths(texts, ruled.prefix(by)):
        if host.status(path) is not None:
            yield Named(by, path)


def own(search: Search, paths: Iterable[Named], bundle: Bundle) -> Bundle:
    """Bring of the paths that are named what is of the own source package of who names it.

    What no package has belongs to an object that none has either.
    """
    host, placed = search.run.host, list[tuple[str, Placed]]()
    for by, path in paths:
        if bundle.resolve(path) is None:
            origin = Origin(Why.DATA, f"{by} names {path}")
            found = host.entries(path, host.place(path), origin, tree=True)
            placed += ((by, each) for each in found)
    if not placed:
        return bundle
    sources = search.inventory.sources({each.path for _, each in placed} | {by for by, _ in placed})
    theirs = [each for by, each in placed if sources.get(each.path) == sources.get(by)]
    return with_libraries(search.run, theirs, bundle)

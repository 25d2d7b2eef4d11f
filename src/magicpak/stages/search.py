"""What the ways to find run-time data share: the search of one run, and its steps."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from magicpak.plan import Bundle, Placed
from magicpak.runtime.asked import Asked
from magicpak.runtime.subject import Subject
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
        self.run, self.asked, self.reader = run, asked, run.reader
        self.real = functools.cache(run.host.real)
        self._looked_at: set[tuple[str, str, bool]] = set()

    @property
    def inventory(self) -> "Inventory":
        """The packages of the host."""
        return self.run.inventory()

    def wanted(self, name: str) -> bool:
        """Tell whether evidence for a kind or a rule is to be followed."""
        return self.asked.auto and name not in self.asked.without

    def new(self, objects: Iterable[Subject]) -> Iterator[Subject]:
        """Yield the objects that were not yielded before: what they name, they name for good."""
        for subject in objects:
            key = (subject.path, subject.program, subject.near)
            if key not in self._looked_at:
                self._looked_at.add(key)
                yield subject

    def step(self, key: object, entries: Callable[..., Iterable[Placed]], *about: Any) -> Step:
        """Return the step that adds what a function yields for this search and what it is about."""
        return Step(
            key, lambda bundle: with_libraries(self.run, list(entries(self, *about)), bundle)
        )

"""Arrange the entries of a bundle by why they are there: the tree of ``--explain``. Pure."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from magicpak.plan import Bundle, BundlePath, Directory, File, Item, Link, Origin, Why

BY_OBJECT = (Why.INTERPRETER, Why.NEEDED)
"""Reasons that are an object of the bundle, below which an entry is shown."""
TITLES = {Why.PARENT: "directories above these"}


class Lookups(NamedTuple):
    """What the loader's search has found; paths are those of the bundle."""

    places: Mapping[str, BundlePath]
    """Where host paths that are elsewhere in the bundle are."""
    rules: Mapping[BundlePath, str]
    """By which rule of the search a library was found."""
    needs: Mapping[BundlePath, Iterable[BundlePath]]
    """The libraries of an object."""
    missing: Mapping[BundlePath, Iterable[str]]
    """The names that were not found for an object."""
    excluded: Mapping[BundlePath, str]
    """The pattern that removed an entry."""


class Node(NamedTuple):
    """A line of the tree."""

    text: str
    note: str
    size: int
    """Bytes of its own."""
    children: tuple["Node", ...] = ()

    @property
    def total(self) -> int:
        """Bytes with all below."""
        return self.size + sum(child.total for child in self.children)


def tree(bundle: Bundle, lookups: Lookups) -> list[Node]:
    """Return the inputs, then the other reasons, each with what it brings."""
    return list(_Arrangement(bundle, lookups).nodes())


class _Arrangement:
    def __init__(self, bundle: Bundle, lookups: Lookups) -> None:
        self._lookups = lookups
        self._items: dict[BundlePath, Item] = {**dict(bundle), **dict(bundle.excluded)}
        self._shown: set[BundlePath] = set()
        self._led: dict[BundlePath, list[BundlePath]] = {}
        self._below: dict[BundlePath, list[BundlePath]] = {}
        self._others: dict[Origin, list[BundlePath]] = {}
        for path, item in sorted(self._items.items()):
            origin = item.origins[0]
            above = lookups.places.get(origin.of) or BundlePath(origin.of)
            if origin.why is Why.LINK and above in self._items:
                self._led.setdefault(above, []).append(path)
            elif origin.why in BY_OBJECT and above in self._items:
                self._below.setdefault(above, []).append(path)
            else:
                self._others.setdefault(origin, []).append(path)

    def nodes(self) -> Iterator[Node]:
        """Yield the top of the tree."""
        for origin in sorted(self._others, key=_rank):
            if origin.why is Why.INPUT:
                yield from self._each(self._others[origin])
        for origin in sorted(self._others, key=_rank):
            if origin.why is not Why.INPUT:
                title = TITLES.get(origin.why, str(origin))
                yield Node(title, "", 0, tuple(self._each(self._others[origin])))
        # Objects may need one another in a circle.
        for path in sorted(self._items):
            yield from self._each([path])

    def _each(self, paths: Iterable[BundlePath]) -> Iterator[Node]:
        return (self._node(path) for path in paths if path not in self._shown)

    def _node(self, path: BundlePath) -> Node:
        """Make the line of an entry, with what links lead to, and the lines below it."""
        chain = self._chain(path)
        self._shown.update(chain)
        below = [child for each in chain for child in self._below.get(each, ())]
        children = list(self._each(below))
        children += self._mentions(chain, below)
        return Node(self._text(chain), self._note(path, chain), self._size(chain), tuple(children))

    def _mentions(self, chain: list[BundlePath], below: list[BundlePath]) -> Iterator[Node]:
        """Make a line of the libraries that are shown elsewhere, and of those that are nowhere."""
        lookups = self._lookups
        needs = dict.fromkeys(need for each in chain for need in lookups.needs.get(each, ()))
        elsewhere = [need for need in needs if need in self._items and need not in below]
        if elsewhere:
            names = ", ".join(path.rpartition("/")[2] for path in elsewhere)
            yield Node(f"also {names}", "shown elsewhere", 0)
        for name in dict.fromkeys(name for each in chain for name in lookups.missing.get(each, ())):
            yield Node(name, "not found", 0)

    def _chain(self, path: BundlePath) -> list[BundlePath]:
        """List a link, and what is in the bundle because it leads there."""
        chain = [path]
        for each in chain:
            chain += [led for led in self._led.get(each, ()) if led not in chain]
        return chain

    def _text(self, chain: list[BundlePath]) -> str:
        last = self._items[chain[-1]].entry
        text = chain[0] + "".join(
            f" -> {led.rpartition('/')[2] if led.parent == before.parent else led}"
            for before, led in itertools.pairwise(chain)
        )
        if isinstance(last, Link):
            return f"{text} -> {last.text}"
        return f"{text}/" if isinstance(last, Directory) else text

    def _note(self, path: BundlePath, chain: list[BundlePath]) -> str:
        item, rule = self._items[path], self._lookups.rules.get(path)
        notes = []
        if item.origins[0].why in (Why.INPUT, Why.INTERPRETER):
            notes.append(item.origins[0].why.value.removesuffix(" of"))
        elif rule is not None:
            notes.append(rule)
        excluded = self._lookups.excluded
        notes += (f"excluded by {excluded[each]}" for each in chain if each in excluded)
        return ", ".join(notes)

    def _size(self, chain: list[BundlePath]) -> int:
        return sum(
            item.entry.size
            for path in chain
            if isinstance((item := self._items[path]).entry, File)
            and path not in self._lookups.excluded
        )


def _rank(origin: Origin) -> tuple[int, str]:
    return list(Why).index(origin.why), origin.of

"""The plan of a bundle: every file, link and directory in it, and why each is there. Pure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

from magicpak.plan.entry import (
    BelowFile,
    BundlePath,
    Directory,
    Entry,
    File,
    Item,
    Link,
    Origin,
    Placed,
    PlaceTaken,
    Why,
)

log = logging.getLogger(__name__)

LINKS_FOLLOWED = 40
"""As many as Linux follows (path_resolution(7))."""


class Bundle:
    """The plan. It does not change: every operation returns another one."""

    def __init__(
        self, items: Mapping[BundlePath, Item] | None = None, excluded: Bundle | None = None
    ) -> None:
        """Take entries by path, and those that were left out on request."""
        self._items: Mapping[BundlePath, Item] = items or {}
        self._excluded = excluded

    @property
    def excluded(self) -> Bundle:
        """What was planned and then left out: a later stage tells what that breaks."""
        return self._excluded or Bundle()

    @cached_property
    def totals(self) -> tuple[int, int]:
        """The number of files, and their size in bytes; one at several paths is stored once."""
        files = [item.entry for item in self._items.values() if isinstance(item.entry, File)]
        return len(files), sum({file.stored: file.size for file in files}.values())

    def _with(self, items: Mapping[BundlePath, Item]) -> Bundle:
        return Bundle(items, self._excluded)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[tuple[BundlePath, Item]]:
        """Go through the entries in the order of their paths, a directory before what it holds."""
        return iter(self._ordered)

    @cached_property
    def _ordered(self) -> list[tuple[BundlePath, Item]]:
        # A slash before any other character: component by component.
        return sorted(self._items.items(), key=lambda pair: pair[0].replace("/", "\0"))

    def get(self, path: BundlePath) -> Item | None:
        """Return what lies at exactly this path."""
        return self._items.get(path)

    @cached_property
    def directories(self) -> frozenset[BundlePath]:
        """All directories, those that only hold others too, the root left out."""
        found: set[BundlePath] = set()
        for path, item in self._items.items():
            if isinstance(item.entry, Directory):
                found.add(path)
            for parent in path.parents():
                if parent in found:
                    break
                found.add(parent)
        return frozenset(found)

    def add(self, placed: Iterable[Placed]) -> Bundle:
        """Add entries. Where two differ the first one stays, with a warning.

        Raises PlaceTaken when an input and another one or what it needs are at the same path.
        """
        items = dict(self._items)
        alone: dict[Origin, tuple[Origin]] = {}
        for path, entry, origin in placed:
            if path == "/":
                continue
            known = items.get(path)
            if known is None:
                items[path] = Item(entry, alone.setdefault(origin, (origin,)))
                continue
            if _differ(known.entry, entry):
                _report(path, known, entry, origin)
            origins = known.origins if origin in known.origins else (*known.origins, origin)
            items[path] = Item(known.entry, origins)
        # What is known of this plan is known of an equal one.
        return self if items == self._items else self._with(items)

    def change(self, change: Callable[[BundlePath, Entry], Entry]) -> Bundle:
        """Replace entries by what ``change`` makes of them."""
        items = self._items.items()
        return self._with({path: Item(change(path, entry), why) for path, (entry, why) in items})

    def without(self, excluded: Callable[[str], bool]) -> Bundle:
        """Leave out what is excluded; ``excluded`` then has it.

        With a link goes what only this link brought in, and with an included directory what lies
        in it. Raises BelowFile where what stays cannot lie as it is planned.
        """
        gone = {path for path in self._items if excluded(path)}
        if not gone:
            self.refuse_below_files()
            return self
        trees = {
            path
            for path in gone
            if isinstance(self._items[path].entry, Directory)
            and self._items[path].because(Why.INCLUDED)
        }
        if trees:
            gone |= {path for path in self._items if not trees.isdisjoint(path.parents())}
        grown = True
        while grown:
            orphans = {
                path
                for path, item in self._items.items()
                if path not in gone
                and all(origin.why is Why.LINK and origin.of in gone for origin in item.origins)
            }
            gone |= orphans
            grown = bool(orphans)
        kept = {path: item for path, item in self._items.items() if path not in gone}
        stays = Bundle(kept, excluded=Bundle({path: self._items[path] for path in gone}))
        stays.refuse_below_files()
        return stays

    def settled(self) -> Bundle:
        """Move what would lie below a link to where the link leads, as the file system does."""
        links = {path for path, item in self._items.items() if isinstance(item.entry, Link)}
        if links.isdisjoint(self.directories):
            return self
        below = [path for path in self._items if not links.isdisjoint(path.parents())]
        lower = set(below)
        settled = self._with({path: self._items[path] for path in self._items if path not in lower})
        moved = []
        for path in sorted(below):
            place = self.resolve(path.parent, final=True)
            if place is None:
                log.warning("%s is left out: a link on its way leads nowhere", path)
                continue
            item = self._items[path]
            name = path.rpartition("/")[2]
            moved += [
                Placed(place.child(name), item.entry, origin) for origin in item.origins
            ]
        return settled.add(moved).settled()

    def resolve(self, path: str, *, final: bool = False) -> BundlePath | None:
        """Follow the links of the bundle, as path_resolution(7) tells.

        Returns None where the bundle has nothing, unless ``final``: then a missing end is taken to
        be made.
        """
        current = BundlePath("/")
        names = path.split("/")[::-1]
        followed = 0
        while names:
            name = names.pop()
            if name in ("", "."):
                continue
            if name == "..":
                current = current.parent
                continue
            following = current.child(name)
            item = self._items.get(following)
            if item is not None and isinstance(item.entry, Link):
                followed += 1
                if followed > LINKS_FOLLOWED:
                    return None
                if item.entry.text.startswith("/"):
                    current = BundlePath("/")
                names += item.entry.text.split("/")[::-1]
                continue
            is_file = item is not None and isinstance(item.entry, File)
            if (is_file and names) or not (is_file or final or following in self.directories):
                return None
            current = following
        return current

    def scaffold(self) -> list[BundlePath]:
        """List the directories that have no entry, but hold some or lie on the way of a link."""
        needed = {path for path in self.directories if path not in self._items}
        for path, item in self._items.items():
            if isinstance(item.entry, Link):
                for passed in self._passed(path, item.entry.text):
                    ways = (passed, *passed.parents())
                    needed.update(way for way in ways if way not in self._items)
        return sorted(needed)

    def _passed(self, path: BundlePath, text: str) -> Iterator[BundlePath]:
        """Give the directories that a link enters only to leave them by ``..``."""
        names = (text if text.startswith("/") else f"{path.parent}/{text}").split("/")
        for index, name in enumerate(names):
            if name == "..":
                place = self.resolve("/".join(names[:index]), final=True)
                if place is not None and place != "/":
                    yield place

    def timed(self, latest: int | None = None) -> Bundle:
        """Set the times: none after ``latest``, and a directory's that of its newest entry.

        The time of a directory of the host is not kept where it only holds others: /tmp changes
        with every run.
        """
        newest: dict[BundlePath, int] = {}
        timed: dict[BundlePath, Item] = {}
        for path, item in reversed(self._ordered):
            time = item.entry.meta.mtime
            if isinstance(item.entry, Directory) and not item.entry.dated:
                time = newest.get(path, 0)
            if latest is not None:
                time = min(time, latest)
            newest[path.parent] = max(time, newest.get(path.parent, 0))
            timed[path] = item if time == item.entry.meta.mtime else item.dated(time)
        return self._with(timed)

    def refuse_below_files(self) -> None:
        """Raise BelowFile where something would lie below a file."""
        files = {path for path, item in self._items.items() if isinstance(item.entry, File)}
        if files.isdisjoint(self.directories):
            return
        for path, item in self._items.items():
            above = next((parent for parent in path.parents() if parent in files), None)
            if above is not None:
                raise BelowFile(path, item.origins[0], above, self._items[above].origins[0])


def _differ(known: Entry, entry: Entry) -> bool:
    if isinstance(known, File) and isinstance(entry, File):
        return (known.identity, known.content) != (entry.identity, entry.content)
    if isinstance(known, Link) and isinstance(entry, Link):
        return known.text != entry.text
    return type(known) is not type(entry)


def _report(path: BundlePath, known: Item, entry: Entry, origin: Origin) -> None:
    first = next((o for o in known.origins if o.why is Why.INPUT), None)
    if first is not None and origin.why in (Why.INPUT, Why.INTERPRETER, Why.NEEDED):
        raise PlaceTaken(path, first, origin)
    kind = {File: "the file", Link: "the link", Directory: "the directory"}[type(entry)]
    log.warning("%s: %s (%s) gives way (%s)", path, kind, origin, known.origins[0])

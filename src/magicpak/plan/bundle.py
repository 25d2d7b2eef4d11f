"""The plan of a bundle: every file, link and directory in it, and why each is there. Pure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
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
"""The limit of Linux (path_resolution(7))."""


class Bundle:
    """The plan of a bundle. It is immutable: each operation returns a new one."""

    def __init__(
        self, items: Mapping[BundlePath, Item] | None = None, excluded: Bundle | None = None
    ) -> None:
        """Take the entries by path, and the excluded entries."""
        self._items: Mapping[BundlePath, Item] = items or {}
        self._excluded = excluded

    @property
    def excluded(self) -> Bundle:
        """The entries that ``--exclude`` removed; a later stage reports what that breaks."""
        return self._excluded or Bundle()

    @cached_property
    def totals(self) -> tuple[int, int]:
        """The number of files, and their size in bytes, to which hard links do not add."""
        files = [item.entry for item in self._items.values() if isinstance(item.entry, File)]
        return len(files), sum({file.stored: file.size for file in files}.values())

    def _with(self, items: Mapping[BundlePath, Item]) -> Bundle:
        return Bundle(items, self._excluded)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[tuple[BundlePath, Item]]:
        """Yield the entries sorted by path, a directory before its content."""
        return ((path, self._items[path]) for path in self._ordered)

    @cached_property
    def _ordered(self) -> list[BundlePath]:
        # Compare component by component: a slash sorts before any other character.
        return sorted(self._items, key=lambda path: path.replace("/", "\0"))

    def get(self, path: BundlePath) -> Item | None:
        """Return the entry at exactly this path."""
        return self._items.get(path)

    @cached_property
    def directories(self) -> frozenset[BundlePath]:
        """All directories except the root, including parents that have no entry."""
        found: set[BundlePath] = set()
        for path, item in self._items.items():
            if isinstance(item.entry, Directory):
                found.add(path)
            if path.rpartition("/")[0] in found:
                continue  # as for all but the first of a directory
            for parent in path.parents():
                if parent in found:
                    break
                found.add(parent)
        return frozenset(found)

    def add(self, placed: Iterable[Placed]) -> Bundle:
        """Add entries. Of two that differ at one path, keep the first one, with a warning.

        Raises PlaceTaken if an input has the path of another input or of a needed file.
        """
        items = dict(self._items)
        single: dict[Origin, tuple[Origin]] = {}
        # Collected, not added one by one: thousands of links may lead to one file.
        reasons: dict[BundlePath, dict[Origin, None]] = {}
        for path, entry, origin in placed:
            if path == "/":
                continue
            known = items.get(path)
            if known is None:
                items[path] = Item(entry, single.setdefault(origin, (origin,)))
                continue
            if _differ(known.entry, entry):
                _report(path, known, entry, origin)
            reasons.setdefault(path, dict.fromkeys(known.origins))[origin] = None
        for path, origins in reasons.items():
            items[path] = Item(items[path].entry, tuple(origins))
        # An equal plan keeps its cached properties.
        return self if items == self._items else self._with(items)

    def change(self, change: Callable[[BundlePath, Entry], Entry]) -> Bundle:
        """Replace each entry with the result of ``change``."""
        items = self._items.items()
        return self._with({path: Item(change(path, entry), why) for path, (entry, why) in items})

    def without(self, excluded: Callable[[str], bool]) -> Bundle:
        """Remove the excluded entries; ``Bundle.excluded`` then has them.

        The targets that only a removed link brought in, and the content of a removed directory of
        ``--include``, are removed too. Raises BelowFile if a remaining entry is below a file.
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
        gone |= self._brought_by(gone)
        kept = {path: item for path, item in self._items.items() if path not in gone}
        rest = Bundle(kept, excluded=Bundle({path: self._items[path] for path in gone}))
        rest.refuse_below_files()
        return rest

    def _brought_by(self, gone: Set[BundlePath]) -> set[BundlePath]:
        """Find the entries that only links among the removed ones brought in, at any remove."""
        brought: dict[str, list[BundlePath]] = {}
        links_left: dict[BundlePath, int] = {}
        for path, item in self._items.items():
            if path not in gone and all(origin.why is Why.LINK for origin in item.origins):
                links_left[path] = len(item.origins)
                for origin in item.origins:
                    brought.setdefault(origin.of, []).append(path)
        found: set[BundlePath] = set()
        pending = list(gone)
        while pending:
            for path in brought.get(pending.pop(), ()):
                links_left[path] -= 1
                if not links_left[path]:
                    found.add(path)
                    pending.append(path)
        return found

    def settled(self) -> Bundle:
        """Move the entries below a link to the link's target, as the file system does."""
        links = {path for path, item in self._items.items() if isinstance(item.entry, Link)}
        if links.isdisjoint(self.directories):
            return self
        below = [path for path in self._items if not links.isdisjoint(path.parents())]
        lower = set(below)
        rest = {path: self._items[path] for path in self._items if path not in lower}
        moved = []
        for path in sorted(below):
            place = self.resolve(path.parent, final=True)
            if place is None:
                log.warning("%s is left out: a link in its path cannot be resolved", path)
                continue
            item = self._items[path]
            name = path.rpartition("/")[2]
            moved += [
                Placed(place.child(name), item.entry, origin) for origin in item.origins
            ]
        # What else is at the new path of an input gives way to that.
        inputs = [each for each in moved if each.origin.why is Why.INPUT]
        taken = {each.path: rest.pop(each.path) for each in inputs if each.path in rest}
        others = [
            Placed(path, item.entry, origin)
            for path, item in taken.items()
            for origin in item.origins
        ]
        return self._with(rest).add([*inputs, *others, *moved]).settled()

    def resolve(self, path: str, *, final: bool = False) -> BundlePath | None:
        """Resolve a path inside the bundle, as path_resolution(7) describes.

        Returns None where the bundle has no such entry. With ``final``, missing components count
        as directories.
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
        """List the directories without an entry that hold entries or are on a link's path."""
        needed = {path for path in self.directories if path not in self._items}
        for path, item in self._items.items():
            if isinstance(item.entry, Link):
                for passed in self._passed(path, item.entry.text):
                    ways = (passed, *passed.parents())
                    needed.update(way for way in ways if way not in self._items)
        return sorted(needed)

    def _passed(self, path: BundlePath, text: str) -> Iterator[BundlePath]:
        """Yield the directories in a link's text that ``..`` follows."""
        names = (text if text.startswith("/") else f"{path.parent}/{text}").split("/")
        for index, name in enumerate(names):
            if name == "..":
                place = self.resolve("/".join(names[:index]), final=True)
                if place is not None and place != "/":
                    yield place

    def timed(self, latest: int | None = None) -> Bundle:
        """Set the times, at most ``latest``; a directory gets the time of its newest entry.

        Only a ``dated`` directory keeps the host's time: that of /tmp changes with every run.
        """
        newest: dict[str, int] = {}
        timed: dict[BundlePath, Item] = {}
        for path in reversed(self._ordered):
            item = self._items[path]
            time = item.entry.meta.mtime
            if isinstance(item.entry, Directory) and not item.entry.dated:
                time = newest.get(path, 0)
            if latest is not None:
                time = min(time, latest)
            parent = path.rpartition("/")[0] or "/"
            newest[parent] = max(time, newest.get(parent, 0))
            timed[path] = item if time == item.entry.meta.mtime else item.dated(time)
        return self._with(timed)

    def refuse_below_files(self) -> None:
        """Raise BelowFile if an entry is below a file."""
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
    other = known.origins[0]
    log.warning("%s: %s (%s) is ignored: the path is taken (%s)", path, kind, origin, other)

"""Add the files that patterns match, and the libraries they need: ``--include``."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Iterable, Iterator

from magicpak.errors import EMPTY
from magicpak.host import globbing
from magicpak.plan import Bundle, BundlePath, Origin, Placed, Why
from magicpak.plan.patterns import Matcher
from magicpak.stages.libraries import with_libraries
from magicpak.stages.run import Run

log = logging.getLogger(__name__)


def include(run: Run, bundle: Bundle) -> Bundle:
    """Add the matches of each pattern. Raises IoError."""
    return with_libraries(run, _placed(run), bundle)


def _placed(run: Run) -> Iterator[Placed]:
    known: dict[str, list[Placed]] = {}
    for pattern in run.includes:
        matches = globbing.matches(run.host, pattern)
        run.notes.append(f"{pattern.text} matches {len(matches)}")
        if not matches:
            log.warning("--include %s matches nothing", pattern.text or EMPTY)
        yield from _matched(run, Origin(Why.INCLUDED, pattern.text), matches, known)


def _matched(
    run: Run, origin: Origin, matches: Iterable[str], known: dict[str, list[Placed]]
) -> Iterator[Placed]:
    """Yield the entries of matches, with all below directories; ``known`` keeps those found.

    Several patterns may match one file, and one pattern a directory and what is in it.
    """
    reached: set[BundlePath] = set()
    for path in matches:
        place = run.host.place(path)
        if place in reached:
            continue
        entries = known.get(path) or run.host.entries(path, place, origin, tree=True)
        if len(run.includes) > 1:
            entries = known[path] = list(entries)
        for found in entries:
            if found.origin.why is not Why.INCLUDED:
                yield found  # what a link leads to
                continue
            if found.path != place:
                reached.add(found.path)
            new = found.origin is origin
            yield found if new else Placed(found.path, found.entry, origin)


def matched(run: Run) -> Matcher:
    """Return what tells of a path of this machine whether a pattern brings it.

    A pattern that brings a part of a directory brings the directory.
    """

    @functools.cache
    def brought() -> frozenset[str]:
        paths = (path for pattern in run.includes for path in globbing.matches(run.host, pattern))
        return frozenset(map(run.host.real, paths))

    def included(path: str) -> bool:
        real = run.host.real(path)
        ways = itertools.accumulate(real.split("/"), "{}/{}".format)
        above = any((way or "/") in brought() for way in ways)
        return above or any(each.startswith(f"{real}/") for each in brought())

    return included

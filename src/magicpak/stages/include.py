"""Add the files that patterns match, and the libraries they need: ``--include``."""

from __future__ import annotations

import functools
import itertools
import logging

from magicpak.errors import EMPTY
from magicpak.host import globbing
from magicpak.plan import Bundle, Origin, Why
from magicpak.plan.patterns import Matcher
from magicpak.stages.libraries import with_libraries
from magicpak.stages.run import Run

log = logging.getLogger(__name__)


def include(run: Run, bundle: Bundle) -> Bundle:
    """Add the matches of each pattern. Raises IoError."""
    for pattern in run.includes:
        matches = globbing.matches(run.host, pattern)
        log.info("include %s: %d matches", pattern.text, len(matches))
        if not matches:
            log.warning("--include %s matches nothing", pattern.text or EMPTY)
        origin = Origin(Why.INCLUDED, pattern.text)
        placed = [
            found
            for path in matches
            for found in run.host.entries(path, run.host.place(path), origin, tree=True)
        ]
        bundle = with_libraries(run, placed, bundle)
    return bundle


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

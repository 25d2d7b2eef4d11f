"""Remove the entries that patterns match: ``--exclude``."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from magicpak.errors import EMPTY
from magicpak.loader import mend
from magicpak.plan import Bundle, patterns
from magicpak.stages.run import Run

log = logging.getLogger(__name__)

ANY = "\0"
"""A name that no file has: what matches it in a directory matches whatever lies there."""


def exclude(run: Run, bundle: Bundle) -> Bundle:
    """Remove the matches, and keep them in ``Bundle.excluded``.

    Raises BelowFile; IoError for a directory that could not be read, and stays.
    """
    gone: set[str] = set()
    idle: list[patterns.Exclude] = []
    paths = [path for path, _ in bundle] if run.excludes else []
    for pattern in run.excludes:
        part = pattern.part
        matched = [path for path in paths if part in path and pattern.matches(path)]
        run.notes.append(f"{pattern.text} matches {len(matched)}")
        if not matched:
            idle.append(pattern)
        gone.update(matched)
    if run.asked is None or not run.asked.package_db:
        tell_idle(run, idle)
    kept = bundle.without(gone.__contains__)
    for path, error in run.host.unread.items():
        place = kept.resolve(path)
        if place and not any(matches(f"{place}/{ANY}") for matches in run.excludes):
            raise error
    return kept


def tell_idle(
    run: Run, excludes: Iterable[patterns.Exclude], gone: Collection[str] = ()
) -> None:
    """Warn of patterns that match nothing: none of these paths, nor what a later stage may add."""
    later = (*(f"{path}/{ANY}" for path in run.host.unread), mend.CACHE, mend.CONFIGURATION)
    for pattern in excludes:
        if not any(pattern(path) for path in (*gone, *later)):
            log.warning("--exclude %s matches nothing", pattern.text or EMPTY)

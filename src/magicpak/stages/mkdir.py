"""Make directories: ``--mkdir``."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from magicpak.plan import Bundle, BundlePath, Origin, Placed, Why
from magicpak.stages.run import Run

log = logging.getLogger(__name__)


def make(run: Run, bundle: Bundle) -> Bundle:
    """Add the directories. One that exists on the host has its mode and owner."""
    return bundle.add(_directories(run))


def _directories(run: Run) -> Iterator[Placed]:
    for path in run.options.mkdir:
        place = BundlePath(path)
        log.debug("make the directory %s", place)
        yield Placed(place, run.host.directory(place), Origin(Why.MKDIR))

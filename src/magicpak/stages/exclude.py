"""Remove the entries that patterns match: ``--exclude``."""

from __future__ import annotations

import logging

from magicpak.plan import Bundle
from magicpak.stages.run import Run

log = logging.getLogger(__name__)


def exclude(run: Run, bundle: Bundle) -> Bundle:
    """Remove the matches, and keep them in ``Bundle.excluded``. Raises BelowFile."""
    if log.isEnabledFor(logging.INFO):
        for text, matches in zip(run.options.exclude, run.excludes, strict=True):
            log.info("exclude %s: %d matches", text, sum(matches(path) for path, _ in bundle))
    return bundle.without(lambda path: any(matches(path) for matches in run.excludes))

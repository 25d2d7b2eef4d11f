"""Replay the loader inside the bundle, and add the configuration that it needs there."""

from __future__ import annotations

import logging

from magicpak.loader import judge, replay
from magicpak.loader.mend import CACHE
from magicpak.plan import Bundle
from magicpak.stages.run import Run

log = logging.getLogger(__name__)


def mend(run: Run, bundle: Bundle) -> Bundle:
    """Add the loader's configuration where the replay needs one. Raises WillNotStart."""
    log.debug("replay the loader in the bundle")
    judge.warn_of_excluded(bundle.excluded)

    def excluded(path: str) -> bool:
        return any(matches(path) for matches in run.excludes)

    # What is copied onto an image that has programs must not hide their cache.
    by_links = run.options.merged_usr or excluded(CACHE)
    roots = run.resolver.roots.values()
    return replay.replay(bundle, roots, run.host, by_links=by_links, excluded=excluded)

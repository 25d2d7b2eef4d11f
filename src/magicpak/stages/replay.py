"""Replay the loader inside the bundle, and add the configuration that it needs there."""

from __future__ import annotations

import logging

from magicpak.loader import judge, replay
from magicpak.plan import Bundle
from magicpak.stages.run import Run

log = logging.getLogger(__name__)


def mend(run: Run, bundle: Bundle) -> Bundle:
    """Add the loader's configuration where the replay needs one. Raises WillNotStart."""
    log.info("replay the loader in the bundle")
    judge.warn_of_excluded(bundle.excluded)
    return replay.replay(bundle, run.resolver.roots.values(), run.host)

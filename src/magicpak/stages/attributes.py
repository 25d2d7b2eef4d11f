"""Give every entry the directories in which it lies, and the times that a build can repeat."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from magicpak.plan import Bundle
from magicpak.stages.run import Run

log = logging.getLogger(__name__)


def complete(run: Run, bundle: Bundle) -> Bundle:
    """Add the directories that have no entry yet, and set all times."""
    return bundle.add(run.host.parents(bundle)).timed(_latest(os.environ))


def _latest(environment: Mapping[str, str]) -> int | None:
    """Return what SOURCE_DATE_EPOCH bounds the times to, in nanoseconds."""
    epoch = environment.get("SOURCE_DATE_EPOCH", "")
    if epoch.isascii() and epoch.isdecimal():
        return int(epoch) * 10**9
    if epoch:
        log.warning("SOURCE_DATE_EPOCH=%s has no effect: it is no number of seconds", epoch)
    return None

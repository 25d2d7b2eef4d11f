"""Add the missing parent directories, and set reproducible times."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from magicpak.plan import Bundle
from magicpak.stages.run import Run

log = logging.getLogger(__name__)


def complete(run: Run, bundle: Bundle) -> Bundle:
    """Add the parent directories that have no entry, and set all times."""
    return bundle.add(run.host.parents(bundle)).timed(_latest(os.environ))


def _latest(environment: Mapping[str, str]) -> int | None:
    """Return the upper bound of times that SOURCE_DATE_EPOCH sets, in nanoseconds."""
    epoch = environment.get("SOURCE_DATE_EPOCH", "")
    if epoch.isascii() and epoch.isdecimal():
        return int(epoch) * 10**9
    if epoch:
        log.warning("SOURCE_DATE_EPOCH=%s is ignored: it is not a number of seconds", epoch)
    return None

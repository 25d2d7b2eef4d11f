"""Move entries to their final paths: past symbolic links, and into /usr (``--merged-usr``)."""

from __future__ import annotations

import logging

from magicpak.plan import Bundle, Link, merged_usr
from magicpak.stages.run import Run

log = logging.getLogger(__name__)


def settle(run: Run, bundle: Bundle) -> Bundle:
    """Move each entry to the directory that its parent path resolves to. Raises PlaceTaken."""
    if run.options.merged_usr:
        bundle = merged_usr.merge(bundle)
    settled = bundle.settled()
    if run.options.install_to is not None and not run.options.merged_usr:
        _warn_of_links(run, settled)
    return settled


def _warn_of_links(run: Run, bundle: Bundle) -> None:
    """Warn of an executable that is not at its ``--install-to``, but where a link leads."""
    for each in run.inputs:
        for parent in each.place.parents():
            item = bundle.get(parent)
            if item is not None and isinstance(item.entry, Link):
                log.warning(
                    "--install-to %s is below a link: %s -> %s (%s); the executable is in %s",
                    each.place, parent, item.entry.text, item.origins[0],
                    bundle.resolve(each.place.parent, final=True),
                )  # fmt: skip

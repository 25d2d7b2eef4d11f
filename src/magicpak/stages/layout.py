"""Settle where everything lies: behind the links on its way, and with ``--merged-usr`` in /usr."""

from __future__ import annotations

from magicpak.plan import Bundle, merged_usr
from magicpak.stages.run import Run


def settle(run: Run, bundle: Bundle) -> Bundle:
    """Move each entry to the path at which the file system will show it."""
    if run.options.merged_usr:
        bundle = merged_usr.merge(bundle)
    return bundle.settled()

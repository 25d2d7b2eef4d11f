"""Move entries to their final paths: past symbolic links, and into /usr (``--merged-usr``)."""

from __future__ import annotations

from magicpak.plan import Bundle, merged_usr
from magicpak.stages.run import Run


def settle(run: Run, bundle: Bundle) -> Bundle:
    """Move each entry to the directory that its parent path resolves to."""
    if run.options.merged_usr:
        bundle = merged_usr.merge(bundle)
    return bundle.settled()

"""Add run-time data, if it is asked for: ``--with``."""

from __future__ import annotations

from magicpak.plan import Bundle
from magicpak.stages.run import Run
from magicpak.system import signals


def add(run: Run, bundle: Bundle) -> Bundle:
    """Add the data. Raises DataNotFound, IoError."""
    if run.asked is None or not run.asked.data:
        return bundle
    with signals.held():  # an import may lose the exception of a signal
        from magicpak.stages import runtime_data  # noqa: PLC0415  a plain run pays for no table
    return runtime_data.add(run, bundle, run.asked)

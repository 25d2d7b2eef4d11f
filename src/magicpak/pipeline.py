"""The pipeline: the stages in their order."""

from __future__ import annotations

import logging
from typing import NamedTuple

from magicpak.errors import MagicpakError
from magicpak.options import Options
from magicpak.plan import Bundle
from magicpak.stages import (
    accounts,
    attributes,
    compress,
    dynamic,
    exclude,
    foresight,
    hints,
    include,
    inputs,
    layout,
    libraries,
    mkdir,
    packages,
    replay,
    run_time,
    user,
    write,
)
from magicpak.stages.run import Show, no_progress, opened

__all__ = ["STAGES", "MagicpakError", "Options", "Report", "pack"]

# Without it, logging prints the warnings of a library whose user has set up no logs.
logging.getLogger("magicpak").addHandler(logging.NullHandler())

STAGES = (
    inputs.place,
    libraries.resolve,
    dynamic.analyse,
    compress.compress,
    mkdir.make,
    include.include,
    packages.add,
    run_time.add,
    accounts.sift,
    user.add,
    layout.settle,
    exclude.exclude,
    replay.mend,
    hints.tell,
    foresight.tell,
    attributes.complete,
    write.write,
)
"""Each takes the run and the plan so far, and returns the plan."""


class Report(NamedTuple):
    """The size of the written bundle."""

    files: int
    size: int
    """Bytes."""


def pack(options: Options, *, show: Show = no_progress) -> Report:
    """Bundle executables with what they need at run time.

    Raises MagicpakError; OUTPUT is then unchanged.
    """
    bundle = Bundle()
    with opened(options, show) as run:
        for stage in STAGES:
            bundle = stage(run, bundle)
    return Report(*bundle.totals)

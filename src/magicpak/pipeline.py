"""The pipeline: the stages in their order."""

import functools
import logging
from typing import TYPE_CHECKING, NamedTuple

from magicpak.errors import MagicpakError
from magicpak.options import Options
from magicpak.plan import Bundle
from magicpak.stages import (
    account,
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
    records,
    replay,
    report,
    run_time,
    user,
    write,
)
from magicpak.stages.run import Busy, Run, Show, no_progress, not_shown, opened
from magicpak.stages.told import collected

if TYPE_CHECKING:
    from magicpak.report import Facts
    from magicpak.report.explanation import Explanation

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
    records.add,
    hints.tell,
    foresight.tell,
    attributes.complete,
    write.write,
)
"""Each takes the run and the plan so far, and returns the plan."""


class Totals(NamedTuple):
    """The size of a bundle."""

    files: int
    size: int
    """Bytes."""


class Report(Totals):
    """The size of a bundle, and what there is to say of it."""

    _of: tuple[Run, Bundle]

    @classmethod
    def of(cls, run: Run, bundle: Bundle) -> "Report":
        """Make that of a run."""
        made = cls(*bundle.totals)
        made._of = (run, bundle)
        return made

    def __reduce__(self) -> tuple[type["Report"], tuple[int, int]]:
        """Pickle the numbers: the rest is of this process."""
        return Report, (self.files, self.size)

    @functools.cached_property
    def facts(self) -> "Facts":
        """Its entries and packages, found when asked for."""
        return report.facts(*self._of)

    @functools.cached_property
    def explanation(self) -> "Explanation":
        """The tree of why, and what is largest."""
        return report.explanation(*self._of)


def pack(options: Options, *, show: Show = no_progress, busy: Busy = not_shown) -> Report:
    """Bundle executables with what they need at run time.

    ``show`` shows how much is copied, and ``busy`` what takes its time before.

    Raises MagicpakError; OUTPUT is then unchanged.
    """
    with collected() as told, opened(options, show, busy, told) as run:
        return Report.of(run, account.kept(STAGES, run, Bundle()))

"""Say what each stage did: a line each at level Info, and one at the end."""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from magicpak.plan import Bundle
from magicpak.stages import report
from magicpak.stages.run import Run

log = logging.getLogger(__name__)

LARGEST = 3
"""Packages that the last line names."""
NOTABLE = 0.1
"""Seconds after which a stage is worth a line that has added nothing."""

Stage = Callable[[Run, Bundle], Bundle]


class Spent(NamedTuple):
    """The time of a stage."""

    stage: str
    seconds: float


def kept(stages: tuple[Stage, ...], run: Run, bundle: Bundle) -> Bundle:
    """Run the stages, and say of each what it did."""
    if not log.isEnabledFor(logging.INFO):
        for stage in stages:
            bundle = stage(run, bundle)
        return bundle
    spent = []
    for stage in stages:
        before, begin = bundle, time.perf_counter()
        bundle = stage(run, before)
        spent.append(Spent(_name(stage), time.perf_counter() - begin))
        _tell(run, spent[-1], before, bundle)
    _close(run, bundle, spent)
    return bundle


def _name(stage: Stage) -> str:
    return stage.__module__.rpartition(".")[2].replace("_", " ")


def _tell(run: Run, spent: Spent, before: Bundle, after: Bundle) -> None:
    from magicpak.report.explanation import amount  # noqa: PLC0415  most runs tell nothing

    entries, size = len(after) - len(before), after.totals[1] - before.totals[1]
    notes = "; ".join(run.notes)
    run.notes.clear()
    if entries or size or notes or spent.seconds >= NOTABLE:
        sign = "-" if size < 0 else "+"
        log.info(
            "%s: %+d entries, %s%s, %.3f s%s",
            *(spent.stage, entries, sign, amount(abs(size)), spent.seconds),
            f": {notes}" if notes else "",
        )


def _close(run: Run, bundle: Bundle, spent: list[Spent]) -> None:
    from magicpak.report.explanation import amount  # noqa: PLC0415  as above

    files, size = bundle.totals
    where = "planned for" if run.options.dry_run else "written to"
    packages = sorted(report.facts(run, bundle).packages, key=lambda each: -each.size)[:LARGEST]
    largest = ", ".join(f"{each.package} {amount(each.size)}" for each in packages)
    times = ", ".join(f"{each.stage} {each.seconds:.2f}" for each in spent if each.seconds > 0.005)
    log.info(
        "%.2f s%s%s: %d files, %d bytes %s %s",
        sum(each.seconds for each in spent),
        f" ({times})" if times else "",
        f"; largest packages {largest}" if largest else "",
        *(files, size, where, run.options.output),
    )

"""Run the inputs under strace, and add the files they use: ``--dynamic``, ``--dynamic-log``."""

from __future__ import annotations

import itertools
import logging
import os
import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from magicpak.host import Host
from magicpak.plan import Bundle, Origin, Placed, Why
from magicpak.stages.libraries import with_libraries
from magicpak.stages.run import Run

if TYPE_CHECKING:
    from magicpak import trace

log = logging.getLogger(__name__)


def analyse(run: Run, bundle: Bundle) -> Bundle:
    """Add the files that traced runs use. Raises what ``trace`` raises, and IoError."""
    options = run.options
    if not (options.dynamic or options.dynamic_log):
        return bundle
    from magicpak import trace  # noqa: PLC0415  imported only where it is used

    for path in options.dynamic_log:
        log.info("read the trace %s", path)
        bundle = _add(run, trace.read_log(path, os.getcwd()), path, bundle)
    if options.dynamic_log:
        return bundle
    for each, arguments in itertools.product(run.inputs, options.runs()):
        log.info("run %s under strace", shlex.join((each.path, *arguments)))
        touched = trace.run(
            each.path,
            arguments,
            scratch=run.scratch,
            stdin=os.fsencode(options.dynamic_stdin or ""),
            strace=options.strace,
            allow_failure=options.dynamic_allow_failure,
            timeout=options.dynamic_timeout,
            command=options.dynamic_command,
            wait_for=options.dynamic_wait_for,
        )
        bundle = _add(run, touched, each.path, bundle)
    return bundle


def _add(run: Run, touched: Iterable[trace.Touched], by: str, bundle: Bundle) -> Bundle:
    placed = [found for each in touched for found in _entries(run.host, each, by)]
    return with_libraries(run, placed, bundle)


def _entries(host: Host, touched: trace.Touched, by: str) -> Iterator[Placed]:
    origin = Origin(Why.EXECUTED if touched.executed else Why.TRACED, by)
    place = host.place(touched.path)
    if touched.directory:
        yield Placed(place, host.directory(place), origin)
    elif host.status(touched.path) is not None:
        yield from host.entries(touched.path, place, origin)

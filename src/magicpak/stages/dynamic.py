"""Run the inputs under strace, and add the files they use: ``--dynamic``, ``--dynamic-log``."""

from __future__ import annotations

import itertools
import logging
import os
import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from typing import TYPE_CHECKING

from magicpak.host import Host
from magicpak.plan import Bundle, File, Origin, Placed, Why, patterns
from magicpak.plan.patterns import Matcher
from magicpak.stages import include
from magicpak.stages.libraries import with_libraries
from magicpak.stages.run import Run
from magicpak.system import signals

if TYPE_CHECKING:
    from magicpak import trace

log = logging.getLogger(__name__)

NAMED = 20
"""How many paths a warning names."""

TOLD = {
    "FILE": ("bundled as they are now: files that %s: %s", "--exclude"),
    "EMPTY": ("bundled empty: files that %s; to bundle them as they are now: %s", "--include"),
    "NOTHING": ("left out: files that %s; to bundle them: %s", "--include"),
}
"""What is said of files by how they are bundled, and the option that changes that."""


def analyse(run: Run, bundle: Bundle) -> Bundle:
    """Add what traced runs touched. Raises what ``trace`` raises, and IoError."""
    if not (run.options.dynamic or run.options.dynamic_log):
        return bundle
    with run.busy("tracing"):
        return _traced(run, bundle)


def _traced(run: Run, bundle: Bundle) -> Bundle:
    included = include.matched(run)
    left_out: set[str] = set()
    notes: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for by, touched in _runs(run):
        # What one run made is there for the next one.
        every = [one for one in touched if not _below(left_out, one.path, run.host)]
        for one in every:
            if not one.bundled:
                left_out.update((one.path, run.host.real(one.path)))
            if one.note and not included(one.path):
                notes[one.what.name, one.note].add(one.path)
        placed = [found for one in every for found in _entries(run.host, one, by, included)]
        bundle = with_libraries(run, placed, bundle)
    _warn(notes)
    return bundle


def _runs(run: Run) -> Iterator[tuple[str, Iterable[trace.Touched]]]:
    """Make the traced runs, or read them; give the name of each and what it touched."""
    with signals.held():  # an import may lose the exception of a signal
        from magicpak import trace  # noqa: PLC0415  only a run that traces pays for its import

    options = run.options
    for path in options.dynamic_log:
        run.notes.append(f"read {path}")
        yield path, trace.read_log(path, os.getcwd(), run.host)
    if options.dynamic_log:
        return
    if options.dynamic_script is not None:
        run.notes.append(f"ran {options.dynamic_script}")
        yield (
            "--dynamic-script",
            trace.run_script(
                options.dynamic_script,
                {each.path: [path for path, _ in each.programs] for each in run.inputs},
                bundled=include.matched(run),
                scratch=run.scratch,
                strace=options.strace,
                allow_failure=options.dynamic_allow_failure,
                timeout=options.dynamic_timeout,
                user=run.user,
            ),
        )
        return
    for each, arguments in itertools.product(run.inputs, options.runs()):
        run.notes.append(f"ran {shlex.join((each.path, *arguments))}")
        yield (
            each.path,
            trace.run(
                each.path,
                arguments,
                scratch=run.scratch,
                stdin=os.fsencode(options.dynamic_stdin or ""),
                strace=options.strace,
                allow_failure=options.dynamic_allow_failure,
                timeout=options.dynamic_timeout,
                command=options.dynamic_command,
                wait_for=options.dynamic_wait_for,
                user=run.user,
            ),
        )


def _below(left_out: Set[str], path: str, host: Host) -> bool:
    """Tell whether a path, or a directory above it, was left out."""
    if not left_out:
        return False
    names = (path, host.real(path))
    return any(
        above in left_out
        for name in names
        for above in itertools.accumulate(name.split("/"), "{}/{}".format)
    )


def _entries(
    host: Host, touched: trace.Touched, by: str, included: Matcher
) -> Iterator[Placed]:
    origin = Origin(Why.EXECUTED if touched.executed else Why.TRACED, by)
    if not touched.bundled or host.status(touched.path) is None:
        return
    place = host.place(touched.path)
    if touched.directory:
        yield Placed(place, host.directory(place), origin)
        return
    for placed in host.entries(touched.path, place, origin):
        entry = placed.entry
        if touched.empty and isinstance(entry, File) and not included(touched.path):
            entry = entry.with_content(b"")
        yield placed._replace(entry=entry)
        if touched.link:
            return


def _warn(notes: Mapping[tuple[str, str], Collection[str]]) -> None:
    """Warn of files that were left out, or are not as they were, with the option that helps."""
    for (what, note), paths in sorted(notes.items()):
        told, option = TOLD[what]
        named = [f"{option} {shlex.quote(patterns.escape(path))}" for path in sorted(paths)]
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        log.warning(told, note, " ".join(named[:NAMED]) + more)

"""Stage the bundle beside OUTPUT, test it there (``--test``), and move it into place.

Without a bundle to write (``--dry-run``), write what is told of it (``--report``).
"""

from __future__ import annotations

import contextlib
import logging

from magicpak.output import emit
from magicpak.plan import Bundle
from magicpak.stages import documents, hints
from magicpak.stages.run import Run
from magicpak.system import signals

log = logging.getLogger(__name__)


def write(run: Run, bundle: Bundle) -> Bundle:
    """Write OUTPUT and the report; on failure, leave all unchanged.

    Raises IoError, DestinationNotEmpty, and what ``jail.check`` raises if the test fails.
    """
    if run.options.dry_run:
        with documents.written(run, bundle):
            return bundle
    with contextlib.ExitStack() as stack:
        # What is shown of the copy ends with it: a terminal has room for one display.
        with run.show(bundle.totals[1]) as progress:
            stage = stack.enter_context(emit.staged(bundle, run.target, progress, run.digests))
        if run.options.test:
            with run.busy("testing"):
                stage.rewrite(_test(run, bundle, stage.tree))
        with documents.written(run, bundle):
            stage.commit()
    return bundle


def _test(run: Run, bundle: Bundle, tree: str) -> tuple[str, ...]:
    """Test the staged bundle; return the paths of the files that the test altered."""
    with signals.held():  # an import may lose the exception of a signal
        from magicpak import jail  # noqa: PLC0415  imported only where it is used

    options = run.options
    try:
        return jail.check(
            tree,
            [each.place for each in run.inputs],
            command=options.test_command,
            stdin=options.test_stdin,
            stdout=options.test_stdout,
            busybox=options.busybox,
            timeout=options.test_timeout,
            env={**jail.ENVIRONMENT, **dict(pair.split("=", 1) for pair in options.test_env)},
            strace=options.strace,
            user=run.user,
        )
    except (jail.CheckFailed, jail.OutputDiffers) as e:
        # What a trace has shown is told already; of a script, its text tells the rest.
        e.reasons += tuple(hints.lacking(run, bundle))
        raise

"""Tell what is in the bundle: ``--report``, ``--explain``, and the values of the library."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from magicpak.plan import Bundle
from magicpak.stages.run import Run
from magicpak.system import signals

if TYPE_CHECKING:
    from magicpak.report import Facts


def facts(run: Run, bundle: Bundle) -> Facts:
    """Return what there is to say of a bundle."""
    with signals.held():  # an import may lose the exception of a signal
        from magicpak.report import Facts  # noqa: PLC0415  most runs are not asked
    return Facts(
        tuple(each.path for each in run.inputs),
        bundle,
        lambda plan: run.inventory().owners_in(plan),
        sysroot=run.host.sysroot,
        digest=run.digests.of if run.digests is not None else None,
        hints=tuple(run.told.hints),
        warnings=tuple(run.told.warnings),
    )


def documents(run: Run, bundle: Bundle) -> contextlib.AbstractContextManager[None]:
    """Write the documents at the end of the body, unless that fails. Raises IoError."""
    if run.options.report is None:
        return contextlib.nullcontext()
    with signals.held():  # an import may lose the exception of a signal
        from magicpak.output import documents  # noqa: PLC0415  as above
        from magicpak.report import document  # noqa: PLC0415  as above
    content = document.document(facts(run, bundle))
    return documents.written([(run.options.report, content)])

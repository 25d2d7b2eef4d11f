"""Write what there is to say of the bundle beside it: ``--report`` and ``--sbom``."""

from __future__ import annotations

import contextlib

from magicpak.plan import Bundle
from magicpak.stages import report
from magicpak.stages.run import Run
from magicpak.system import signals


def written(run: Run, bundle: Bundle) -> contextlib.AbstractContextManager[None]:
    """Write the documents at the end of the body, unless that fails. Raises IoError."""
    options = run.options
    if options.report is None and not options.sbom:
        return contextlib.nullcontext()
    with signals.held():  # an import may lose the exception of a signal
        from magicpak.output import documents  # noqa: PLC0415  most runs write none
    facts = report.facts(run, bundle)
    contents: list[tuple[str, bytes]] = []
    if options.report is not None:
        from magicpak.report import document  # noqa: PLC0415  as above

        contents.append((options.report, document.document(facts)))
    if options.sbom:
        from magicpak.stages import sbom  # noqa: PLC0415  as above

        contents += sbom.documents(run, facts)
    return documents.written(contents)

"""Complete the values of options in a shell, by click's own means."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

PLACES = {
    "DIR": "dir",
    "PATH": "dir",
    "<OUTPUT>": "dir",
    "FILE": "file",
    "GLOB": "file",
    "PATH or NAME": "file",
    "[HOST:]PORT or SOCKET": "file",
    "<INPUT>...": "file",
}
"""What a shell is to complete, by what the help calls a value."""


def complete(parameter: click.Parameter, incomplete: str) -> list[CompletionItem] | None:
    """Return the values that begin so; None where click knows them, or nobody does."""
    if parameter.name in ("with_data", "without"):
        from magicpak.runtime import asked  # noqa: PLC0415  tables that few completions need

        names = asked.WITH_NAMES if parameter.name == "with_data" else asked.WITHOUT_NAMES
        return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]
    kind = PLACES.get(parameter.metavar or "")
    return None if kind is None else [CompletionItem(incomplete, type=kind)]

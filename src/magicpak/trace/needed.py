"""Which paths a run has shown to be needed, by the calls that named them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from magicpak.host import script
from magicpak.trace.calls import Kind
from magicpak.trace.files import Files
from magicpak.trace.strace_log import Access

_PYC = re.compile(r"(.*/)__pycache__/([^/.]+)\.[^/]+\.pyc", re.S)
_NO_NEED = frozenset(
    (Kind.STARTED, Kind.ABSENT, Kind.DENIED, Kind.REMOVED, Kind.HIDDEN)
)


def needed(accesses: Iterable[Access], files: Files) -> dict[str, bool]:
    """Return the paths that count; False where the run may have learned of no file there."""
    paths: dict[str, bool] = {}
    for path, kind, counts in accesses:
        if not counts:
            continue
        if kind in (Kind.RUN, Kind.STARTED):
            paths.update(dict.fromkeys(_interpreters(path, files), True))
        if kind is Kind.DENIED:
            paths.setdefault(path, False)
        elif kind not in _NO_NEED:
            paths[path] = True
        if path.endswith(".pyc") and (source := _PYC.fullmatch(path)):
            paths[f"{source[1]}{source[2]}.py"] = True
    return paths


def executed(accesses: Iterable[Access], files: Files) -> Iterator[str]:
    """Name the programs that ran, and those that ran scripts, but not the traced program."""
    for path, kind, counts in accesses:
        if counts and kind in (Kind.RUN, Kind.STARTED):
            yield from _interpreters(path, files)
        if counts and kind is Kind.RUN:
            yield path


def _interpreters(path: str, files: Files) -> Iterator[str]:
    """Return what the kernel opens to run a script, which strace cannot see: execve(2)."""
    for _ in range(script.DEPTH):
        try:
            with files.opened(path) as file:
                line = script.first_line(path, file.read(script.LINE))
        except (OSError, ValueError, script.ScriptFailed):
            return
        if line is None or not line.interpreter.startswith("/"):
            return
        path = line.interpreter
        yield path

"""What the user sees on stderr: logs, and progress on a terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, TextIO

from magicpak.errors import printable

if TYPE_CHECKING:
    from magicpak.report.explanation import Explanation
    from magicpak.report.tree import Node

PATIENCE = 0.5
"""Seconds of copying after which progress is worth showing."""

STYLES = {
    logging.WARNING: ("warning", "\x1b[33m"),
    logging.INFO: ("info", "\x1b[36m"),
    logging.DEBUG: ("debug", "\x1b[2m"),
}
ERROR = ("error", "\x1b[31m")
PLAIN = "\x1b[0m"


class Level(Enum):
    """How much is logged."""

    OFF = "Off"
    ERROR = "Error"
    WARN = "Warn"
    INFO = "Info"
    DEBUG = "Debug"


NUMBERS = {
    Level.OFF: logging.CRITICAL + 1,
    Level.ERROR: logging.ERROR,
    Level.WARN: logging.WARNING,
    Level.INFO: logging.INFO,
    Level.DEBUG: logging.DEBUG,
}


def set_up(level: Level) -> None:
    """Send the logs of magicpak to stderr, one line each."""
    logger = logging.getLogger("magicpak")
    # A report has the warnings that are not shown, too.
    logger.setLevel(min(NUMBERS[level], logging.WARNING))
    logger.propagate = False
    logger.handlers = [_Lines(NUMBERS[level])]


class _Lines(logging.Handler):
    """Writes a log record as a line: it is never wrapped, and holds no control characters."""

    def emit(self, record: logging.LogRecord) -> None:
        _print(*STYLES.get(record.levelno, ERROR), record.getMessage())


def print_error(text: str) -> None:
    """Print the one line that tells why the job failed, at every log level."""
    _print(*ERROR, text)


def print_usage(text: str) -> None:
    """Print how the command is called, after an error."""
    _write(f"{text}\nFor more information try --help\n")


def explain(told: Explanation) -> None:
    """Print on stdout why all is in the bundle: with colours on a terminal, else as plain text."""
    from magicpak.report.explanation import lines  # noqa: PLC0415  most runs explain nothing

    if _fancy(sys.stdout):
        from rich.console import Console  # noqa: PLC0415  as above

        Console(no_color=not _coloured(sys.stdout), highlight=False).print(*drawn(told))
    else:
        print("\n".join(lines(told)))  # noqa: T201
    sys.stdout.flush()


def drawn(told: Explanation) -> Iterator[Any]:
    """Yield what rich prints of an explanation."""
    from rich.table import Table  # noqa: PLC0415  as above
    from rich.text import Text  # noqa: PLC0415
    from rich.tree import Tree  # noqa: PLC0415

    from magicpak.report.explanation import amount  # noqa: PLC0415

    def label(node: Node) -> Text:
        total = f" {amount(node.total)}" if node.total else ""
        own = f" ({amount(node.size)} itself)" if 0 < node.size < node.total else ""
        note = f"  {printable(node.note)}" if node.note else ""
        parts = ((printable(node.text), ""), (total, "bold cyan"), (own, "cyan"), (note, "dim"))
        return Text.assemble(*parts)

    def grow(tree: Tree, node: Node) -> None:
        for child in node.children:
            grow(tree.add(label(child)), child)

    for node in told.nodes:
        tree = Tree(label(node), guide_style="dim")
        grow(tree, node)
        yield tree
    for title, rows in (("largest packages", told.packages), ("largest files", told.files)):
        table = Table(title, "size", box=None, header_style="bold")
        table.columns[1].justify = "right"
        for name, size in rows:
            table.add_row(printable(name), amount(size))
        if rows:
            yield table
    yield Text(told.closing, "bold")


def _print(label: str, style: str, text: str) -> None:
    if _coloured(sys.stderr):
        label = f"{style}{label}{PLAIN}"
    _write(f"{label}: {printable(text)}\n")


def _write(text: str) -> None:
    if sys.stderr is None:  # it was closed by the caller
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        # A reader that has gone or a full disk under a log is no reason to fail. What its buffer
        # holds would be one, at the interpreter's end.
        sys.stderr = None


def _coloured(stream: TextIO | None) -> bool:
    """Tell whether colours are wanted: no-color.org comes first, then force-color.org."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or _fancy(stream)


def _on_terminal() -> bool:
    return _fancy(sys.stderr)


def _fancy(stream: TextIO | None) -> bool:
    """Tell whether a stream is a terminal that can do more than print lines (terminfo(5))."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal once copying takes longer than half a second.

    ``total`` and the numbers given to the function are bytes.
    """
    if not _on_terminal():
        yield lambda _count: None
        return
    bar = _Bar(total)
    try:
        yield bar.advance
    finally:
        bar.stop()


@contextlib.contextmanager
def busy(text: str) -> Iterator[None]:
    """Show on a terminal what is being done, once it takes longer than half a second."""
    if not _on_terminal():
        yield
        return
    spinner = _Spinner(text)
    try:
        yield
    finally:
        spinner.stop()


class _Spinner:
    """A rich status that a timer shows; the main thread may be waiting for another process."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._shown: Any = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(PATIENCE, self._start)
        self._timer.daemon = True
        self._timer.start()

    def _start(self) -> None:
        from rich import console, status  # noqa: PLC0415  most runs show none

        shown = console.Console(stderr=True, no_color=not _coloured(sys.stderr))
        with self._lock:
            if not self._timer.finished.is_set():
                self._shown = status.Status(printable(self._text), console=shown)
                self._shown.start()

    def stop(self) -> None:
        with self._lock:
            self._timer.cancel()
            if self._shown is not None:
                self._shown.stop()


class _Bar:
    """A rich progress bar that is imported and drawn only when it is worth it."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._begin = time.monotonic()
        self._shown: Any = None
        self._stopped = False

    def advance(self, count: int) -> None:
        self._done += count
        if self._stopped:
            return
        if self._shown is None:
            if time.monotonic() - self._begin < PATIENCE:
                return
            self._shown = _draw(self._total)
        display, task = self._shown
        display.update(task, completed=self._done)

    def stop(self) -> None:
        self._stopped = True
        if self._shown is not None:
            self._shown[0].stop()


def _draw(total: int) -> tuple[Any, Any]:
    from rich import console, progress  # noqa: PLC0415  most runs show no bar

    display = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        console=console.Console(stderr=True, no_color=not _coloured(sys.stderr)),
        transient=True,
    )
    task = display.add_task("copying", total=total)
    display.start()
    return display, task

"""Collect what a run says, for its report."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

HINTING = ("magicpak.stages.foresight", "magicpak.stages.hints")
"""The loggers of the stages whose warnings are hints."""


class Told(logging.Handler):
    """The hints and the warnings of one run, in their order."""

    def __init__(self) -> None:
        """Begin with none; a run logs in the thread that makes this."""
        super().__init__(logging.WARNING)
        self.hints: list[str] = []
        self.warnings: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text of a warning."""
        if record.thread == self._thread:
            kept = self.hints if record.name in HINTING else self.warnings
            kept.append(record.getMessage())


@contextlib.contextmanager
def collected() -> Iterator[Told]:
    """Collect until the end of the body."""
    told, logger = Told(), logging.getLogger("magicpak")
    logger.addHandler(told)
    try:
        yield told
    finally:
        logger.removeHandler(told)

"""Compare what a test prints with what it should print, while it prints."""

from __future__ import annotations

import codecs
import sys

SHOWN = 64 * 1024
"""Characters of an output that are kept from where it differs on."""


class Comparison:
    """A text, and how much of an output is the same; white space at both ends is nothing."""

    def __init__(self, expected: str) -> None:
        """Wait for the beginning of the output."""
        self.expected = expected.strip()
        decoder = codecs.getincrementaldecoder(sys.getfilesystemencoding())
        self._decoder = decoder(sys.getfilesystemencodeerrors())
        self._same = 0
        self._rest = ""
        self._differs = False

    def add(self, piece: bytes) -> None:
        """Take the next piece of the output; the last one is empty."""
        text = self._decoder.decode(piece, final=not piece)
        if not self._same and not self._rest:
            text = text.lstrip()
        if not self._rest:
            size = _common(text, self.expected, self._same)
            self._same += size
            text = text[size:]
        self._differs = self._differs or (bool(text) and not text.isspace())
        self._rest += text[: SHOWN - len(self._rest)]

    @property
    def equal(self) -> bool:
        """Whether all that was printed is what is expected."""
        return not self._differs and self._same == len(self.expected)

    @property
    def got(self) -> str:
        """What was printed, but for what comes long after the first difference."""
        printed = self.expected[: self._same] + self._rest
        return printed if len(self._rest) == SHOWN else printed.rstrip()


def _common(text: str, expected: str, at: int) -> int:
    """Return how many characters of a text are those that begin there."""
    if expected.startswith(text, at):
        return len(text)
    pairs = zip(text, expected[at : at + len(text)], strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(text), len(expected) - at))

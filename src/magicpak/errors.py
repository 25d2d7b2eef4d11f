"""Exceptions for all failures: the facts are fields, and ``__str__`` makes the text.

Each text follows ``error: `` on one line. The wording before the first colon is that of
magicpak 1.4.0, which scripts may match.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

EMPTY = "''"
"""The text for an empty path."""


def printable(text: str) -> str:
    """Escape control characters and undecodable bytes, so that a text stays on one line."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", _escape, text)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    known = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    # A lone surrogate U+DCxx stands for the undecodable byte xx (PEP 383).
    return known.get(char) or f"\\x{ord(char) & 0xFF:02x}"


def one_line(output: bytes | str) -> str:
    """Join the output of a program into one line."""
    text = output.decode(errors="replace") if isinstance(output, bytes) else output
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Callable[[T], T]:
        """Return the class as it is: type checkers alone need the mark (PEP 681)."""
        return lambda kind: kind


@dataclass_transform(eq_default=False)
class MagicpakError(Exception):
    """The job cannot be done; ``str()`` says what, why, and what to do.

    A subclass annotates the facts that it takes, with their defaults, as a dataclass does. It is
    none, because defining one costs a quarter of a millisecond, and most runs raise no error.
    """

    def __init__(self, *facts: object, **named: object) -> None:
        """Take the facts, in the order of their annotations or by name."""
        super().__init__(*facts)
        self.__dict__.update(zip(type(self).__annotations__, facts, strict=False), **named)


class IoError(MagicpakError):
    """An OSError, with the path that it is about."""

    number: int
    reason: str
    path: str | None = None
    advice: str = ""

    @classmethod
    def of(cls, error: OSError, path: str | None = None, advice: str = "") -> IoError:
        """Convert an OSError; ``path`` is used if the error names none."""
        named = error.filename if error.filename is not None else path
        name = named.decode(errors="surrogateescape") if isinstance(named, bytes) else named
        reason = error.strerror or str(error)
        return cls(error.errno or 0, reason, None if name is None else str(name), advice)

    def __str__(self) -> str:
        place = "" if self.path is None else f": {self.path or EMPTY}"
        advice = f": {self.advice}" if self.advice else ""
        return f"IO error: {self.reason} (os error {self.number}){place}{advice}"


class Unsupported(MagicpakError):
    """The options cannot be used, or not together."""

    reason: str

    def __str__(self) -> str:
        return self.reason

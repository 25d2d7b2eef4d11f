"""What can go wrong, as exceptions: the facts are fields, the text is made in ``__str__``.

Each text follows ``error: `` on one line; the wording before the first colon is that of
magicpak 1.4.0, which scripts may match.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PACKAGES = {"busybox": "busybox-static", "cc": "gcc libc6-dev", "strace": "strace", "upx": "upx-ucl"}
"""Debian packages that have the programs magicpak runs, by the program's name."""


def printable(text: str) -> str:
    """Escape control characters and undecodable bytes, so that a text stays on its line."""
    return re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", _escape, text)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    known = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    # A lone surrogate U+DCxx stands for the undecodable byte xx (PEP 383).
    return known.get(char) or f"\\x{ord(char) & 0xFF:02x}"


def one_line(output: bytes | str) -> str:
    """Join what a program printed into one line."""
    text = output.decode(errors="replace") if isinstance(output, bytes) else output
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


class MagicpakError(Exception):
    """The job cannot be done; ``str()`` says what, why, and what to do."""


@dataclass(eq=False)
class IoError(MagicpakError):
    """The file system refused: an OSError with the path it is about."""

    number: int
    reason: str
    path: str | None = None

    @classmethod
    def of(cls, error: OSError, path: str | None = None) -> IoError:
        """Translate an OSError; ``path`` where the error itself does not name one."""
        named = error.filename if error.filename is not None else path
        name = named.decode(errors="surrogateescape") if isinstance(named, bytes) else named
        return cls(error.errno or 0, error.strerror or str(error), None if name is None else str(name))

    def __str__(self) -> str:
        place = "" if self.path is None else f": {self.path}"
        return f"IO error: {self.reason} (os error {self.number}){place}"


@dataclass(eq=False)
class ToolNotFound(MagicpakError):
    """A program that a stage runs is not installed, or not where the option says."""

    name: str
    tool: str
    option: str

    def __str__(self) -> str:
        package = PACKAGES.get(self.tool)
        install = f"install it (apt-get install {package}) or " if package else ""
        return (
            f"Unable to locate executable '{self.name}': cannot find binary path; "
            f"{install}name it with {self.option}"
        )


@dataclass(eq=False)
class TimedOut(MagicpakError):
    """A program ran longer than it may."""

    command: str
    seconds: float

    def __str__(self) -> str:
        return f"'{self.command}' did not end within {self.seconds:g} s and was killed"

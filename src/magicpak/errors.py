"""What can go wrong, as exceptions: the facts are fields, the text is made in ``__str__``.

Each text follows ``error: `` on one line; the wording before the first colon is that of
magicpak 1.4.0, which scripts may match.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EMPTY = "''"
"""How an empty path is shown."""


def printable(text: str) -> str:
    """Escape control characters and undecodable bytes, so that a text stays on its line."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", _escape, text)


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
        reason = error.strerror or str(error)
        return cls(error.errno or 0, reason, None if name is None else str(name))

    def __str__(self) -> str:
        place = "" if self.path is None else f": {self.path or EMPTY}"
        return f"IO error: {self.reason} (os error {self.number}){place}"


@dataclass(eq=False)
class Unsupported(MagicpakError):
    """Options that do not go together."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class LookupFailed(MagicpakError):
    """A needed shared library is in none of the places where the loader looks."""

    name: str
    needed_by: str
    places: tuple[str, ...]

    def __str__(self) -> str:
        looked = ", ".join(self.places) or "nowhere: no directory is searched for it"
        # A name with a slash, as that of the interpreter, is looked for nowhere else.
        other = "add its directory to LD_LIBRARY_PATH"
        if "/" in self.name:
            other = "give the tree that has it as --sysroot"
        return (
            f"Unable to lookup shared library: {self.name}, needed by {self.needed_by}, "
            f"is not found; looked in {looked}; install the package that has it, or {other}"
        )


@dataclass(eq=False)
class LookupRefused(MagicpakError):
    """The loader finds a file for a needed library, and cannot load it."""

    name: str
    needed_by: str
    path: str
    reason: str

    def __str__(self) -> str:
        return (
            f"Unable to lookup shared library: {self.name}, needed by {self.needed_by}: the loader "
            f"finds {self.path} and stops there: {self.reason}; remove or replace that file"
        )


@dataclass(eq=False)
class HelperFailed(MagicpakError):
    """The program that asks the dynamic loader does not compile."""

    output: str

    def __str__(self) -> str:
        return (
            "Error happened during the compilation of library resolver: "
            f"{self.output or 'the compiler said nothing'}"
        )

"""Errors of the search for libraries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from magicpak.errors import MagicpakError

NAMED = 5
"""How many further errors of one kind a message names; of the rest it gives the number."""


class LookupFailed(MagicpakError):
    """A needed library is in none of the places that the loader searches."""

    name: str
    needed_by: str
    places: tuple[str, ...]
    others: Sequence[LookupFailed] = ()
    """Other libraries that are not found, named in the same line."""

    def __str__(self) -> str:
        looked = ", ".join(self.places) or "no directory"
        advice = "add its directory to LD_LIBRARY_PATH"
        # The loader searches no directories for a name with a slash, such as the interpreter's.
        if "/" in self.name:
            advice = "give the tree that has it as --sysroot"
        others = (f"{each.name} (needed by {each.needed_by})" for each in self.others)
        return (
            f"Unable to lookup shared library: {self.name}, needed by {self.needed_by}, "
            f"is not found; looked in {looked}; {_listed('not found either', others)}"
            f"install the package that has it, or {advice}"
        )


class LookupRefused(MagicpakError):
    """The loader finds a file for a needed library, but cannot load it."""

    name: str
    needed_by: str
    path: str
    reason: str
    others: Sequence[LookupRefused] = ()

    def __str__(self) -> str:
        others = (f"{each.path} (for {each.needed_by}): {each.reason}" for each in self.others)
        return (
            f"Unable to lookup shared library: {self.name}, needed by {self.needed_by}: the loader "
            f"finds {self.path} but cannot load it: {self.reason}; {_listed('likewise', others)}"
            f"remove or replace that file"
        )


class HelperFailed(MagicpakError):
    """The helper program that queries the dynamic loader does not compile."""

    output: str

    def __str__(self) -> str:
        return (
            "Error happened during the compilation of library resolver: "
            f"{self.output or 'the compiler printed nothing'}"
        )


class WillNotStart(MagicpakError):
    """A program needs a library that its loader does not find in the bundle."""

    path: str
    name: str
    reason: str
    others: Sequence[WillNotStart] = ()

    def __str__(self) -> str:
        others = (f"{each.path}: {each.name}: {each.reason}" for each in self.others)
        return (
            f"{self.path} would not start in the bundle: {self.name}: {self.reason}; "
            f"{_listed('nor would', others)}--include the missing file, or --exclude {self.path}"
        )


Failure = TypeVar("Failure", LookupFailed, LookupRefused, WillNotStart)


def together(failures: Sequence[Failure]) -> Failure:
    """Join errors of one kind, so that one run reports all of them."""
    first, *others = failures
    return type(first)(**{**vars(first), "others": others})


def _listed(label: str, texts: Iterable[str]) -> str:
    """Write further errors: the first few, and the number of the others."""
    told = list(dict.fromkeys(texts))
    more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return f"{label}: {', '.join(told[:NAMED])}{more}; " if told else ""

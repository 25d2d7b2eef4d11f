"""What is found for an executable: its libraries, and why they are where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from magicpak.elf import Elf
from magicpak.loader.errors import LookupFailed, LookupRefused
from magicpak.loader.search import Place


class View(Protocol):
    """The files that the loader sees: the host's, or those of a bundle."""

    def elf(self, path: str) -> Elf | None:
        """Read an object; None where there is no such file. Raises MalformedExecutable."""
        ...


Ask = Callable[[str], str | None]
"""Ask the real loader where it would load a name from."""


class Library(NamedTuple):
    """A library of the closure, how it was found, and who needs it."""

    name: str
    """The needed name under which it was found."""
    path: str
    elf: Elf
    place: Place
    needed_by: str
    optional: bool = False
    """Loaded later, by dlopen(3): the program starts without it."""


class Notice(NamedTuple):
    """Something worth telling the user."""

    level: int
    """As in logging."""
    text: str


class Closure(NamedTuple):
    """All that one executable loads, in the loader's order, and what it does not find."""

    libraries: tuple[Library, ...] = ()
    failures: tuple[LookupFailed | LookupRefused, ...] = ()
    baseline: tuple[Library, ...] = ()
    """What it loads instead on the oldest processor, which has no use for glibc-hwcaps."""
    notices: tuple[Notice, ...] = ()

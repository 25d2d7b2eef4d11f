"""The closure of an executable: its libraries, and how each was found."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from magicpak.elf import Elf
from magicpak.loader.cache import level
from magicpak.loader.errors import LookupFailed, LookupRefused
from magicpak.loader.search import How, Place
from magicpak.loader.versions import Refusal


class View(Protocol):
    """The files that the loader sees: the host's, or those of a bundle."""

    def elf(self, path: str) -> Elf | None:
        """Read an object; None where there is no such file. Raises MalformedExecutable."""
        ...

    def failure(self, path: str) -> int:
        """Return the errno with which stat(2) fails at a path; 0 if there is something."""
        ...


Ask = Callable[[str], str | None]
"""Asks the real loader for the path from which it loads a name."""


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
    dispensable: str = ""
    """Why the program starts without it, and may say nothing; empty if it needs it to start."""
    auditor: str = ""
    """The auditor in whose namespace it is loaded; empty for the program's."""

    @property
    def level(self) -> str:
        """The glibc-hwcaps subdirectory that the loader added to a directory to find it, if any."""
        named = self.place.how is How.SLASH or self.path == f"{self.place.directory}/{self.name}"
        return "" if named else level(self.path)


class Notice(NamedTuple):
    """A message for the user."""

    level: int
    """A level of ``logging``."""
    text: str


class Closure(NamedTuple):
    """The libraries of one executable, in the loader's order, and those that are not found."""

    libraries: tuple[Library, ...] = ()
    failures: tuple[LookupFailed | LookupRefused, ...] = ()
    baseline: tuple[Library, ...] = ()
    """The libraries loaded instead on the oldest processor, without glibc-hwcaps."""
    notices: tuple[Notice, ...] = ()
    refusals: tuple[Refusal, ...] = ()

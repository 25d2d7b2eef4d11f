"""What is asked of a kind of run-time data, and how its files are found."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from magicpak.errors import MagicpakError
from magicpak.host import Host, globbing
from magicpak.plan import Bundle, BundlePath, Link, Meta, Origin, Placed, patterns
from magicpak.runtime.subject import Reader, Subject


class DataNotFound(MagicpakError):
    """What ``--with`` asks for is not here."""

    name: str
    """The value of the option."""
    what: str
    advice: str

    def __str__(self) -> str:
        return f"Unable to find the run-time data of --with {self.name}: {self.what}; {self.advice}"


class Request(NamedTuple):
    """A kind of data to bring, for the objects of a bundle."""

    name: str
    values: tuple[str, ...]
    """Which parts of the data are asked for; without any, the usual ones."""
    origin: Origin
    host: Host
    bundle: Bundle
    subjects: Sequence[Subject]
    reader: Reader
    busybox: str
    """The busybox of ``--busybox``."""

    def entries(self, paths: Iterable[str]) -> Iterator[Placed]:
        """Yield the entries of host paths, of a directory with all below it."""
        for path in paths:
            yield from self.host.entries(path, self.host.place(path), self.origin, tree=True)

    def found(self, *texts: str) -> list[str]:
        """List the host paths that patterns match."""
        return found(self.host, texts)

    def link(self, path: str, target: str) -> Placed:
        """Plan a symbolic link."""
        return Placed(BundlePath(path), Link(target, Meta(0o777)), self.origin)

    def missing(self, what: str, advice: str) -> DataNotFound:
        """Return the error for data that is not here."""
        text = f"{self.name}={','.join(self.values)}" if self.values else self.name
        return DataNotFound(text, what, advice)

    def glibc(self) -> list[str]:
        """List the directories of glibc."""
        return list(self.beside(r"libc\.so\.6(\.1)?|libc-2\.\d+\.so"))

    def musl(self) -> bool:
        """Tell whether the C library is musl."""
        loaders = (each.elf.interpreter or "" for each in self.subjects)
        return any("/ld-musl-" in loader for loader in loaders)

    def beside(self, soname: str) -> Iterator[str]:
        """Yield the directories of the libraries whose name matches a regular expression."""
        regex = re.compile(soname)
        real = (each.real for each in self.subjects if regex.fullmatch(each.name))
        yield from dict.fromkeys(path.rpartition("/")[0] for path in real)


Bring = Callable[[Request], Iterator[Placed]]
"""Yields the entries of a kind of data. Raises DataNotFound, IoError."""


def found(host: Host, texts: Iterable[str]) -> list[str]:
    """List the host paths that patterns match."""
    return [path for text in texts for path in globbing.matches(host, patterns.include(text))]

"""The objects that evidence is read from, and what their constants mention."""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

from magicpak import elf as elf_reader
from magicpak.elf import Elf
from magicpak.errors import MagicpakError
from magicpak.host import Host

log = logging.getLogger(__name__)

PATH = re.compile(rb"/(?:etc|usr|opt|var|srv|run|lib\w*|s?bin|tmp|dev)(?:/[\w./+@~-]*|(?=[\0:]))")
SHARED = re.compile(rb"share/[\w./+@-]+")
"""A path below the prefix that a program finds by its own place."""
ENDING = re.compile(rb"\.so")
LIBRARY = re.compile(rb"[\w+.$@{}/-]*\.so(?:\.\d+)*(?![\w.])")
LONGEST = 255
"""Bytes before ``.so`` that can be part of a name."""


class Mentions(NamedTuple):
    """The texts among the constants of an object that look like paths or names of libraries."""

    paths: frozenset[str] = frozenset()
    libraries: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    """Those of WORDS that are there; of a program alone."""


WORDS = ("zoneinfo", 'TZ="', "C.UTF-8", "/tmp", "time.LoadLocation", "/bin/sh\0")  # noqa: S108
"""Texts that are no paths of their own, and that evidence asks for."""


class Subject(NamedTuple):
    """An ELF object of the bundle, and how near it is to a program."""

    path: str
    """Of the host."""
    real: str
    """The path without links."""
    elf: Elf
    program: str
    """The program or plugin that it belongs to: itself, or what needs it, at any remove."""
    near: bool
    """Whether it is a program, a plugin, or a library that one of these needs directly.

    A library further away has many users: what it imports says little of this one.
    """
    libc: bool = False
    """Whether it is a part of the C library: its functions are what others import."""

    @property
    def is_program(self) -> bool:
        """Whether it is a program or a plugin rather than a library that one needs."""
        return self.path == self.program

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.path.rpartition("/")[2]


class Reader:
    """Reads the constants and imports of objects, each once."""

    def __init__(self, host: Host) -> None:
        """Read files of this host."""
        self._host = host
        self._known: dict[tuple[int, int], Mentions] = {}
        self._imports: dict[tuple[int, int], Set[str]] = {}

    def imports(self, subject: Subject) -> Set[str]:
        """Return which symbols others define for an object; none of one that cannot be read."""
        if subject.elf.imports is not None:
            return subject.elf.imports
        identity = subject.elf.identity
        if identity not in self._imports:
            self._imports[identity] = self._read_imports(subject.path)
        return self._imports[identity]

    def _read_imports(self, path: str) -> Set[str]:
        try:
            return elf_reader.imports(self._host.opened(path), path)
        except (OSError, MagicpakError) as e:
            # The tables of symbols may be damaged: the loader has its own say.
            log.info("%s: its symbols cannot be read: %s", path, e)
            return frozenset()

    def mentions(self, subject: Subject) -> Mentions:
        """Return what an object mentions; nothing of one that can no longer be read."""
        identity = subject.elf.identity
        if identity not in self._known:
            words = WORDS if subject.is_program else ()
            self._known[identity] = found_in(self.constants(subject.path), words)
        return self._known[identity]

    def constants(self, path: str) -> Iterator[bytes]:
        """Yield the constants of an ELF file in pieces; nothing of one that cannot be read."""
        try:
            yield from elf_reader.constants(self._host.opened(path), path)
        except (OSError, MagicpakError) as e:
            log.info("%s: its constants cannot be read: %s", path, e)


def found_in(pieces: Iterable[bytes], sought: Iterable[str] = WORDS) -> Mentions:
    """Look for paths, names of libraries and words. Pure."""
    paths: set[bytes] = set()
    libraries: set[bytes] = set()
    words: set[str] = set()
    for piece in pieces:
        paths.update(match[0] for match in PATH.finditer(piece) if not _in_prose(match))
        paths.update(SHARED.findall(piece))
        libraries.update(_libraries(piece))
        words.update(word for word in sought if word.encode() in piece)
    return Mentions(
        frozenset(map(os.fsdecode, paths)), frozenset(map(os.fsdecode, libraries)), frozenset(words)
    )


def _in_prose(match: re.Match[bytes]) -> bool:
    """Tell whether a path is a word of a text, as an example of usage is, rather than its end."""
    text, (start, end) = match.string, match.span()
    return start > 0 and text[start - 1] in b" \t\n" and text[end : end + 1] != b"\0"


def _libraries(piece: bytes) -> Iterator[bytes]:
    """Yield the names around each ``.so``: much faster than a search for their first character."""
    for ending in ENDING.finditer(piece):  # twice as fast as bytes.find
        at = ending.start()
        first = max(at - LONGEST, 0)
        start = max(piece.rfind(b"\0", first, at) + 1, first)
        for match in LIBRARY.finditer(piece, start, at + 16):
            if match.end() > at:
                yield match[0]

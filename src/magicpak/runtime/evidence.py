"""Weigh what objects say about themselves: which kinds of run-time data they use, and why."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from magicpak.host.script import is_shell
from magicpak.runtime.kinds import KINDS, Kind
from magicpak.runtime.subject import Reader, Subject


class Sign(NamedTuple):
    """Evidence that a program uses a kind of data."""

    kind: Kind
    subject: Subject
    """The object that has the evidence."""
    verb: str
    """``imports``, ``needs`` or ``names``."""
    what: str
    """The function, library or text."""

    @property
    def short(self) -> str:
        """The evidence as seen from the program."""
        if self.verb == "needs" or self.subject.is_program:
            return self.what
        return f"{self.what} in {self.subject.name}"

    def __str__(self) -> str:
        return f"{self.subject.name} {self.verb} {self.what}"


def signs(
    subjects: Iterable[Subject], reader: Reader, kinds: Iterable[Kind] = KINDS, *, thorough: bool
) -> Iterator[Sign]:
    """Yield the evidence for kinds of data, the first of each program.

    Unless ``thorough``, constants are read only where imports make it likely that they tell.
    """
    known = set()
    for subject in subjects:
        needed = subject.elf.needed if subject.near else ()
        for kind in kinds if subject.near else ():
            if (kind.name, subject.program) in known:
                continue
            sign = _sign(kind, subject, needed, reader, thorough=thorough)
            if sign is not None:
                known.add((kind.name, subject.program))
                yield sign


def _sign(
    kind: Kind, subject: Subject, needed: Sequence[str], reader: Reader, *, thorough: bool
) -> Sign | None:
    imports = reader.imports(subject)
    reads = _first(needed, kind.readers)
    if names := imports & kind.imports:
        return Sign(kind, subject, *(("needs", reads) if reads else ("imports", min(names))))
    if subject.is_program and (names := imports & kind.own_imports):
        return Sign(kind, subject, "imports", min(names))
    if subject.is_program and (soname := _first(needed, kind.own_needs)):
        return Sign(kind, subject, "needs", soname)
    static = subject.is_program and not needed
    if kind.paths and (reads or static):
        for path in sorted(reader.mentions(subject).paths):
            if any(start in path for start in kind.paths):
                return Sign(kind, subject, *(("needs", reads) if reads else ("names", path)))
    words = kind.static_words if static else kind.words
    itself = kind.name == "shell" and is_shell(subject.path)  # it may name itself
    if words and subject.is_program and not itself and (thorough or imports & kind.beside):
        found = words & reader.mentions(subject).words
        if found:
            return Sign(kind, subject, "names", min(found).rstrip("\0"))
    return None


def _first(sonames: Sequence[str], starts: str | tuple[str, ...]) -> str:
    """Return the first library whose name begins like this; nothing begins like no text."""
    return next((name for name in sonames if name.startswith(starts)), "") if starts else ""

"""Where the files of a run were before it, which has renamed or linked them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from magicpak.trace.aliases import origin
from magicpak.trace.calls import Kind

_OF_THE_NAME = frozenset((Kind.ABSENT, Kind.MADE, Kind.REPLACED, Kind.REMOVED, Kind.HIDDEN))
"""What is told about a name, whatever file has it, not about the file."""


class Moved:
    """The files that have another name than before, up to a line of a log."""

    def __init__(self) -> None:
        """Know that all are where they were."""
        self._from: dict[str, str] = {}

    def held(self, path: str) -> str:
        """Return where what is at a path now was before."""
        return origin(path, self._from) or path

    def of(self, path: str, kind: Kind) -> str | None:
        """Return of which other path an access tells as well."""
        held = self.held(path) if self._from and kind not in _OF_THE_NAME else path
        return None if held == path else held

    def linked(self, first: str, second: str, kind: Kind) -> Iterator[tuple[str, Kind]]:
        """Take in that a file has got a second name; ``kind`` tells how that was made."""
        yield self._gets(second, self.held(first), kind)

    def renamed(self, first: str, second: str, kind: Kind) -> Iterator[tuple[str, Kind]]:
        """Take in that a file has got another name."""
        held = self.held(first)
        self._from.pop(first, None)
        yield self._gets(second, held, kind)
        if held == first:
            yield first, Kind.AWAY

    def exchanged(self, first: str, second: str) -> Iterator[tuple[str, Kind]]:
        """Take in that two files have changed their names."""
        held = self.held(first)
        yield self._gets(first, self.held(second), Kind.AWAY)
        yield self._gets(second, held, Kind.AWAY)

    def _gets(self, path: str, held: str, kind: Kind) -> tuple[str, Kind]:
        if held == path:
            self._from.pop(path, None)
            return path, Kind.BACK
        self._from[path] = held
        return path, kind

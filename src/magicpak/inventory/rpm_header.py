"""Read the header of a package as rpm's database has it.

The format is rpm's docs/manual/format_header.md, without the magic number in front: two counts, an
index of tags, and the data that the index points into. All numbers are big-endian.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from enum import IntEnum


class Tag(IntEnum):
    """What a header says, as far as it counts here."""

    NAME = 1000
    VERSION = 1001
    RELEASE = 1002
    EPOCH = 1003
    BUILDTIME = 1006
    INSTALLTIME = 1008
    SIZE = 1009
    VENDOR = 1011
    LICENSE = 1014
    PACKAGER = 1015
    ARCH = 1022
    FILEFLAGS = 1037
    SOURCERPM = 1044
    DIRINDEXES = 1116
    BASENAMES = 1117
    DIRNAMES = 1118
    LONGSIZE = 5009


NUMBERS = {2: "b", 3: "H", 4: "I", 5: "Q"}
"""Types of data that are numbers, as struct(3) codes."""
TEXTS = (6, 8, 9)
"""Types of data that are texts which end with a NUL: one, an array, translations of one."""
INDEX = 8
ENTRY = 16


class Header:
    """A header. Its methods raise ValueError and struct.error where it is damaged."""

    def __init__(self, blob: bytes) -> None:
        """Read the index."""
        count, size = struct.unpack_from(">II", blob)
        self._data = blob[INDEX + ENTRY * count :][:size]
        entries = blob[INDEX : INDEX + ENTRY * count]
        if len(entries) != ENTRY * count or len(self._data) != size:
            raise ValueError("it is cut off")
        self._index = {
            tag: (kind, offset, count)
            for tag, kind, offset, count in struct.iter_unpack(">IIiI", entries)
        }

    def numbers(self, tag: Tag) -> tuple[int, ...]:
        """Return the numbers of a tag, none where it is missing."""
        kind, offset, count = self._index.get(tag, (4, 0, 0))
        code = NUMBERS.get(kind)
        if code is None or count > len(self._data):
            raise ValueError(f"its {tag.name} is no number")
        return struct.unpack_from(f">{count}{code}", self._data, offset)

    def texts(self, tag: Tag) -> list[str]:
        """Return the texts of a tag, none where it is missing."""
        kind, offset, count = self._index.get(tag, (8, 0, 0))
        if kind not in TEXTS or count > len(self._data) or offset < 0:
            raise ValueError(f"its {tag.name} is no text")
        parts = self._data[offset:].split(b"\0", count)
        if len(parts) <= count:
            raise ValueError(f"its {tag.name} is cut off")
        return os.fsdecode(b"\0".join(parts[:count])).split("\0") if count else []

    def text(self, tag: Tag) -> str:
        """Return the only text of a tag, or the first; empty where it is missing."""
        return next(iter(self.texts(tag)), "")

    def number(self, *tags: Tag) -> int | None:
        """Return the only number of the first of these tags that is there."""
        return next((number for tag in tags for number in self.numbers(tag)), None)

    def paths(self) -> Iterator[str]:
        """Give the files: a name each, and the number of its directory."""
        directories = self.texts(Tag.DIRNAMES)
        for index, name in zip(
            self.numbers(Tag.DIRINDEXES), self.texts(Tag.BASENAMES), strict=True
        ):
            yield directories[index] + name

"""Read one table of an SQLite file: the single file of magicpak has no sqlite3.

The format is https://www.sqlite.org/fileformat2.html; all numbers are big-endian. A table is a
b-tree of pages, keyed by rowid; its leaves hold the rows, and long ones go on in overflow pages.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from magicpak.host.sysroot import Sysroot
from magicpak.inventory import files

MAGIC = b"SQLite format 3\0"
FILE_HEADER = 100
SCHEMA_PAGE = 1
INTERIOR, LEAF = 5, 13
"""Types of the pages of a table."""
LOG_HEADER, FRAME_HEADER = 32, 24
NUMBER_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)
"""By serial type: NULL, six integers, a float, and the constants 0 and 1."""

Row = list[int | bytes]


class Table:
    """The rows of a database that is only read. Its methods raise ValueError and struct.error."""

    def __init__(self, file: int, log: int | None = None) -> None:
        """Take a file and its write-ahead log, which may hold newer pages."""
        header = files.part(file, 0, FILE_HEADER)
        if not header.startswith(MAGIC):
            raise ValueError("it is no SQLite database")
        (size,) = struct.unpack_from(">H", header, 16)
        self._size = 65536 if size == 1 else size
        self._usable = self._size - header[20]
        if self._size < 512 or self._usable < 480:
            raise ValueError("its size of a page is wrong")
        self._file = file
        self._newer = dict(_logged(log, self._size)) if log is not None else {}
        self._log = log
        self._largest = sum(os.fstat(each).st_size for each in (file, log) if each is not None)

    def _page(self, number: int) -> bytes:
        if self._log is not None and number in self._newer:
            return files.part(self._log, self._newer[number], self._size)
        return files.part(self._file, (number - 1) * self._size, self._size)

    def rows(self, name: bytes) -> Iterator[Row]:
        """Give the rows of a table; numbers are those that are stored, never a rowid."""
        # The schema is a table itself: type, name, table, root page, SQL.
        for kind, found, _, root, *_ in self._rows(SCHEMA_PAGE):
            if kind == b"table" and found == name and isinstance(root, int):
                yield from self._rows(root)

    def _rows(self, root: int) -> Iterator[Row]:
        """Walk a b-tree from left to right."""
        pending, seen = [root], set[int]()
        while pending:
            number = pending.pop()
            if number in seen or number < 1:
                raise ValueError("its pages lead in a circle")
            seen.add(number)
            page = self._page(number)
            start = FILE_HEADER if number == SCHEMA_PAGE else 0
            kind, count = struct.unpack_from(">B2xH", page, start)
            cells = start + (12 if kind == INTERIOR else 8)
            pointers = struct.unpack_from(f">{count}H", page, cells)
            if kind == INTERIOR:
                children = [struct.unpack_from(">I", page, at)[0] for at in pointers]
                children += struct.unpack_from(">I", page, start + 8)
                pending += reversed(children)
            elif kind == LEAF:
                for at in pointers:
                    yield _row(self._payload(page, at))
            else:
                raise ValueError(f"page {number} is none of a table")

    def _payload(self, page: bytes, at: int) -> bytes:
        """Read a cell of a leaf: its length, the rowid, and the row or the first part of that."""
        total, at = _varint(page, at)
        _, at = _varint(page, at)
        if total > self._largest:
            raise ValueError("a row is longer than the file")
        local = total
        if total > self._usable - 35:
            least = (self._usable - 12) * 32 // 255 - 23
            local = least + (total - least) % (self._usable - 4)
            if local > self._usable - 35:
                local = least
        parts = [page[at : at + local]]
        missing = total - local
        following = struct.unpack_from(">I", page, at + local)[0] if missing else 0
        while missing > 0:
            overflow = self._page(following)
            (following,) = struct.unpack_from(">I", overflow)
            parts.append(overflow[4 : min(self._usable, 4 + missing)])
            missing -= self._usable - 4
        return b"".join(parts)


def _logged(log: int, size: int) -> Iterator[tuple[int, int]]:
    """Give the pages that a write-ahead log has, and where: those of whole transactions."""
    frames: list[tuple[int, int]] = []
    try:
        salts = files.part(log, 16, 8)
        at = LOG_HEADER
        while True:
            number, committed, own = struct.unpack(">II8s8x", files.part(log, at, FRAME_HEADER))
            if own != salts:
                return  # left from before the log was begun anew
            frames.append((number, at + FRAME_HEADER))
            at += FRAME_HEADER + size
            if committed:
                yield from frames
                frames = []
    except ValueError:
        return  # its end


def _row(payload: bytes) -> Row:
    """Read the columns of a row."""
    values: Row = []
    end, at = _varint(payload, 0)
    data = end
    while at < end:
        kind, at = _varint(payload, at)
        size = NUMBER_SIZES[kind] if kind < 10 else max(0, kind - 12) // 2
        value = payload[data : data + size]
        values.append(int.from_bytes(value, "big", signed=True) if kind < 10 else value)
        data += size
    return values


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of one to nine bytes; return it, and where the next thing is."""
    value = 0
    for index in range(at, at + 8):
        value = value << 7 | data[index] & 0x7F
        if data[index] < 0x80:
            return value, index + 1
    return value << 8 | data[at + 8], at + 9


def headers(host: Sysroot, path: str) -> Iterator[bytes]:
    """Give what rpm's database has of each package. Raises ValueError, struct.error, IndexError."""
    with files.opened(host, path) as file, files.opened(host, f"{path}-wal") as log:
        if file is None:
            return
        for _, blob, *_ in Table(file, log).rows(b"Packages"):
            if isinstance(blob, bytes):
                yield blob

"""Read a hash of Berkeley DB: ``Packages`` of RHEL 8 and earlier (its dbinc/db_page.h).

Of the pages of the hash, each holds pairs of key and value, counted from the page's end; a long
value is a chain of overflow pages. Numbers are in the byte order of the machine that wrote it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from magicpak.host.sysroot import Sysroot
from magicpak.inventory import files

HASH_MAGIC = 0x061561
PAGE_HEADER = 26
HASH_UNSORTED, OVERFLOW, HASH = 2, 7, 13
"""Types of pages."""
INLINE, OFF_PAGE = 1, 3
"""Types of values."""
COUNTER = 4
"""The size of a value that is no package: the next number to give."""


def headers(host: Sysroot, path: str) -> Iterator[bytes]:
    """Give what rpm's database has of each package. Raises ValueError, struct.error, IndexError."""
    with files.opened(host, path) as file:
        if file is None:
            return
        meta = files.part(file, 0, 72)
        orders = [o for o in "<>" if struct.unpack_from(f"{o}I", meta, 12)[0] == HASH_MAGIC]
        if not orders:
            raise ValueError("it is no hash of Berkeley DB")
        (order,) = orders
        size, last = struct.unpack_from(f"{order}I8xI", meta, 20)
        if size < 512:
            raise ValueError("its size of a page is wrong")
        for number in range(1, last + 1):
            page = files.part(file, number * size, size)
            if page[25] in (HASH, HASH_UNSORTED):
                yield from _values(file, page, order)


def _values(file: int, page: bytes, order: str) -> Iterator[bytes]:
    """Give the values of a page; keys and values take turns."""
    (count,) = struct.unpack_from(f"{order}H", page, 20)
    offsets = struct.unpack_from(f"{order}{count}H", page, PAGE_HEADER)
    for before, at in zip(offsets[::2], offsets[1::2], strict=False):
        value = page[at:before]
        if value[0] == OFF_PAGE:
            number, length = struct.unpack_from(f"{order}II", value, 4)
            value = _chained(file, len(page), number, length, order)
        elif value[0] == INLINE:
            value = value[1:]
        if len(value) != COUNTER:
            yield value


def _chained(file: int, size: int, number: int, length: int, order: str) -> bytes:
    if length > os.fstat(file).st_size:
        raise ValueError("a package is longer than the file")
    parts = []
    while length > 0:
        page = files.part(file, number * size, size)
        number, used, kind = struct.unpack_from(f"{order}I2xHxB", page, 16)
        if kind != OVERFLOW or not 0 < used <= size - PAGE_HEADER:
            raise ValueError(f"a page that belongs to a package is damaged, before page {number}")
        parts.append(page[PAGE_HEADER : PAGE_HEADER + min(used, length)])
        length -= used
    return b"".join(parts)

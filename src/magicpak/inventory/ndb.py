"""Read rpm's own store, ``Packages.db`` of SUSE (rpm's lib/backend/ndb/rpmpkg.c).

Blocks of 16 bytes. Behind a header, pages of slots tell where the blob of each package is. All
numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from magicpak.host.sysroot import Sysroot
from magicpak.inventory import files

MAGIC, SLOT, BLOB = b"RpmP", b"Slot", b"BlbS"
BLOCK = 16
HEADER = 32
SLOT_PAGE = 4096


def headers(host: Sysroot, path: str) -> Iterator[bytes]:
    """Give what the database has of each package. Raises ValueError, struct.error."""
    with files.opened(host, path) as file:
        if file is None:
            return
        magic, version, pages = struct.unpack("<4sI4xI", files.part(file, 0, 16))
        if magic != MAGIC or version != 0:
            raise ValueError("it is no database that rpm writes as ndb")
        slots = files.part(file, HEADER, pages * SLOT_PAGE - HEADER)
        found = []
        for magic, package, block, _ in struct.iter_unpack("<4sIII", slots):
            if magic != SLOT:
                raise ValueError("its table of packages is damaged")
            if block:
                found.append((package, block))
        for package, block in sorted(found):
            magic, owner, size = struct.unpack("<4sI4xI", files.part(file, block * BLOCK, 16))
            if magic != BLOB or owner != package:
                raise ValueError(f"its entry of package {package} is damaged")
            yield files.part(file, block * BLOCK + 16, size)

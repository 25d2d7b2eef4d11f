"""Hash the content of files while they are copied, or where they are not (FIPS 180-4)."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator

from magicpak.output.copying import MOST_UNTOLD, SMALL, Progress, opened
from magicpak.plan import File

FINE = 64 << 10
"""Bytes of the blocks of a file with holes, of which those that are all zeros are not written."""


class Digests:
    """The SHA-256 of what is written, in hexadecimal, each file read once."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[object, str] = {}

    def of(self, entry: File) -> str:
        """Return the digest of a file; one that was not copied is read. Raises as ``opened``."""
        if entry.stored not in self._known:
            self._known[entry.stored] = _digest(entry)
        return self._known[entry.stored]

    def copy(self, entry: File, source: int, out: int, progress: Progress) -> None:
        """Copy an open file into an open, empty one, with the entry's patch. Raises OSError."""
        status = os.fstat(source)
        sparse = status.st_blocks * 512 < status.st_size
        found, size = hashlib.sha256(), 0
        for offset, block in _blocks(source, entry, FINE if sparse else SMALL):
            found.update(block)
            if not sparse or block.count(0) < len(block):
                _write(out, block, offset)
            size = offset + len(block)
            progress(len(block))
        if sparse:
            os.ftruncate(out, size)
        self._known[entry.stored] = found.hexdigest()


def _digest(entry: File) -> str:
    if entry.content is not None:
        return hashlib.sha256(entry.content).hexdigest()
    source = opened(entry)
    try:
        found = hashlib.sha256()
        for _, block in _blocks(source, entry):
            found.update(block)
        return found.hexdigest()
    finally:
        os.close(source)


def _blocks(source: int, entry: File, most: int = SMALL) -> Iterator[tuple[int, bytes]]:
    """Yield the blocks of an open file with their offsets, up to the size that it had at first."""
    size = os.fstat(source).st_size
    at, patch = entry.patch or (0, b"")
    offset = 0
    # Files of /proc tell no size.
    while block := os.read(source, min(most, size - offset) if size else most):
        begin, end = max(at, offset), min(at + len(patch), offset + len(block))
        if begin < end:
            inner = patch[begin - at : end - at]
            yield offset, block[: begin - offset] + inner + block[end - offset :]
        else:
            yield offset, block
        offset += len(block)
        if not size and offset > MOST_UNTOLD:
            raise OSError(errno.EFBIG, "it tells no size, and has no end in sight")


def _write(out: int, block: bytes, offset: int) -> None:
    while block:
        written = os.pwrite(out, block, offset)
        block, offset = block[written:], offset + written

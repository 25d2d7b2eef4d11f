"""Hash the content of files while they are copied, or where they are not (FIPS 180-4)."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Sequence

from magicpak.output.copying import MOST_UNTOLD, SMALL, Progress, opened
from magicpak.plan import File

FINE = 64 << 10
"""Bytes of the blocks of a file with holes, of which those that are all zeros are not written."""

SHA1, SHA256 = "sha1", "sha256"
Hashes = dict[str, "hashlib._Hash"]


class Digests:
    """The hashes of what is written, in hexadecimal, each file read once."""

    def __init__(self, algorithms: Sequence[str] = (SHA256,)) -> None:
        """Know none yet."""
        self._algorithms = algorithms
        self._known: dict[object, dict[str, str]] = {}

    def of(self, entry: File, algorithm: str = SHA256) -> str:
        """Return a hash of a file; one that was not copied is read. Raises as ``opened``.

        It is empty for an algorithm that was not asked for.
        """
        if entry.stored not in self._known:
            found = self._new()
            _read(entry, found)
            self._known[entry.stored] = _hex(found)
        return self._known[entry.stored].get(algorithm, "")

    def _new(self) -> Hashes:
        return {each: hashlib.new(each, usedforsecurity=False) for each in self._algorithms}

    def copy(self, entry: File, source: int, out: int, progress: Progress) -> None:
        """Copy an open file into an open, empty one, with the entry's patch. Raises OSError."""
        status = os.fstat(source)
        sparse = status.st_blocks * 512 < status.st_size
        found, size = self._new(), 0
        for offset, block in _blocks(source, entry, FINE if sparse else SMALL):
            _update(found, block)
            if not sparse or block.count(0) < len(block):
                _write(out, block, offset)
            size = offset + len(block)
            progress(len(block))
        if sparse:
            os.ftruncate(out, size)
        self._known[entry.stored] = _hex(found)


def _update(hashes: Hashes, block: bytes) -> None:
    for each in hashes.values():
        each.update(block)


def _hex(hashes: Hashes) -> dict[str, str]:
    return {name: each.hexdigest() for name, each in hashes.items()}


def _read(entry: File, hashes: Hashes) -> None:
    if entry.content is not None:
        _update(hashes, entry.content)
        return
    source = opened(entry)
    try:
        for _, block in _blocks(source, entry):
            _update(hashes, block)
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

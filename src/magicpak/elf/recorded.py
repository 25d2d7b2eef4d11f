"""Read what compilers record in an ELF file of the modules that it was built from.

Go has a section ``.go.buildinfo`` (its debug/buildinfo), cargo-auditable one ``.dep-v0``.
"""

import struct
from typing import NamedTuple

from magicpak.elf.image import Image
from magicpak.elf.sections import content

GO, CARGO = b".go.buildinfo", b".dep-v0"
MAGIC = b"\xff Go buildinf:"
HEADER = 32
INLINE, BIG_ENDIAN = 2, 1
"""Flags: since Go 1.18 the texts follow the header; before, pointers to them are in it."""
SENTINEL = 16
"""Bytes around the text of the modules."""
MOST = 8 << 20
"""Bytes of any of it."""


class BuildInfo(NamedTuple):
    """What is recorded; empty where nothing is."""

    go: str = ""
    """The version of Go."""
    modules: str = ""
    """A line for each Go module, with tabs between its fields."""
    cargo: bytes = b""
    """JSON, compressed by zlib."""


def read(image: Image) -> BuildInfo:
    """Read both. Raises what reading a damaged file raises."""
    found = content(image, (GO, CARGO), MOST)
    try:
        go, modules = _go(image, found.get(GO, b""))
    except (IndexError, struct.error) as e:
        raise ValueError("its build information is damaged") from e
    text = modules[SENTINEL:-SENTINEL] if len(modules) > 2 * SENTINEL else b""
    cargo = found.get(CARGO, b"")
    return BuildInfo(go.decode(errors="replace"), text.decode(errors="replace"), cargo)


def _go(image: Image, section: bytes) -> tuple[bytes, bytes]:
    """Return the version of Go, and the modules."""
    at = section.find(MAGIC)
    if at < 0:
        return b"", b""
    data = section[at:]
    if data[15] & INLINE:
        go, end = _inline(data, HEADER)
        return go, _inline(data, end)[0]
    return _pointed(image, data, 16), _pointed(image, data, 16 + data[14])


def _inline(data: bytes, at: int) -> tuple[bytes, int]:
    """Read a text after its length (encoding/binary's Uvarint); return where it ends, too."""
    length = shift = 0
    while True:
        byte = data[at]
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return data[at : at + length], at + length


def _pointed(image: Image, data: bytes, at: int) -> bytes:
    """Read a text by the pointer to its header, which is another pointer and a length."""
    order, word = ">" if data[15] & BIG_ENDIAN else "<", "I" if data[14] == 4 else "Q"
    (header,) = struct.unpack_from(f"{order}{word}", data, at)
    pair = f"{order}2{word}"
    text, length = struct.unpack(pair, image.part(image.offset(header), struct.calcsize(pair)))
    return image.part(image.offset(text), min(length, MOST)) if length else b""

"""Read the headers of an open ELF file, and its bytes by virtual address.

The format is that of the System V ABI (gabi, chapters 4 and 5) and elf(5). pyelftools reads the
file header and names numbers; tables are read by ``struct``, at a fraction of the time.
"""

import io
import os
import struct
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, BinaryIO, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.common.utils import struct_parse
from elftools.elf.enums import ENUM_P_TYPE_BASE
from elftools.elf.structs import ELFStructs

DAMAGE = (ELFError, UnicodeDecodeError, OverflowError, AssertionError, ValueError)
"""The exceptions that pyelftools and its stream raise on a damaged file; ELFError is ours too."""

MOST_PROGRAM_HEADERS = 1 << 16
"""Bytes: execve(2) refuses more."""
MOST_KEPT = 1000
"""Headers of files, about 200 bytes each."""
PATH_MAX = 4096

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE = (
    ENUM_P_TYPE_BASE[name] for name in ("PT_LOAD", "PT_DYNAMIC", "PT_INTERP", "PT_NOTE")
)


class Header(NamedTuple):
    """What is used of the ELF header (gabi, "ELF Header"), by the names there."""

    bits: int
    little_endian: bool
    e_type: str
    e_machine: str
    e_flags: int
    e_phoff: int
    e_phentsize: int
    e_phnum: int
    e_shoff: int
    e_shentsize: int
    e_shnum: int
    e_shstrndx: int


def read_header(stream: BinaryIO, size: int) -> Header:
    """Read the header of a file of ``size`` bytes. Raises one of DAMAGE."""
    stream.seek(0)
    # A file of the kernel without a size (/proc/kmsg) may have nothing to read, or not yet.
    ident = stream.read(16) if size else b""
    if ident[:4] != b"\x7fELF":
        raise ELFError("the file is empty" if size == 0 else "it is not an ELF file")
    if len(ident) < 16 or ident[4] not in (1, 2) or ident[5] not in (1, 2):
        raise ELFError("the ELF identification is damaged")
    length = _layout(ident[5] == 1, 32 * ident[4]).sizeof()
    if size < length:
        raise ELFError("it ends within the ELF header: it is truncated")
    return _header(ident + stream.read(length - len(ident)))


@lru_cache(MOST_KEPT)
def _header(read: bytes) -> Header:
    # What is opened again, for its symbols or constants, is not parsed again.
    bits, little_endian = 32 * read[4], read[5] == 1
    fields = struct_parse(_layout(little_endian, bits), io.BytesIO(read), 0)
    return Header(bits, little_endian, str(fields["e_type"]), str(fields["e_machine"]),
                  *(fields[name] for name in Header._fields[4:]))  # fmt: skip


@cache
def _layout(little_endian: bool, bits: int) -> Any:
    structs = ELFStructs(little_endian, bits)
    structs.create_basic_structs()
    return structs.Elf_Ehdr


class Segment(NamedTuple):
    """A program header (gabi, "Program Header")."""

    type: int
    flags: int
    offset: int
    address: int
    size: int
    """Bytes in the file."""


class Image:
    """The open file: its headers, and its bytes by virtual address."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        """Read the headers of a file of ``size`` bytes. Raises one of DAMAGE, as all methods do."""
        self.stream = stream
        self.size = size
        self.header = read_header(stream, size)
        self.bits, self.little_endian = self.header[:2]
        self.order = "<" if self.little_endian else ">"
        self.segments = tuple(self._read_segments())

    def part(self, offset: int, length: int) -> bytes:
        """Read at an offset, at most to the end of the file: a damaged length may be huge."""
        self.stream.seek(offset)
        return self.stream.read(max(0, min(length, self.size - offset)))

    def table(self, layout: str, offset: int, length: int) -> Iterator[tuple[int, ...]]:
        """Read entries of a layout of ``struct`` from so many bytes, as far as they are whole."""
        entry = struct.Struct(self.order + layout)
        read = self.part(offset, length)
        return entry.iter_unpack(read[: len(read) - len(read) % entry.size])

    def offset(self, address: int) -> int:
        """Return the file offset of a virtual address, by the segment that maps it."""
        for segment in self.segments:
            start = segment.address
            if segment.type == PT_LOAD and start <= address < start + segment.size:
                return address - start + segment.offset
        raise ELFError(f"no segment maps the address {address:#x}")

    def of_type(self, kind: int) -> list[Segment]:
        """List the segments of a type."""
        return [segment for segment in self.segments if segment.type == kind]

    def _read_segments(self) -> Iterator[Segment]:
        header = self.header
        count, size, offset = header.e_phnum, header.e_phentsize, header.e_phoff
        layout = "2I6Q" if self.bits == 64 else "8I"
        if count and size != struct.calcsize(f"<{layout}"):
            raise ELFError(f"program headers of {size} bytes")
        if count * size > MOST_PROGRAM_HEADERS:
            raise ELFError("it has more program headers than can be loaded")
        if offset + count * size > self.size:
            raise ELFError("the program headers are beyond the end of the file")
        for entry in self.table(layout, offset, count * size):
            if self.bits == 64:
                kind, flags, start, address, _, length, _, _ = entry
            else:
                kind, start, address, _, length, _, flags, _ = entry
            if kind == PT_LOAD and start + length > self.size:
                raise ELFError("it ends within a segment that is loaded: it is truncated")
            yield Segment(kind, flags, start, address, length)

    def interpreter(self) -> str | None:
        """Return the path in PT_INTERP."""
        for segment in self.of_type(PT_INTERP)[:1]:
            length = min(segment.size, PATH_MAX)
            text, end, _ = self.part(segment.offset, length).partition(b"\0")
            if not end or not text:
                raise ELFError("the name of the interpreter is damaged")
            return os.fsdecode(text)
        return None

"""Read what only section headers tell of an ELF file.

The loader does not read them, and a stripped or packed file has none: they serve to find notes that
are meant for tools, and data that a program keeps in its own file.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from elftools.elf.enums import ENUM_SH_TYPE_BASE

from magicpak.elf.image import PATH_MAX, PT_LOAD, PT_NOTE, Image

MOST_NOTES = 1 << 20
"""Bytes of all notes together."""
SHT_PROGBITS, SHT_NOBITS = ENUM_SH_TYPE_BASE["SHT_PROGBITS"], ENUM_SH_TYPE_BASE["SHT_NOBITS"]
SHF_ALLOC = 2
PF_X, PF_W = 1, 2
MOST_NAME = 64
"""Bytes of a name that is asked for."""
PIECE = 4 << 20
"""Bytes of the constants that are read at once."""
PADDING = 4096
"""Up to so many zero bytes at the end of a file are not a payload."""


class Section(NamedTuple):
    """A section header (gabi, "Section Header"), as far as it is of use here."""

    name: int
    """The offset of its name."""
    type: int
    flags: int
    address: int
    offset: int
    size: int


def notes(image: Image) -> Iterator[bytes]:
    """Yield the note segments, and a section of dlopen notes that is in no segment."""
    places = [(segment.offset, segment.size) for segment in image.of_type(PT_NOTE)]
    left = MOST_NOTES
    for offset, size in dict.fromkeys(places + _dlopen_section(image)):
        read = image.part(offset, min(size, left))
        left -= len(read)
        yield read


def constants(image: Image) -> Iterator[bytes]:
    """Yield what is mapped for reading alone, in overlapping pieces; code only without such.

    The tables for unwinding, which are half of that in many libraries, are left out.
    """
    loaded = [s for s in image.of_type(PT_LOAD) if not s.flags & PF_W]
    plain = [s for s in loaded if not s.flags & PF_X and s.offset]
    tables = sorted(_unwinding(image))
    for segment in plain or loaded:
        for start, end in _apart(segment.offset, segment.offset + segment.size, tables):
            for at in range(start, end, PIECE):
                yield image.part(at, min(PIECE + PATH_MAX, end - at))


def _unwinding(image: Image) -> Iterator[tuple[int, int]]:
    """Yield where the tables of the Linux Standard Base, "Exception Frames", begin and end."""
    names = _section_names(image)
    wanted = {names.find(b"\0%b\0" % name) + 1 for name in (b".eh_frame", b".eh_frame_hdr")} - {0}
    for section in _sections(image) if wanted else ():
        if section.name in wanted:
            yield section.offset, section.offset + section.size


def _apart(start: int, end: int, holes: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the parts of a range that are not in one of the holes, which are sorted."""
    for first, last in holes:
        if start < first < end:
            yield start, first
        start = max(start, min(last, end)) if first < end else start
    if start < end:
        yield start, end


def _dlopen_section(image: Image) -> list[tuple[int, int]]:
    """Find a section of dlopen notes that is in no segment, as objcopy(1) adds it for tools."""
    name = _section_names(image).find(b"\0.note.dlopen\0") + 1
    return [
        (section.offset, section.size)
        for section in (_sections(image) if name else ())
        if section.name == name and section.address == 0 and section.offset <= image.size
    ]


def content(image: Image, wanted: Collection[bytes], most: int) -> dict[bytes, bytes]:
    """Read the sections with these names; of each at most so many bytes."""
    names, found = _section_names(image), dict[bytes, bytes]()
    for section in _sections(image) if any(name in names for name in wanted) else ():
        name = names[section.name : section.name + MOST_NAME].partition(b"\0")[0]
        if name in wanted and section.type != SHT_NOBITS and section.offset <= image.size:
            found[name] = image.part(section.offset, min(section.size, most))
    return found


def _sections(image: Image, first: int = 0) -> Iterator[Section]:
    """Read the section headers; none if the file is stripped of them, or damaged."""
    header = image.header
    count, start, size = header.e_shnum, header.e_shoff, header.e_shentsize
    layout = "2I4Q2I2Q" if image.bits == 64 else "10I"
    if size != struct.calcsize(f"<{layout}") or start + count * size > image.size:
        return iter(())
    entries = image.table(layout, start + first * size, (count - first) * size)
    return itertools.starmap(Section, (entry[:6] for entry in entries))


def _section_names(image: Image) -> bytes:
    """Read the table of section names; empty if the file is stripped of it, or damaged."""
    names = next(_sections(image, image.header.e_shstrndx), None)
    if names is None or names.offset > image.size:
        return b""  # the loader ignores that
    return image.part(names.offset, min(names.size, MOST_NOTES))


def payload(image: Image) -> int:
    """Return the number of bytes that are neither loaded nor used by a linker or debugger.

    Programs that read such bytes from their own file find them by their offset: after all that
    the headers describe, or in a section whose name does not begin with a dot.
    """
    header, names, size = image.header, _section_names(image), 0
    ends = [
        header.e_phoff + header.e_phnum * header.e_phentsize,
        header.e_shoff + header.e_shnum * header.e_shentsize,
        *(segment.offset + segment.size for segment in image.segments),
    ]
    for section in _sections(image):
        if section.type == SHT_NOBITS:
            continue
        ends.append(section.offset + section.size)
        own = names[section.name : section.name + 1] not in (b"", b"\0", b".")
        if own and section.type == SHT_PROGBITS and not section.flags & SHF_ALLOC:
            size += section.size
    behind = max(0, image.size - max(ends))
    # patchelf(1), for example, leaves a byte after the last section.
    padding = behind < PADDING and not image.part(max(ends), behind).strip(b"\0")
    return size + (0 if padding else behind)

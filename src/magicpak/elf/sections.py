"""Read what only section headers tell of an ELF file.

The loader does not read them, and a stripped or packed file has none: they serve to find notes that
are meant for tools, and data that a program keeps in its own file.
"""

import itertools
import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple

from elftools.elf.enums import ENUM_SH_TYPE_BASE

from magicpak.elf.image import PATH_MAX, PT_LOAD, PT_NOTE, Image

MOST_NOTES = 1 << 20
"""Bytes of all notes together."""
SHT_PROGBITS, SHT_NOBITS = ENUM_SH_TYPE_BASE["SHT_PROGBITS"], ENUM_SH_TYPE_BASE["SHT_NOBITS"]
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
PF_X, PF_W = 1, 2
NO_CONSTANTS = (b".interp", b".eh_frame", b".eh_frame_hdr", b".gcc_except_table")
"""Read-only sections that the loader and the unwinder read (Linux Standard Base, "Exception
Frames"): the latter are half of what many libraries map for reading alone."""
MOST_NAME = 64
"""Bytes of a name that is asked for."""
PIECE = 1 << 20
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
    """Yield what is mapped for reading alone, in overlapping pieces.

    Where section headers do not tell, that is all that is so mapped; code too, if it is not apart.
    """
    reached = 0
    for start, told in sorted(_read_only(image) or _unwritable(image)):
        end = min(told, image.size)
        for at in range(max(start, reached), end, PIECE):  # damaged ones may overlap
            yield image.part(at, min(PIECE + PATH_MAX, end - at))
        reached = max(reached, end)


def _read_only(image: Image) -> list[tuple[int, int]]:
    """List where the sections with constants begin and end."""
    names = _section_names(image)
    others = {names.find(b"\0%b\0" % name) + 1 for name in NO_CONSTANTS}
    return [
        (section.offset, section.offset + section.size)
        for section in _sections(image)
        if section.type == SHT_PROGBITS and section.name not in others
        and section.flags & (SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR) == SHF_ALLOC
    ]  # fmt: skip


def _unwritable(image: Image) -> list[tuple[int, int]]:
    """List where the segments that are not writable begin and end; those of code as a last resort.

    The first one of a file has its headers, and what the loader reads.
    """
    loaded = [segment for segment in image.of_type(PT_LOAD) if not segment.flags & PF_W]
    plain = [segment for segment in loaded if not segment.flags & PF_X and segment.offset]
    return [(segment.offset, segment.offset + segment.size) for segment in plain or loaded]


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

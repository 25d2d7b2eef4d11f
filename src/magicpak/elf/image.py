"""Read the structures of an open ELF file: headers, dynamic section, symbol versions, notes.

The format is that of the System V ABI (gabi, chapters 4 and 5) and elf(5). Section headers are read
only for notes that are meant for tools: the loader does not read them, and a stripped or packed
file has none.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any, BinaryIO

from elftools.common.exceptions import ELFError
from elftools.common.utils import struct_parse
from elftools.elf.structs import ELFStructs

DAMAGE = (ELFError, UnicodeDecodeError, OverflowError, AssertionError, ValueError)
"""The exceptions that pyelftools and its stream raise on a damaged file."""

MOST_ENTRIES = 1 << 16
"""More entries of a table than any file has; those of a damaged one may form a cycle."""
MOST_NOTES = 1 << 20
"""Bytes of all notes together."""
MOST_NAMES = 1 << 20
"""Characters of all names together: names may share their ends, so a table can hold many more."""
MOST_NEEDED = 10_000
MOST_STRINGS = 64 << 20
MOST_PROGRAM_HEADERS = 1 << 16
"""Bytes: execve(2) refuses more."""
PATH_MAX = 4096
PIECE = 4 << 20
"""Bytes of the constants that are read at once."""
SHF_ALLOC = 2
PADDING = 4096
"""Up to so many zero bytes at the end of a file are not a payload."""


@cache
def _structs(little_endian: bool, bits: int, machine: str | None = None) -> ELFStructs:
    structs = ELFStructs(little_endian, bits)
    structs.create_basic_structs()
    if machine is not None:
        structs.create_advanced_structs("ET_DYN", machine, "ELFOSABI_SYSV")
    return structs


def read_header(stream: BinaryIO, size: int) -> tuple[int, bool, Any]:
    """Read the word size, the byte order and the header of a file. Raises one of DAMAGE."""
    stream.seek(0)
    # A file of the kernel without a size (/proc/kmsg) may have nothing to read, or not yet.
    ident = stream.read(16) if size else b""
    if ident[:4] != b"\x7fELF":
        raise ELFError("the file is empty" if size == 0 else "it is not an ELF file")
    if len(ident) < 16 or ident[4] not in (1, 2) or ident[5] not in (1, 2):
        raise ELFError("the ELF identification is damaged")
    bits, little_endian = 32 * ident[4], ident[5] == 1
    header = _structs(little_endian, bits).Elf_Ehdr
    if size < header.sizeof():
        raise ELFError("it ends within the ELF header: it is truncated")
    return bits, little_endian, struct_parse(header, stream, 0)


class Image:
    """The open file: its headers, and its bytes by virtual address."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        """Read the headers of a file of ``size`` bytes. Raises one of DAMAGE, as all methods do."""
        self._stream = stream
        self._size = size
        self.bits, self.little_endian, self.header = read_header(stream, size)
        self._structs = _structs(self.little_endian, self.bits, str(self.header["e_machine"]))
        self._segments = tuple(self._read_segments())
        self._tags: dict[str, list[int]] = {}
        self._ordered: list[tuple[str, int]] = []
        self.strings = b""
        """The table of the names that the dynamic section refers to."""
        self._entries_left = MOST_ENTRIES
        self._names_left = MOST_NAMES

    def _bytes(self, offset: int, length: int) -> bytes:
        """Read at an offset, at most to the end of the file: a damaged length may be huge."""
        self._stream.seek(offset)
        return self._stream.read(max(0, min(length, self._size - offset)))

    def _offset(self, address: int) -> int:
        """Return the file offset of a virtual address, by the segment that maps it."""
        for segment in self._segments:
            start = segment["p_vaddr"]
            if segment["p_type"] == "PT_LOAD" and start <= address < start + segment["p_filesz"]:
                return int(address - start + segment["p_offset"])
        raise ELFError(f"no segment maps the address {address:#x}")

    def _read_segments(self) -> Iterator[Any]:
        header = self.header
        count, size, offset = header["e_phnum"], header["e_phentsize"], header["e_phoff"]
        if count and size != self._structs.Elf_Phdr.sizeof():
            raise ELFError(f"program headers of {size} bytes")
        if count * size > MOST_PROGRAM_HEADERS:
            raise ELFError("it has more program headers than can be loaded")
        if offset + count * size > self._size:
            raise ELFError("the program headers are beyond the end of the file")
        for index in range(count):
            segment = struct_parse(self._structs.Elf_Phdr, self._stream, offset + index * size)
            loaded = segment["p_type"] == "PT_LOAD"
            if loaded and segment["p_offset"] + segment["p_filesz"] > self._size:
                raise ELFError("it ends within a segment that is loaded: it is truncated")
            yield segment

    def interpreter(self) -> str | None:
        """Return the path in PT_INTERP."""
        segment = next((s for s in self._segments if s["p_type"] == "PT_INTERP"), None)
        if segment is None:
            return None
        length = min(segment["p_filesz"], PATH_MAX)
        text, end, _ = self._bytes(segment["p_offset"], length).partition(b"\0")
        if not end or not text:
            raise ELFError("the name of the interpreter is damaged")
        return os.fsdecode(text)

    def read_dynamic(self) -> bool:
        """Read the dynamic section; False where there is none."""
        # The loader takes the last one, passes over an empty one (of a file with debug information
        # only), and finds it by its address.
        found = [s for s in self._segments if s["p_type"] == "PT_DYNAMIC" and s["p_filesz"]]
        if not found:
            return False
        segment = found[-1]
        size = self._structs.Elf_Dyn.sizeof()
        offset = self._offset(segment["p_vaddr"])
        length = min(segment["p_filesz"], MOST_ENTRIES * size)
        for position in range(offset, min(offset + length, self._size) - size + 1, size):
            entry = struct_parse(self._structs.Elf_Dyn, self._stream, position)
            if entry["d_tag"] == "DT_NULL":
                break
            tag, value = str(entry["d_tag"]), int(entry["d_val"])
            self._tags.setdefault(tag, []).append(value)
            self._ordered.append((tag, value))
        if "DT_STRTAB" in self._tags:
            length = self.number("DT_STRSZ")
            at = self._offset(self._tags["DT_STRTAB"][-1])
            self.strings = self._bytes(at, min(length, MOST_STRINGS))
        return True

    def _string(self, offset: int) -> str:
        end = self.strings.find(b"\0", offset)
        if not 0 <= offset <= end:
            raise ELFError(f"a name lies outside the string table, at {offset:#x}")
        self._names_left -= end - offset
        if self._names_left < 0:
            raise ELFError("its names are longer than any file's")
        return os.fsdecode(self.strings[offset:end])

    def names(self, tag: str) -> tuple[str, ...]:
        """Return the names of the entries with a tag."""
        offsets = self._tags.get(tag, ())
        if len(offsets) > MOST_NEEDED:
            raise ELFError(f"it has {len(offsets)} entries {tag}")
        return tuple(self._string(offset) for offset in offsets)

    def ordered(self, *tags: str) -> tuple[tuple[str, str], ...]:
        """Return the entries with one of these tags, in their order: the tag and the name."""
        found = [(tag, offset) for tag, offset in self._ordered if tag in tags]
        if len(found) > MOST_NEEDED:
            raise ELFError(f"it has {len(found)} entries {'/'.join(tags)}")
        return tuple((tag, self._string(offset)) for tag, offset in found)

    def name(self, tag: str) -> str | None:
        """Return the name of the last entry with a tag; of several, the loader uses the last."""
        names = self.names(tag)
        return names[-1] if names else None

    def number(self, tag: str) -> int:
        """Return the number of the last entry with a tag; 0 if there is none."""
        return self._tags.get(tag, [0])[-1]

    def versions_needed(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each needed file, and its symbol versions that the loader requires."""
        for entry, position in self._chain("DT_VERNEED", self._structs.Elf_Verneed, "vn_next"):
            aux = self._linked(
                position + entry["vn_aux"], self._structs.Elf_Vernaux, "vna_next", entry["vn_cnt"]
            )
            # VER_FLG_WEAK: the loader starts without it.
            names = tuple(self._string(a["vna_name"]) for a, _ in aux if not a["vna_flags"] & 2)
            yield self._string(entry["vn_file"]), names

    def versions_defined(self) -> Iterator[str]:
        """Yield the versions that the object defines."""
        for entry, position in self._chain("DT_VERDEF", self._structs.Elf_Verdef, "vd_next"):
            aux = self._linked(position + entry["vd_aux"], self._structs.Elf_Verdaux, "vda_next", 1)
            yield from (self._string(a["vda_name"]) for a, _ in aux)

    def imports(self) -> Iterator[str]:
        """Yield the names of the symbols that others define for it (gabi, "Symbol Table")."""
        if "DT_SYMTAB" not in self._tags:
            return
        layout = struct.Struct(self._order + ("I2BH2Q" if self.bits == 64 else "3I2BH"))
        section = 3 if self.bits == 64 else 5
        count = min(self._symbols(), MOST_ENTRIES)
        table = self._bytes(self._offset(self._tags["DT_SYMTAB"][-1]), count * layout.size)
        for symbol in layout.iter_unpack(table[: len(table) - len(table) % layout.size]):
            if symbol[0] and not symbol[section]:
                yield self._string(symbol[0])

    @property
    def _order(self) -> str:
        return "<" if self.little_endian else ">"

    def _symbols(self) -> int:
        """Return how many symbols come before the last import: only the hash tables count them."""
        if "DT_HASH" in self._tags:
            return self._words(self._offset(self._tags["DT_HASH"][-1]), 2)[1]
        if "DT_GNU_HASH" not in self._tags:
            return 0
        start = self._offset(self._tags["DT_GNU_HASH"][-1])
        buckets, first, bloom, _ = self._words(start, 4)
        if not any(segment["p_type"] == "PT_INTERP" for segment in self._segments):
            return first  # only a program hashes imports too: those whose address it compares
        chains = start + 16 + bloom * self.bits // 8 + 4 * buckets
        last = max(self._words(chains - 4 * buckets, min(buckets, MOST_ENTRIES)), default=0)
        if last < first:
            return first
        rest = self._bytes(chains + 4 * (last - first), 4 * MOST_ENTRIES)
        hashes = struct.iter_unpack(f"{self._order}I", rest[: len(rest) & ~3])
        # The lowest bit ends the chain of a bucket.
        return last + 1 + next((at for at, (word,) in enumerate(hashes) if word & 1), 0)

    def _words(self, offset: int, count: int) -> tuple[int, ...]:
        """Read words of 32 bits. Raises ELFError at the end of the file."""
        read = self._bytes(offset, 4 * count)
        if len(read) < 4 * count:
            raise ELFError("a hash table is beyond the end of the file")
        return struct.unpack(f"{self._order}{count}I", read)

    def constants(self) -> Iterator[bytes]:
        """Yield what is mapped for reading alone, in overlapping pieces; code only without such."""
        loaded = [s for s in self._segments if s["p_type"] == "PT_LOAD" and not s["p_flags"] & 2]
        plain = [s for s in loaded if not s["p_flags"] & 1 and s["p_offset"]]
        for segment in plain or loaded:
            start, end = segment["p_offset"], segment["p_offset"] + segment["p_filesz"]
            for at in range(start, end, PIECE):
                yield self._bytes(at, min(PIECE + PATH_MAX, end - at))

    def _chain(self, tag: str, struct: Any, link: str) -> Iterator[tuple[Any, int]]:
        if tag not in self._tags:
            return iter(())
        count = self.number(f"{tag}NUM")
        return self._linked(self._offset(self._tags[tag][-1]), struct, link, count)

    def _linked(self, offset: int, struct: Any, link: str, count: int) -> Iterator[tuple[Any, int]]:
        """Walk a linked list of entries; ``link`` is the field with the offset of the next one."""
        for _ in range(count):
            self._entries_left -= 1
            if self._entries_left < 0:
                raise ELFError("its symbol versions form a cycle")
            entry = struct_parse(struct, self._stream, offset)
            yield entry, offset
            if not entry[link]:
                return
            offset += entry[link]

    def notes(self) -> Iterator[bytes]:
        """Yield the note segments, and a section of dlopen notes that is in no segment."""
        segments = [s for s in self._segments if s["p_type"] == "PT_NOTE"]
        places = [(segment["p_offset"], segment["p_filesz"]) for segment in segments]
        left = MOST_NOTES
        for offset, size in dict.fromkeys(places + self._dlopen_section()):
            notes = self._bytes(offset, min(size, left))
            left -= len(notes)
            yield notes

    def _dlopen_section(self) -> list[tuple[int, int]]:
        """Find a section of dlopen notes that is in no segment, as objcopy(1) adds it for tools."""
        name = self._section_names().find(b"\0.note.dlopen\0") + 1
        return [
            (section["sh_offset"], section["sh_size"])
            for section in (self._sections() if name else ())
            if section["sh_name"] == name
            and section["sh_addr"] == 0
            and section["sh_offset"] <= self._size
        ]

    def _sections(self, first: int = 0) -> Iterator[Any]:
        """Read the section headers; none if the file is stripped of them, or damaged."""
        header, struct = self.header, self._structs.Elf_Shdr
        count, start, size = header["e_shnum"], header["e_shoff"], struct.sizeof()
        if header["e_shentsize"] == size and start + count * size <= self._size:
            for number in range(first, count):
                yield struct_parse(struct, self._stream, start + number * size)

    def _section_names(self) -> bytes:
        """Read the table of section names; empty if the file is stripped of it, or damaged."""
        names = next(self._sections(self.header["e_shstrndx"]), None)
        if names is None or names["sh_offset"] > self._size:
            return b""  # the loader ignores that
        return self._bytes(names["sh_offset"], min(names["sh_size"], MOST_NOTES))

    def payload(self) -> int:
        """Return the number of bytes that are neither loaded nor used by a linker or debugger.

        Programs that read such bytes from their own file find them by their offset: after all that
        the headers describe, or in a section whose name does not begin with a dot.
        """
        header, names, size = self.header, self._section_names(), 0
        ends = [
            header["e_phoff"] + header["e_phnum"] * header["e_phentsize"],
            header["e_shoff"] + header["e_shnum"] * header["e_shentsize"],
            *(segment["p_offset"] + segment["p_filesz"] for segment in self._segments),
        ]
        for section in self._sections():
            if section["sh_type"] == "SHT_NOBITS":
                continue
            ends.append(section["sh_offset"] + section["sh_size"])
            own = names[section["sh_name"] : section["sh_name"] + 1] not in (b"", b"\0", b".")
            if own and section["sh_type"] == "SHT_PROGBITS" and not section["sh_flags"] & SHF_ALLOC:
                size += section["sh_size"]
        behind = max(0, self._size - max(ends))
        # patchelf(1), for example, leaves a byte after the last section.
        padding = behind < PADDING and not self._bytes(max(ends), behind).strip(b"\0")
        return size + (0 if padding else behind)

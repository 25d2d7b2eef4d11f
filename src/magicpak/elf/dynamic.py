"""Read the dynamic section of an ELF file, and the tables that it leads to.

The entries, names and symbols are those of the System V ABI (gabi, chapter 5), the symbol versions
those of the Linux Standard Base ("Symbol Versioning").
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.enums import ENUM_D_TAG

from magicpak.elf.image import PT_DYNAMIC, PT_INTERP, Image

MOST_ENTRIES = 1 << 16
"""More entries of a table than any file has; those of a damaged one may form a cycle."""
MOST_NAMES = 1 << 20
"""Characters of all names together: names may share their ends, so a table can hold many more."""
MOST_NEEDED = 10_000
BLOCK = 1 << 10
"""Bytes: the symbol versions of most objects are not more."""
MOST_STRINGS = 64 << 20

VERNEED, VERNAUX, VERDEF, VERDAUX = "2H3I", "I2H2I", "4H3I", "2I"
"""The layouts of entries; the last field of each leads to the next one."""
VER_FLG_WEAK = 2


class Dynamic:
    """The dynamic section of a file, if it has one. All methods raise one of DAMAGE."""

    def __init__(self, image: Image) -> None:
        """Read its entries, and the table of the names that these refer to."""
        self._image = image
        # The loader takes the last one, passes over an empty one (of a file with debug information
        # only), and finds it by its address.
        sections = [segment for segment in image.of_type(PT_DYNAMIC) if segment.size]
        self.there = bool(sections)
        """Whether the file has one."""
        self._entries: list[tuple[int, int]] = []
        if sections:
            layout = "2Q" if image.bits == 64 else "2I"
            length = min(sections[-1].size, MOST_ENTRIES * struct.calcsize(f"<{layout}"))
            entries: Iterator[Any] = image.table(layout, image.offset(sections[-1].address), length)
            self._entries = list(itertools.takewhile(itemgetter(0), entries))  # DT_NULL ends it
        self._last = dict(self._entries)
        self._entries_left = MOST_ENTRIES
        self._names_left = MOST_NAMES
        self._block = 0, b""
        self.strings = b""
        """The table of names."""
        if self._has("DT_STRTAB"):
            length = min(self.number("DT_STRSZ"), MOST_STRINGS)
            self.strings = image.part(self._place("DT_STRTAB"), length)

    def _has(self, tag: str) -> bool:
        return ENUM_D_TAG[tag] in self._last

    def number(self, tag: str) -> int:
        """Return the number of the last entry with a tag; 0 if there is none."""
        return self._last.get(ENUM_D_TAG[tag], 0)

    def _place(self, tag: str) -> int:
        """Return the offset in the file of the table that a tag leads to."""
        return self._image.offset(self.number(tag))

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
        return tuple(name for _, name in self.ordered(tag))

    def ordered(self, *tags: str) -> tuple[tuple[str, str], ...]:
        """Return the entries with one of these tags, in their order: the tag and the name."""
        wanted = {ENUM_D_TAG[tag]: tag for tag in tags}
        found = [(wanted[key], offset) for key, offset in self._entries if key in wanted]
        if len(found) > MOST_NEEDED:
            raise ELFError(f"it has {len(found)} entries {'/'.join(tags)}")
        return tuple((tag, self._string(offset)) for tag, offset in found)

    def name(self, tag: str) -> str | None:
        """Return the name of the last entry with a tag; of several, the loader uses the last."""
        names = self.names(tag)
        return names[-1] if names else None

    def versions_needed(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each needed file, and its symbol versions that the loader requires."""
        for (_, count, file, aux, _), place in self._table("DT_VERNEED", VERNEED):
            # The loader starts without a weak one.
            required = (
                self._string(name)
                for (_, flags, _, name, _), _ in self._linked(VERNAUX, place + aux, count)
                if not flags & VER_FLG_WEAK
            )
            yield self._string(file), tuple(required)

    def versions_defined(self) -> Iterator[str]:
        """Yield the versions that the object defines."""
        for (*_, aux, _), place in self._table("DT_VERDEF", VERDEF):
            for (name, _), _ in self._linked(VERDAUX, place + aux, 1):
                yield self._string(name)

    def _table(self, tag: str, layout: str) -> Iterator[tuple[tuple[int, ...], int]]:
        if not self._has(tag):
            return iter(())
        return self._linked(layout, self._place(tag), self.number(f"{tag}NUM"))

    def _linked(
        self, layout: str, offset: int, count: int
    ) -> Iterator[tuple[tuple[int, ...], int]]:
        """Walk a linked list: the entries and their offsets. Each says how far the next one is."""
        layout = self._image.order + layout
        for _ in range(count):
            self._entries_left -= 1
            if self._entries_left < 0:
                raise ELFError("its symbol versions form a cycle")
            entry = self._entry(layout, offset)
            yield entry, offset
            if not entry[-1]:
                return
            offset += entry[-1]

    def _entry(self, layout: str, offset: int) -> tuple[int, ...]:
        """Read an entry of symbol versions: from the last block read, as most are near together."""
        start, block = self._block
        if not start <= offset <= start + len(block) - struct.calcsize(layout):
            start, block = self._block = offset, self._image.part(offset, BLOCK)
            if len(block) < struct.calcsize(layout):
                raise ELFError("its symbol versions are beyond the end of the file")
        return struct.unpack_from(layout, block, offset - start)

    def imports(self) -> Iterator[str]:
        """Yield the names of the symbols that others define for it (gabi, "Symbol Table").

        Those of C++ (Itanium C++ ABI, "Mangling") are left out: there are very many in some files,
        and no function that is looked for has such a name.
        """
        if not self._has("DT_SYMTAB"):
            return
        image = self._image
        layout = "I2xH16x" if image.bits == 64 else "I10xH"
        length = min(self._symbols(), MOST_ENTRIES) * struct.calcsize(f"<{layout}")
        names = self.strings
        left = self._names_left
        for name, section in image.table(layout, self._place("DT_SYMTAB"), length):
            if name and not section and not names.startswith(b"_Z", name):
                end = names.index(b"\0", name)
                left -= end - name
                if left < 0:
                    raise ELFError("its names are longer than any file's")
                yield names[name:end].decode("latin-1")

    def _symbols(self) -> int:
        """Return how many symbols come before the last import: only the hash tables count them."""
        if self._has("DT_HASH"):
            return self._words(self._place("DT_HASH"), 2)[1]
        if not self._has("DT_GNU_HASH"):
            return 0
        start = self._place("DT_GNU_HASH")
        buckets, first, bloom, _ = self._words(start, 4)
        chains = start + 16 + bloom * self._image.bits // 8 + 4 * buckets
        if first == buckets == 1 and self._words(chains - 4, 1) == (0,):
            # Without exports, ld writes 1 for any count; the names follow its symbols.
            room = self._place("DT_STRTAB") - self._place("DT_SYMTAB")
            return max(room, 0) // (24 if self._image.bits == 64 else 16)
        if not self._image.of_type(PT_INTERP):
            return first  # only a program hashes imports too: those whose address it compares
        last = max(self._words(chains - 4 * buckets, min(buckets, MOST_ENTRIES)), default=0)
        if last < first:
            return first
        rest = self._image.table("I", chains + 4 * (last - first), 4 * MOST_ENTRIES)
        # The lowest bit ends the chain of a bucket.
        return last + 1 + next((at for at, (word,) in enumerate(rest) if word & 1), 0)

    def _words(self, offset: int, count: int) -> tuple[int, ...]:
        """Read words of 32 bits. Raises ELFError at the end of the file."""
        read = self._image.part(offset, 4 * count)
        if len(read) < 4 * count:
            raise ELFError("a hash table is beyond the end of the file")
        return struct.unpack(f"{self._image.order}{count}I", read)

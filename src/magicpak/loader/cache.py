"""Read and write the loader's cache, /etc/ld.so.cache.

The format is in glibc's sysdeps/generic/dl-cache.h: a header, entries in descending order of their
names, their strings, and since glibc 2.33 an extension that names glibc-hwcaps subdirectories.
"""

import itertools
import os
import re
import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from magicpak.elf import Abi

MAGIC = b"glibc-ld.so.cache1.1"
OLD_MAGIC = b"ld.so-1.7.0"
MOST_REPEATED = 4
"""How often a byte of a cache can stand in its strings: a name may be the end of its path."""
EXTENSION_MAGIC = 0xEAA42174
EXTENSION_GENERATOR = 0
EXTENSION_HWCAPS = 1
HWCAP_NAMED = 1 << 62
"""Set in an entry's hwcap if its low 32 bits are an index into the extension's names."""

HWCAPS = "/glibc-hwcaps/"

GENERIC = 3
"""FLAG_ELF_LIBC6."""
REQUIRED = {
    ("EM_X86_64", 64): 0x0300,
    ("EM_X86_64", 32): 0x0800,
    ("EM_AARCH64", 64): 0x0A00,
    ("EM_PPC64", 64): 0x0500,
    ("EM_S390", 64): 0x0400,
    ("EM_SPARCV9", 64): 0x0100,
    ("EM_IA_64", 64): 0x0200,
    ("EM_MIPS", 64): 0x0700,
    ("EM_LOONGARCH", 64): 0x1200,
}
"""The ABI bits of an entry's flags; 0 for an ABI that is not listed."""
ARM_HARD_FLOAT = 0x0900
EF_ARM_ABI_FLOAT_HARD = 0x400
RISCV_FLOAT = {0: 0x0F00, 4: 0x1000}
"""By e_flags & EF_RISCV_FLOAT_ABI: soft and double."""


class CacheEntry(NamedTuple):
    """A library in the cache."""

    name: str
    path: str
    flags: int
    hwcap: str = ""
    """Its glibc-hwcaps subdirectory, if any."""
    legacy: int = 0
    """The bits of its legacy subdirectories, like ``tls/x86_64``, for glibc before 2.37."""

    @property
    def key(self) -> tuple[str, int, str, int]:
        """What a loader chooses by: of several entries that are alike, it takes the first."""
        return self.name, self.flags, self.hwcap, self.legacy

    def is_needless(self, directories: Collection[str]) -> bool:
        """Tell whether a loader finds it without a cache, in one of the default directories."""
        return self.directory in directories and self.path.endswith(f"/{self.name}")

    @property
    def directory(self) -> str:
        """The directory of the search path that it is for."""
        return directory(self.path, self.hwcap)


class Cache(NamedTuple):
    """The entries that one loader accepts, by name."""

    entries: dict[str, tuple[CacheEntry, ...]]

    def lookup(
        self, name: str, hwcaps: Sequence[str], legacy: Iterable[str] = ()
    ) -> tuple[str, ...]:
        """List the files for ``name`` in the loader's order of preference, the baseline last.

        The entries for the subdirectories ``legacy`` come before the baseline, in their order.
        """
        ranks = {level: rank for rank, level in enumerate(hwcaps)}
        ranks[""] = len(ranks)
        ends = tuple(f"/{part}/{name}" for part in legacy)
        usable = [
            entry
            for entry in self.entries.get(name, ())
            if entry.hwcap in ranks and (not entry.legacy or entry.path.endswith(ends))
        ]
        return tuple(entry.path for entry in sorted(usable, key=lambda entry: ranks[entry.hwcap]))


def level(path: str) -> str:
    """Return the glibc-hwcaps subdirectory that a path lies in, if any."""
    _, found, name = path.rpartition("/")[0].rpartition(HWCAPS)
    return name if found and "/" not in name else ""


def directory(path: str, level: str) -> str:
    """Return the directory of the search path that a library lies in or, by its level, below."""
    return path.rpartition("/")[0].removesuffix(level and f"{HWCAPS}{level}")


def flags(abi: Abi, e_flags: int) -> int:
    """Return the flags that ldconfig(8) gives to libraries of an ABI."""
    if abi.machine == "EM_ARM":
        return GENERIC | (ARM_HARD_FLOAT if e_flags & EF_ARM_ABI_FLOAT_HARD else 0)
    if abi.machine == "EM_RISCV":
        return GENERIC | RISCV_FLOAT.get(e_flags & 6, 0)
    return GENERIC | REQUIRED.get((abi.machine, abi.bits), 0)


def select(entries: Iterable[CacheEntry], wanted: int) -> Cache:
    """Keep the entries that a loader with these flags accepts."""
    by_name: defaultdict[str, list[CacheEntry]] = defaultdict(list)
    for entry in entries:
        if entry.flags == wanted:
            by_name[entry.name].append(entry)
    return Cache({name: tuple(found) for name, found in by_name.items()})


def parse(data: bytes, little_endian: bool) -> tuple[CacheEntry, ...]:
    """Read a cache file. Like the loader, take a damaged or unknown one as empty."""
    try:
        return tuple(_parse(data, "<" if little_endian else ">"))
    except (struct.error, IndexError, ValueError):
        return ()


def _parse(data: bytes, order: str) -> Iterator[CacheEntry]:
    start = 0
    if data.startswith(OLD_MAGIC):
        # The old format, for loaders before glibc 2.2, comes first; the new one follows, aligned.
        (count,) = struct.unpack_from(order + "I", data, 12)
        start = (16 + 12 * count + 7) // 8 * 8
    if data[start : start + len(MAGIC)] != MAGIC:
        return
    count, _, extension = struct.unpack_from(order + "II4xI", data, start + 20)
    names = _hwcap_names(data, order, start, extension) if extension else ()
    strings_left = MOST_REPEATED * len(data)
    base = start + 48
    for flag, key, value, _, bits in struct.iter_unpack(
        order + "iIIIQ", data[base : base + 24 * count]
    ):
        name, path = _text(data, start + key), _text(data, start + value)
        if bits & HWCAP_NAMED:
            entry = CacheEntry(name, path, flag, names[bits & 0xFFFFFFFF])
        else:
            entry = CacheEntry(name, path, flag, legacy=bits)
        strings_left -= len(entry.name) + len(entry.path)
        if strings_left < 0:
            raise ValueError("its strings overlap")
        yield entry


def _hwcap_names(data: bytes, order: str, start: int, extension: int) -> tuple[str, ...]:
    magic, count = struct.unpack_from(order + "II", data, start + extension)
    if magic != EXTENSION_MAGIC:
        return ()
    for index in range(count):
        tag, _, offset, size = struct.unpack_from(
            order + "IIII", data, start + extension + 8 + 16 * index
        )
        if tag == EXTENSION_HWCAPS:
            indices = struct.unpack_from(f"{order}{size // 4}I", data, start + offset)
            return tuple(_text(data, start + at) for at in indices)
    return ()


def _text(data: bytes, offset: int) -> str:
    return os.fsdecode(data[offset : data.index(b"\0", offset)])


def sort_key(name: str) -> tuple[tuple[int, int], ...]:
    """Order names as _dl_cache_libcmp does: runs of digits by value, after any other byte."""
    parts = re.findall(rb"\d+|\D", os.fsencode(name), re.DOTALL)
    return tuple((1, int(part)) if part.isdigit() else (0, part[0]) for part in parts)


def serialise(entries: Iterable[CacheEntry], little_endian: bool) -> bytes:
    """Write a cache file in the format of glibc 2.33, which loaders since glibc 2.2 can read."""
    order = "<" if little_endian else ">"
    ordered = sorted(
        set(entries), key=lambda e: (sort_key(e.name), *e[2:], e.path), reverse=True
    )
    levels = sorted({entry.hwcap for entry in ordered if entry.hwcap})
    strings_at = 48 + 24 * len(ordered)
    strings, offsets = _string_table(
        itertools.chain.from_iterable((e.name, e.path) for e in ordered), levels, strings_at
    )
    body = b"".join(
        struct.pack(
            order + "iIIIQ",
            entry.flags,
            offsets[entry.name],
            offsets[entry.path],
            0,
            HWCAP_NAMED | levels.index(entry.hwcap) if entry.hwcap else entry.legacy,
        )
        for entry in ordered
    )
    extension = strings_at + (len(strings) + 3) // 4 * 4 if levels else 0
    # Byte order: 2 little, 3 big (cache_file_new_flags_endian).
    header = MAGIC + struct.pack(
        order + "IIB3xI12x", len(ordered), len(strings), 2 if little_endian else 3, extension
    )
    tail = b""
    if levels:
        names = struct.pack(f"{order}{len(levels)}I", *(offsets[level] for level in levels))
        tail = struct.pack(
            order + "IIIIII",
            EXTENSION_MAGIC, 1, EXTENSION_HWCAPS, 0, extension + 24, len(names),
        ) + names  # fmt: skip
        strings = strings.ljust(extension - strings_at, b"\0")
    return header + body + strings + tail


def _string_table(
    texts: Iterable[str], levels: Sequence[str], base: int
) -> tuple[bytes, dict[str, int]]:
    offsets: dict[str, int] = {}
    table = bytearray()
    for text in itertools.chain(texts, levels):
        if text not in offsets:
            offsets[text] = base + len(table)
            table += os.fsencode(text) + b"\0"
    return bytes(table), offsets

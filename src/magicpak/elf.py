"""Read what one ELF file says about itself: only headers, dynamic section and notes.

The format is that of the System V ABI (gabi, chapters 4 and 5) and elf(5). Section headers are
not looked at, but for notes that are for tools like this one, as the loader does not look at them
either: a stripped or packed file has none.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterator
from functools import cache
from typing import Any, BinaryIO, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.common.utils import struct_parse
from elftools.elf.structs import ELFStructs

from magicpak import dlopen_note
from magicpak.dlopen_note import DlopenNote
from magicpak.errors import IoError, MalformedExecutable

log = logging.getLogger(__name__)

DAMAGE = (ELFError, UnicodeDecodeError, OverflowError, AssertionError, ValueError)
"""What pyelftools and the stream below it raise on a damaged file."""

SMALLEST = 52
"""Bytes of the header of the smaller class, with nothing after it."""
DF_1_NODEFLIB = 0x800
DF_1_PIE = 0x8000000
EF_RISCV_FLOAT_ABI = 6

MOST_ENTRIES = 1 << 16
"""More entries of a table than any file has; a damaged one may lead in circles."""
MOST_NOTES = 1 << 20
PATH_MAX = 4096

UNWINDING = (b"pthread_exit", b"pthread_cancel", b"thrd_exit", b"backtrace")


class Abi(NamedTuple):
    """What a loader compares to tell whether an object is for its process."""

    bits: int
    little_endian: bool
    machine: str
    """An ``EM_…`` name of the ABI."""


class Versions(NamedTuple):
    """Symbol versions (LSB, "Symbol Versioning"): what an object defines, and asks of others."""

    defined: frozenset[str] = frozenset()
    needed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """For each needed file, the versions without which the loader refuses to start."""


class Elf(NamedTuple):
    """An ELF file as the loader sees it; ``None`` is absent, which is not the same as empty."""

    path: str
    """Where it was read."""
    identity: tuple[int, int]
    """Device and inode."""
    abi: Abi
    flags: int
    """``e_flags``: some ABIs differ only there."""
    kind: str
    """``ET_EXEC``, ``ET_DYN``, …"""
    interpreter: str | None = None
    dynamic: bool = False
    needed: tuple[str, ...] = ()
    soname: str | None = None
    rpath: str | None = None
    runpath: str | None = None
    flags_1: int = 0
    filters: tuple[str, ...] = ()
    """DT_FILTER: must be there."""
    auxiliary: tuple[str, ...] = ()
    """DT_AUXILIARY: taken when there."""
    audit: tuple[str, ...] = ()
    """DT_AUDIT and DT_DEPAUDIT, each a list with colons."""
    cancels: bool = False
    """It names a function of UNWINDING, for which glibc loads libgcc_s by name."""
    dlopens: tuple[DlopenNote, ...] = ()
    versions: Versions = Versions()

    @property
    def float_abi(self) -> int:
        """What the loader compares of ``e_flags``: RISC-V's way to pass floating-point values."""
        return self.flags & EF_RISCV_FLOAT_ABI if self.abi.machine == "EM_RISCV" else 0

    @property
    def runs(self) -> bool:
        """Whether the kernel starts it as a program: it has an interpreter or is not shared."""
        return self.interpreter is not None or self.kind == "ET_EXEC"


def read(path: str) -> Elf:
    """Read an ELF file.

    Raises IoError when it cannot be opened, MalformedExecutable when it is no ELF file or a
    damaged one.
    """
    try:
        # Not blocking: a fifo must not stop the run; what is no regular file is refused below.
        stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb", 4096)
    except IsADirectoryError as e:
        raise MalformedExecutable(path, "it is a directory") from e
    except OSError as e:
        raise IoError.of(e, path) from e
    except ValueError as e:
        raise MalformedExecutable(path, str(e)) from e
    with stream:
        return _read_stream(stream, path)


def is_elf(path: str) -> bool:
    """Tell whether a regular file begins with the ELF magic number."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.read(fd, 4) == b"\x7fELF"
    except OSError:
        return False
    finally:
        os.close(fd)


def _read_stream(stream: BinaryIO, path: str) -> Elf:
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise MalformedExecutable(path, "it is not a regular file")
    try:
        return _Image(stream, status.st_size).describe(path, (status.st_dev, status.st_ino))
    except DAMAGE as e:
        raise MalformedExecutable(path, str(e) or type(e).__name__) from e
    except OSError as e:
        if e.errno == errno.EINVAL:  # lseek(2) to an offset that no file has
            raise MalformedExecutable(path, "an offset in it is beyond what files have") from e
        raise IoError.of(e, path) from e


@cache
def _structs(little_endian: bool, bits: int, machine: str | None = None) -> ELFStructs:
    structs = ELFStructs(little_endian, bits)
    structs.create_basic_structs()
    if machine is not None:
        structs.create_advanced_structs("ET_DYN", machine, "ELFOSABI_SYSV")
    return structs


class _Image:
    """The open file: its headers, and its bytes by virtual address."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        ident = self._bytes(0, 16)
        if ident[:4] != b"\x7fELF":
            raise ELFError("the file is empty" if size == 0 else "it is not an ELF file")
        if len(ident) < 16 or ident[4] not in (1, 2) or ident[5] not in (1, 2):
            raise ELFError("the ELF identification is damaged")
        bits, little_endian = 32 * ident[4], ident[5] == 1
        self._header = struct_parse(_structs(little_endian, bits).Elf_Ehdr, stream, 0)
        self._abi = Abi(bits, little_endian, str(self._header["e_machine"]))
        self._structs = _structs(little_endian, bits, self._abi.machine)
        self._segments = tuple(self._read_segments())
        self._tags: dict[str, list[int]] = {}
        self._strings = b""
        self._entries_left = MOST_ENTRIES

    def describe(self, path: str, identity: tuple[int, int]) -> Elf:
        """Put together all that is known."""
        header, abi = self._header, self._abi
        own = (path, identity, abi, int(header["e_flags"]), str(header["e_type"]))
        interpreter = self._interpreter()
        segment = next((s for s in self._segments if s["p_type"] == "PT_DYNAMIC"), None)
        if segment is None:
            return Elf(*own, interpreter)
        self._read_dynamic(segment)
        return Elf(
            *own,
            interpreter,
            dynamic=True,
            needed=self._names("DT_NEEDED"),
            soname=self._name("DT_SONAME"),
            rpath=self._name("DT_RPATH"),
            runpath=self._name("DT_RUNPATH"),
            flags_1=self._tags.get("DT_FLAGS_1", [0])[-1],
            filters=self._names("DT_FILTER"),
            auxiliary=self._names("DT_AUXILIARY"),
            audit=self._names("DT_AUDIT") + self._names("DT_DEPAUDIT"),
            cancels=any(b"\0%b\0" % name in self._strings for name in UNWINDING),
            dlopens=tuple(self._dlopen_notes()),
            versions=Versions(frozenset(self._versions_defined()), tuple(self._versions_needed())),
        )

    def _bytes(self, offset: int, length: int) -> bytes:
        """Read at an offset; at most what the file has, so a huge length costs nothing."""
        self._stream.seek(offset)
        return self._stream.read(max(0, min(length, self._size - offset)))

    def _at(self, address: int, length: int) -> bytes:
        """Read at a virtual address, through the segment that maps it."""
        offset = self._offset(address)
        return self._bytes(offset, length)

    def _offset(self, address: int) -> int:
        for segment in self._segments:
            start = segment["p_vaddr"]
            if segment["p_type"] == "PT_LOAD" and start <= address < start + segment["p_filesz"]:
                return int(address - start + segment["p_offset"])
        raise ELFError(f"no segment maps the address {address:#x}")

    def _read_segments(self) -> Iterator[Any]:
        header = self._header
        count, size, offset = header["e_phnum"], header["e_phentsize"], header["e_phoff"]
        if count and size != self._structs.Elf_Phdr.sizeof():
            raise ELFError(f"program headers of {size} bytes")
        if offset + count * size > self._size:
            raise ELFError("the program headers are beyond the end of the file")
        for index in range(count):
            yield struct_parse(self._structs.Elf_Phdr, self._stream, offset + index * size)

    def _interpreter(self) -> str | None:
        segment = next((s for s in self._segments if s["p_type"] == "PT_INTERP"), None)
        if segment is None:
            return None
        length = min(segment["p_filesz"], PATH_MAX)
        text, end, _ = self._bytes(segment["p_offset"], length).partition(b"\0")
        if not end or not text:
            raise ELFError("the name of the interpreter is damaged")
        return os.fsdecode(text)

    def _read_dynamic(self, segment: Any) -> None:
        size = self._structs.Elf_Dyn.sizeof()
        offset, length = segment["p_offset"], min(segment["p_filesz"], MOST_ENTRIES * size)
        for position in range(offset, min(offset + length, self._size) - size + 1, size):
            entry = struct_parse(self._structs.Elf_Dyn, self._stream, position)
            if entry["d_tag"] == "DT_NULL":
                break
            self._tags.setdefault(str(entry["d_tag"]), []).append(int(entry["d_val"]))
        if "DT_STRTAB" in self._tags:
            length = self._tags.get("DT_STRSZ", [0])[-1]
            self._strings = self._at(self._tags["DT_STRTAB"][-1], length)

    def _string(self, offset: int) -> str:
        end = self._strings.find(b"\0", offset)
        if not 0 <= offset <= end:
            raise ELFError(f"a name lies outside the string table, at {offset:#x}")
        return os.fsdecode(self._strings[offset:end])

    def _names(self, tag: str) -> tuple[str, ...]:
        return tuple(self._string(offset) for offset in self._tags.get(tag, ()))

    def _name(self, tag: str) -> str | None:
        # The loader keeps the last entry of a tag that should be there once.
        names = self._names(tag)
        return names[-1] if names else None

    def _versions_needed(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for entry, position in self._chain("DT_VERNEED", self._structs.Elf_Verneed, "vn_next"):
            aux = self._linked(
                position + entry["vn_aux"], self._structs.Elf_Vernaux, "vna_next", entry["vn_cnt"]
            )
            # VER_FLG_WEAK: the loader starts without it.
            names = tuple(self._string(a["vna_name"]) for a, _ in aux if not a["vna_flags"] & 2)
            yield self._string(entry["vn_file"]), names

    def _versions_defined(self) -> Iterator[str]:
        for entry, position in self._chain("DT_VERDEF", self._structs.Elf_Verdef, "vd_next"):
            aux = self._linked(position + entry["vd_aux"], self._structs.Elf_Verdaux, "vda_next", 1)
            yield from (self._string(a["vda_name"]) for a, _ in aux)

    def _chain(self, tag: str, struct: Any, link: str) -> Iterator[tuple[Any, int]]:
        if tag not in self._tags:
            return iter(())
        count = self._tags.get(tag + "NUM", [0])[-1]
        return self._linked(self._offset(self._tags[tag][-1]), struct, link, count)

    def _linked(self, offset: int, struct: Any, link: str, count: int) -> Iterator[tuple[Any, int]]:
        """Walk entries that each tell how far on the next one is."""
        for _ in range(count):
            self._entries_left -= 1
            if self._entries_left < 0:
                raise ELFError("its symbol versions lead in circles")
            entry = struct_parse(struct, self._stream, offset)
            yield entry, offset
            if not entry[link]:
                return
            offset += entry[link]

    def _dlopen_notes(self) -> Iterator[DlopenNote]:
        segments = [s for s in self._segments if s["p_type"] == "PT_NOTE"]
        places = [(segment["p_offset"], segment["p_filesz"]) for segment in segments]
        for offset, size in places + self._dlopen_section():
            notes = self._bytes(offset, min(size, MOST_NOTES))
            yield from dlopen_note.read(notes, self._abi.little_endian)

    def _dlopen_section(self) -> list[tuple[int, int]]:
        """Find a section of such notes in no segment: objcopy(1) adds it so, for tools alone."""
        header, struct = self._header, self._structs.Elf_Shdr
        count, names_at = header["e_shnum"], header["e_shstrndx"]
        start, size = header["e_shoff"], struct.sizeof()
        if names_at >= count or header["e_shentsize"] != size or start + count * size > self._size:
            return []  # stripped of them, or damaged: the loader does not mind
        names = struct_parse(struct, self._stream, start + names_at * size)
        if names["sh_offset"] > self._size:
            return []
        strings = self._bytes(names["sh_offset"], min(names["sh_size"], MOST_NOTES))
        name = strings.find(b"\0.note.dlopen\0") + 1
        sections = (struct_parse(struct, self._stream, start + n * size) for n in range(count))
        return [
            (section["sh_offset"], section["sh_size"])
            for section in (sections if name else ())
            if section["sh_name"] == name
            and section["sh_addr"] == 0
            and section["sh_offset"] <= self._size
        ]

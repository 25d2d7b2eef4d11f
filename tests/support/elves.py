"""Make small ELF files by value, of any class, byte order and machine; real loaders map them."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

TAGS = {
    "needed": 1, "soname": 14, "rpath": 15, "runpath": 29,
    "auxiliary": 0x7FFFFFFD, "filter": 0x7FFFFFFF, "audit": 0x6FFFFEFC, "depaudit": 0x6FFFFEFB,
}  # fmt: skip
DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_FLAGS_1 = 5, 6, 10, 11, 0x6FFFFFFB
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_PHDR, PT_GNU_STACK = 1, 2, 3, 4, 6, 0x6474E551
ET_EXEC, ET_DYN = 2, 3
EM_386, EM_X86_64, EM_AARCH64 = 3, 62, 183


@dataclass
class Made:
    """What an ELF file shall say about itself."""

    dynamic: list[tuple[str, str]] = field(default_factory=list)
    """Entries in their order: ``("needed", "libc.so.6")``."""
    interpreter: str | None = None
    kind: int = ET_DYN
    machine: int = EM_X86_64
    bits: int = 64
    little_endian: bool = True
    e_flags: int = 0
    flags_1: int = 0
    notes: bytes = b""
    strings: tuple[str, ...] = ()
    """Further names in the string table."""

    def __bytes__(self) -> bytes:
        """Lay the file out: headers, interpreter, notes, dynamic section, strings."""
        order = "<" if self.little_endian else ">"
        wide = self.bits == 64
        header_size, segment_size, entry_size = (64, 56, 16) if wide else (52, 32, 8)
        strings = bytearray(b"\0")
        entries: list[tuple[int, int]] = []

        def string(text: str) -> int:
            offset = len(strings)
            strings.extend(os.fsencode(text) + b"\0")
            return offset

        entries += [(TAGS[tag], string(text)) for tag, text in self.dynamic]
        for text in self.strings:
            string(text)
        if self.flags_1:
            entries.append((DT_FLAGS_1, self.flags_1))
        interpreter = b"" if self.interpreter is None else os.fsencode(self.interpreter) + b"\0"
        at = header_size + 6 * segment_size
        interpreter_at, at = at, (at + len(interpreter) + 7) // 8 * 8
        notes_at, at = at, (at + len(self.notes) + 7) // 8 * 8
        dynamic_at, at = at, at + entry_size * (len(entries) + 5)
        symbols_at, at = at, at + 24
        strings_at, end = at, at + len(strings)
        entries += [
            (DT_STRTAB, strings_at), (DT_STRSZ, len(strings)),
            (DT_SYMTAB, symbols_at), (DT_SYMENT, 24 if wide else 16), (0, 0),
        ]  # fmt: skip

        def segment(kind: int, offset: int, size: int, flags: int = 6, align: int = 8) -> bytes:
            if wide:
                return struct.pack(
                    order + "IIQQQQQQ", kind, flags, offset, offset, offset, size, size, align
                )
            return struct.pack(
                order + "IIIIIIII", kind, offset, offset, offset, size, size, flags, align
            )

        segments = [segment(PT_LOAD, 0, end, 7, 0x1000), segment(PT_GNU_STACK, 0, 0, 6)]
        if interpreter:
            segments.insert(0, segment(PT_PHDR, header_size, 5 * segment_size, 4))
            segments.append(segment(PT_INTERP, interpreter_at, len(interpreter), 4, 1))
        if self.notes:
            segments.append(segment(PT_NOTE, notes_at, len(self.notes), 4, 4))
        segments.append(
            segment(PT_DYNAMIC, dynamic_at, entry_size * len(entries))
        )
        ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if self.little_endian else 2, 1, 0))
        header = ident.ljust(16, b"\0") + struct.pack(
            order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"),
            self.kind, self.machine, 1, 0, header_size, 0, self.e_flags,
            header_size, segment_size, len(segments), 0, 0, 0,
        )  # fmt: skip
        content = bytearray(end)

        def put(offset: int, data: bytes) -> None:
            content[offset : offset + len(data)] = data

        put(0, header)
        put(header_size, b"".join(segments))
        put(interpreter_at, interpreter)
        put(notes_at, self.notes)
        word = "qQ" if wide else "iI"
        put(dynamic_at, b"".join(struct.pack(order + word, *entry) for entry in entries))
        put(strings_at, bytes(strings))
        return bytes(content)

    def write(self, path: Path) -> Path:
        """Write the file, and the directories it lies in; it may be run."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(self))
        path.chmod(0o755)
        return path


def dlopen_note(text: str) -> bytes:
    """Make the ELF note that tells, in JSON, what a program loads later."""
    data = text.encode() + b"\0"
    sizes = struct.pack("<III", 4, len(data), 0x407C0C0A)
    return sizes + b"FDO\0" + data.ljust((len(data) + 3) // 4 * 4, b"\0")

"""Read one ELF file."""

from magicpak.elf.dlopen_note import DlopenNote
from magicpak.elf.reader import (
    DF_1_NODEFLIB,
    DF_1_PIE,
    SMALLEST,
    Abi,
    Elf,
    MalformedExecutable,
    Versions,
    build_info,
    constants,
    imports,
    is_elf,
    payload,
    read,
    read_open,
)

__all__ = [
    "DF_1_NODEFLIB",
    "DF_1_PIE",
    "SMALLEST",
    "Abi",
    "DlopenNote",
    "Elf",
    "MalformedExecutable",
    "Versions",
    "build_info",
    "constants",
    "imports",
    "is_elf",
    "payload",
    "read",
    "read_open",
]

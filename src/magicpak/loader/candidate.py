"""Tell whether the loader accepts a file that it finds, or skips it. Pure.

glibc: elf/dl-load.c (open_verify, _dl_map_object_from_fd). musl: ldso/dynlink.c (map_library).
"""

from __future__ import annotations

from magicpak.elf import DF_1_PIE, Elf, MalformedExecutable
from magicpak.loader.search import Flavour


def fits(elf: Elf, needer: Elf, flavour: Flavour) -> bool:
    """Tell whether the loader accepts a candidate; if not, it tries the next one.

    Raises MalformedExecutable where the loader stops with an error.
    """
    wanted, found = needer.abi, elf.abi
    if flavour is Flavour.MUSL:
        if found != wanted:
            raise MalformedExecutable(elf.path, "it is for another machine or word size")
        return True
    if found.bits != wanted.bits:
        return False
    if found.little_endian != wanted.little_endian:
        raise MalformedExecutable(elf.path, "its byte order differs")
    if found.machine != wanted.machine or elf.float_abi != needer.float_abi:
        return False
    if elf.kind != "ET_DYN" or elf.flags_1 & DF_1_PIE:
        raise MalformedExecutable(elf.path, "it is not a shared library")
    if not elf.dynamic:
        raise MalformedExecutable(elf.path, "it has no dynamic section")
    return True

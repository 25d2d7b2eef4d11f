"""Tell whether the loader takes a file that it finds, or passes it over. Pure.

glibc: elf/dl-load.c (open_verify, _dl_map_object_from_fd). musl: ldso/dynlink.c (map_library).
"""

from __future__ import annotations

from magicpak.elf import DF_1_PIE, Elf, MalformedExecutable
from magicpak.loader.search import Flavour


def fits(elf: Elf, needer: Elf, flavour: Flavour) -> bool:
    """Tell whether the loader takes a candidate or passes it over for the next place.

    Raises MalformedExecutable where it stops instead.
    """
    mine, its = needer.abi, elf.abi
    if flavour is Flavour.MUSL:
        if its != mine:
            raise MalformedExecutable(elf.path, "it is for another machine or word size")
        return True
    if its.bits != mine.bits:
        return False
    if its.little_endian != mine.little_endian:
        raise MalformedExecutable(elf.path, "its byte order is another one")
    if its.machine != mine.machine or elf.float_abi != needer.float_abi:
        return False
    if elf.kind != "ET_DYN" or elf.flags_1 & DF_1_PIE:
        raise MalformedExecutable(elf.path, "it is an executable")
    if not elf.dynamic:
        raise MalformedExecutable(elf.path, "it has no dynamic section")
    return True

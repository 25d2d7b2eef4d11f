"""Tell whether the loader accepts a file that it finds, skips it, or gives up. Pure.

glibc: elf/dl-load.c (open_verify, open_path, _dl_map_object_from_fd).
musl: ldso/dynlink.c (map_library, path_open).
"""

from __future__ import annotations

import errno

from magicpak.elf import DF_1_PIE, Abi, Elf, MalformedExecutable
from magicpak.loader.search import Flavour

PASSED = {
    Flavour.GLIBC: (0, errno.ENOENT, errno.EACCES),
    Flavour.MUSL: (0, errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENAMETOOLONG),
}
"""The failures of open(2) after which a loader looks on in the same list of directories."""


def fits(elf: Elf, needer: Elf, flavour: Flavour) -> bool:
    """Tell whether the loader accepts a candidate; if not, it tries the next one.

    Raises MalformedExecutable where the loader stops with an error.
    """
    if flavour is Flavour.MUSL:
        if elf.abi != needer.abi:
            raise MalformedExecutable(elf.path, "it is for another machine or word size")
        return True
    if is_foreign(elf.path, elf.abi, needer.abi) or elf.float_abi != needer.float_abi:
        return False
    if elf.kind != "ET_DYN" or elf.flags_1 & DF_1_PIE:
        raise MalformedExecutable(elf.path, "it is not a shared library")
    if not elf.dynamic:
        raise MalformedExecutable(elf.path, "it has no dynamic section")
    return True


def is_foreign(path: str, found: Abi, wanted: Abi) -> bool:
    """Tell whether glibc passes over a file of this ABI, for which it needs only its header.

    Raises MalformedExecutable for a byte order that it stops at.
    """
    if found.bits != wanted.bits:
        return True
    if found.little_endian != wanted.little_endian:
        raise MalformedExecutable(path, "its byte order differs")
    return found.machine != wanted.machine

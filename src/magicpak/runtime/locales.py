"""Bring locales in the form of directories, which setlocale(3) of glibc finds without an archive.

See locale(7) and the format of /usr/lib/locale/locale-archive in locale/locarchive.h of glibc.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from magicpak.plan import BundlePath, Placed, generated
from magicpak.runtime.request import Request

DIRECTORIES = ("/usr/lib/locale", "/usr/lib64/locale")
ARCHIVE = "/usr/lib/locale/locale-archive"
MAGIC = 0xDE020109
CATEGORIES = (
    "LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY",
    "LC_MESSAGES/SYS_LC_MESSAGES", None, "LC_PAPER", "LC_NAME", "LC_ADDRESS", "LC_TELEPHONE",
    "LC_MEASUREMENT", "LC_IDENTIFICATION",
)  # fmt: skip
"""By their numbers in locale.h, of which LC_ALL has no file."""
USUAL = "C.UTF-8"


def locale(request: Request) -> Iterator[Placed]:
    """Bring the named locales, or C.UTF-8."""
    if request.musl():
        return  # musl has C.UTF-8 built in, and no others of its own
    archive = request.host.content(ARCHIVE) if request.found(ARCHIVE) else b""
    for name in request.values or (USUAL,):
        if name in ("C", "POSIX"):
            continue
        spelled = normalized(name)
        ways = dict.fromkeys((name, spelled))
        paths = request.found(*(f"{place}/{way}" for place in DIRECTORIES for way in ways))
        if paths:
            yield from request.entries(paths)
        elif found := dict(_in_archive(archive, spelled)):
            for category, content in found.items():
                path = BundlePath(f"{DIRECTORIES[0]}/{spelled}/{category}")
                yield generated(path, content, request.origin)
        else:
            raise request.missing(
                f"the locale {name} is not made here",
                f"run `localedef -i {name.partition('.')[0]} -f UTF-8 {name}` first, or install it",
            )


def normalized(name: str) -> str:
    """Spell the code set as the directories do: ``de_DE.UTF-8`` as ``de_DE.utf8``."""
    language, dot, rest = name.partition(".")
    codeset, at, modifier = rest.partition("@")
    plain = re.sub(r"[^a-z0-9]", "", codeset.lower())
    return language + dot + (f"iso{plain}" if plain.isdecimal() else plain) + at + modifier


def _in_archive(archive: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a locale in an archive, which is of the machine's byte order."""
    for order in "<>":
        if len(archive) >= 56 and struct.unpack_from(f"{order}I", archive)[0] == MAGIC:
            offset, _, size = struct.unpack_from(f"{order}3I", archive, 8)
            yield from _files(archive, name.encode(), order, range(offset, offset + 12 * size, 12))


def _files(archive: bytes, name: bytes, order: str, entries: range) -> Iterator[tuple[str, bytes]]:
    for entry in entries:
        if entry + 12 > len(archive):
            return
        _, text, record = struct.unpack_from(f"{order}3I", archive, entry)
        if not record or archive[text : text + len(name) + 1] != name + b"\0":
            continue
        for number, category in enumerate(CATEGORIES):
            start, length = struct.unpack_from(f"{order}2I", archive, record + 4 + 8 * number)
            if category is not None:
                yield category, archive[start : start + length]
        return

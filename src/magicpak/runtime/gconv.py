"""Bring the modules that convert character sets, and a configuration that names just those.

See "glibc iconv Implementation" in the manual of glibc. Without a gconv-modules.cache, which would
name modules that are not there, glibc reads gconv-modules.
"""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from magicpak.plan import BundlePath, Placed, generated
from magicpak.runtime.request import Request

USUAL = re.compile(
    r"UTF-?(7|16|32).*|UNICODE.*|UCS-?[24].*|ISO-?8859-\d+.*|LATIN.*|CP125\d|CP(437|850|852|866|932|936|949|950)"
    r"|IBM(437|850|852|866|932|943)|KOI-?8.*|EUC-?(JP|KR|CN|TW).*|SJIS.*|SHIFT.*JIS.*|GBK|GB18030|GB2312|BIG5.*|UHC"
    r"|ISO-2022-(JP|KR|CN).*|JOHAB|TCVN.*|TIS-620|MACINTOSH"
)
"""The Unicode, ISO 8859, Windows and East Asian character sets, by the names of their modules."""


class Row(NamedTuple):
    """A line of gconv-modules: a module for two character sets, or an alias of one."""

    line: str
    module: str
    """Empty for an alias."""
    charsets: tuple[str, ...]


def gconv(request: Request) -> Iterator[Placed]:
    """Bring the modules of the named character sets, or of the usual ones."""
    directories = [
        f"{directory}/gconv"
        for directory in request.glibc()
        if request.found(f"{directory}/gconv/gconv-modules*")
    ]
    if not directories:
        if request.musl():
            return  # built into musl
        raise request.missing(
            "no modules of glibc for character sets are here", "install them (libc6, glibc-gconv)"
        )
    for directory in directories:
        yield from _modules(request, directory)


def _modules(request: Request, directory: str) -> Iterator[Placed]:
    files = request.found(f"{directory}/gconv-modules", f"{directory}/gconv-modules.d/*.conf")
    rows = [row for path in files for row in _rows(os.fsdecode(request.host.content(path)))]
    chosen = _chosen(rows, request)
    modules = {row.module for row in rows if row.module and chosen & set(row.charsets)}
    lines = [row.line for row in rows if row.module in modules or (
        not row.module and chosen & set(row.charsets))]  # fmt: skip
    content = os.fsencode("\n".join(lines) + "\n")
    yield generated(BundlePath(f"{directory}/gconv-modules"), content, request.origin)
    for module in sorted(modules):
        yield from request.entries(request.found(f"{directory}/{module}.so"))


def _chosen(rows: list[Row], request: Request) -> set[str]:
    """Return the character sets as the modules call them. Raises DataNotFound."""
    aliases = {row.charsets[0]: row.charsets[1] for row in rows if not row.module}
    named = {charset for row in rows if row.module for charset in row.charsets} - {"INTERNAL"}
    if not request.values:
        return {charset for charset in named if USUAL.fullmatch(charset)}
    chosen = set()
    for value in request.values:
        name = value.upper()
        name = aliases.get(name, name)
        if name not in named:
            raise request.missing(f"no module converts {value}", "see `iconv -l` for the names")
        chosen.add(name)
    return chosen


def _rows(text: str) -> Iterator[Row]:
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["alias"] and len(words) >= 3:
            yield Row(line, "", tuple(word.rstrip("/").upper() for word in words[1:3]))
        elif words[:1] == ["module"] and len(words) >= 4:
            charsets = tuple(word.rstrip("/").upper() for word in words[1:3])
            yield Row(line, words[3], charsets)

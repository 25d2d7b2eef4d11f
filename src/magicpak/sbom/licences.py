"""Write what packages say of their licences as SPDX expressions (SPDX 2.3, annex D). Pure.

What has no identifier in the SPDX License List becomes a ``LicenseRef-…`` with its text.
"""

import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from magicpak.sbom.spdx_list import EXCEPTIONS, LICENCES


class Licence(NamedTuple):
    """An expression; empty where nothing is known."""

    expression: str = ""
    texts: tuple[tuple[str, str], ...] = ()
    """The text of each ``LicenseRef-…`` in the expression."""


NAMES = {
    "expat": "MIT",
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0",
    "boost-1.0": "BSL-1.0",
    "cc0": "CC0-1.0",
    "gfdl-niv-1.1": "GFDL-1.1-no-invariants-only",
    "gfdl-niv-1.1+": "GFDL-1.1-no-invariants-or-later",
    "gfdl-niv-1.2": "GFDL-1.2-no-invariants-only",
    "gfdl-niv-1.2+": "GFDL-1.2-no-invariants-or-later",
    "gfdl-niv-1.3": "GFDL-1.3-no-invariants-only",
    "gfdl-niv-1.3+": "GFDL-1.3-no-invariants-or-later",
    "ofl-1.1": "OFL-1.1",
    "sil-1.1": "OFL-1.1",
    "sil-ofl-1.1": "OFL-1.1",
    "psf-2": "PSF-2.0",
    "python": "Python-2.0",
    "asl 2.0": "Apache-2.0",
    "zlib/libpng": "Zlib",
    "mplv1.1": "MPL-1.1",
    "mplv2.0": "MPL-2.0",
    "boost": "BSL-1.0",
    "openldap": "OLDAP-2.8",
}
"""Licences by the names of Debian's copyright format 1.0, and by those of Fedora before SPDX."""

EXCEPTION_NAMES = {
    "autoconf exception": {"2": "Autoconf-exception-2.0", "3": "Autoconf-exception-3.0"},
    "bison exception": {"2": "Bison-exception-2.2", "3": "Bison-exception-2.2"},
    "classpath exception": {"2": "Classpath-exception-2.0"},
    "font exception": {"2": "Font-exception-2.0", "3": "Font-exception-2.0"},
    "gcc exception": {"3": "GCC-exception-3.1"},
    "llvm exception": {"2": "LLVM-exception"},
    "libtool exception": {"2": "Libtool-exception"},
}
"""Exceptions of Debian's format, by the version of the GPL."""

GNU = re.compile(r"(|L|A)GPL-?v?(\d)((?:\.\d)?)(?:\.0)?(\+|-or-later|-only|)", re.IGNORECASE)
GFDL = re.compile(r"GFDL-?v?(1\.[123])(\+|)", re.IGNORECASE)
TOKEN = re.compile(r",\s*(?=(?:and|or)\b)|[()]|[^\s(),]+|,", re.IGNORECASE)
OPERATORS = ("and", "or")

_BY_CASE = {name.lower(): name for name in LICENCES}
_EXCEPTIONS_BY_CASE = {name.lower(): name for name in EXCEPTIONS}


def licence(said: Iterable[str], texts: Mapping[str, str] | None = None) -> Licence:
    """Join what is said of licences; ``texts`` has those of the names that are no SPDX ids.

    A text of a whole expression is that of each name in it that has none.
    """
    given, refs = texts or {}, dict[str, str]()

    def term(whole: str, words: str) -> str:
        known = identifier(words)
        if known is not None:
            return known
        text = given.get(words) or given.get(whole) or words
        ref = reference(words, text)
        refs[ref] = text
        return ref

    wholes = dict.fromkeys(each for each in said if each.strip())
    rewritten = (_expression(each, functools.partial(term, each)) for each in wholes)
    expressions = dict.fromkeys(rewritten)
    joined = _joined("AND", list(expressions)) if expressions else ""
    return Licence(joined, tuple(sorted(refs.items())))


def reference(name: str, text: str) -> str:
    """Name a licence by its text, so that two texts with one name have two names."""
    data = text.encode(errors="surrogateescape")
    clean = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")[:60] or "unknown"
    return f"LicenseRef-{clean}-{hashlib.sha256(data).hexdigest()[:8]}"


def identifier(words: str) -> str | None:
    """Return the SPDX name of a licence, with an exception or without; None if it has none."""
    name, with_, exception = (part.strip() for part in _WITH.sub("\0", words, 1).partition("\0"))
    spdx = _licence(name)
    if spdx is None or not with_:
        return spdx
    found = _EXCEPTIONS_BY_CASE.get(exception.lower())
    if found is None:
        version = re.search(r"\d", spdx)
        rows = EXCEPTION_NAMES.get(exception.lower(), {})
        found = rows.get(version[0]) if version else None
    return f"{spdx} WITH {found}" if found else None


_WITH = re.compile(r"\s+with\s+", re.IGNORECASE)


def _licence(name: str) -> str | None:
    gnu, gfdl, lower = GNU.fullmatch(name), GFDL.fullmatch(name), name.lower()
    if gnu is not None:
        kind, major, minor, later = gnu.groups()
        ending = "or-later" if later.lower() in ("+", "-or-later") else "only"
        lower = f"{kind}gpl-{major}{minor or '.0'}-{ending}".lower()
    elif gfdl is not None:
        lower = f"gfdl-{gfdl[1]}-{'or-later' if gfdl[2] else 'only'}"
    return NAMES.get(lower) or _BY_CASE.get(lower) or _BY_CASE.get(f"{lower}.0")


class _Unbalanced(Exception):
    """Parentheses or operators stand where none can."""


def _expression(text: str, term: Callable[[str], str]) -> str:
    """Rewrite an expression. One that is none is a term as a whole."""
    try:
        _Parser(text, lambda words: words).parsed()  # before any term counts
        return _Parser(text, term).parsed()
    except _Unbalanced:
        return term(" ".join(text.split()))


class _Parser:
    """Debian's and SPDX's grammar: ``and`` binds more tightly than ``or``, a comma the least."""

    def __init__(self, text: str, term: Callable[[str], str]) -> None:
        self._tokens = TOKEN.findall(text)[::-1]
        self._term = term

    def parsed(self) -> str:
        found = self._list()
        if self._tokens:
            raise _Unbalanced
        return found

    def _next(self) -> str:
        return self._tokens[-1].lower() if self._tokens else ""

    def _take(self, *tokens: str) -> str:
        return self._tokens.pop().lower() if self._next() in tokens else ""

    def _list(self) -> str:
        """Read what commas separate: ``A or B, and C``."""
        found = self._any()
        while self._next().startswith(","):
            self._tokens.pop()
            following = self._take(*OPERATORS)
            if not following:
                raise _Unbalanced
            found = _joined(following.upper(), [found, self._any()])
        return found

    def _any(self) -> str:
        found = [self._all()]
        while self._take("or"):
            found.append(self._all())
        return _joined("OR", found)

    def _all(self) -> str:
        found = [self._one()]
        while self._take("and"):
            found.append(self._one())
        return _joined("AND", found)

    def _one(self) -> str:
        if self._take("("):
            found = self._list()
            if not self._take(")"):
                raise _Unbalanced
            return found
        words = []
        while self._tokens and self._next() not in (*OPERATORS, "(", ")"):
            if self._next().startswith(","):
                break
            words.append(self._tokens.pop())
        if not words or self._next() == "(":
            raise _Unbalanced
        # Alpine separates licences by spaces, too.
        if len(words) > 1 and all(identifier(word) for word in words):
            return _joined("AND", [self._term(word) for word in words])
        return self._term(" ".join(words))


def _joined(operator: str, parts: list[str]) -> str:
    """Join expressions; one with another operator stands in parentheses."""
    if len(parts) == 1:
        return parts[0]
    other = " OR " if operator == "AND" else " AND "
    inner = (f"({part})" if other in part and not _enclosed(part) else part for part in parts)
    return f" {operator} ".join(dict.fromkeys(inner))


def _enclosed(text: str) -> bool:
    """Tell whether a pair of parentheses holds all of an expression."""
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return index == len(text) - 1 and text.startswith("(")
    return False

"""Which files of a package are for run time. Pure."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Collection, Iterable

NOT_FOR_RUN_TIME = {
    "documentation": (
        "/usr/share/doc",
        "/usr/share/doc-base",
        "/usr/share/gtk-doc",
        "/usr/share/help",
        "/usr/share/info",
        "/usr/share/licenses",
    ),
    "manual pages": ("/usr/share/man",),
    "headers, and what else only a build needs": (
        "/usr/include",
        "/usr/lib*/pkgconfig",
        "/usr/lib*/*/pkgconfig",
        "/usr/share/pkgconfig",
        "/usr/lib*/cmake",
        "/usr/lib*/*/cmake",
        "/usr/share/aclocal",
    ),
    "static libraries": ("**/lib*.a", "**/*.la"),
    "symbols for debuggers": ("/usr/lib/debug", "/usr/lib/.build-id"),
    "completions of shells": (
        "/etc/bash_completion.d",
        "/usr/share/bash-completion/completions",
        "/usr/share/fish/vendor_completions.d",
        "/usr/share/zsh/site-functions",
        "/usr/share/zsh/vendor-completions",
    ),
    "scripts for maintainers": ("/usr/share/bug", "/usr/share/lintian"),
}
"""Paths, each with all below it. ``*`` stands for any part of a name, ``**`` for any directory."""

TRANSLATION = re.compile(r"/usr/share/locale(?:-langpack)?/([^/]+)/")
LOCALE = re.compile(r"([^_.@]+)(_[^.@]+)?(\.[^@]+)?(@.+)?", re.DOTALL)


def run_time_files(paths: Iterable[str], languages: Collection[str] = ()) -> tuple[str, ...]:
    """Leave out what is not for run time, and the directories that other paths lie in.

    Translations into the given languages stay; a language is named as in LANG.
    """
    listed = list(paths)
    parents = {path.rpartition("/")[0] for path in listed}
    kept = {name for language in languages for name in _directories(language)}
    return tuple(path for path in listed if path not in parents and _for_run_time(path, kept))


def _for_run_time(path: str, languages: Collection[str]) -> bool:
    translation = TRANSLATION.match(path)
    if translation is not None:
        return translation[1] in languages
    return _left_out().fullmatch(path) is None


def _directories(language: str) -> set[str]:
    """Name the directories that gettext(3) searches for ``LANGUAGE_TERRITORY.CODESET@MODIFIER``."""
    parts = LOCALE.fullmatch(language)
    if parts is None:
        return set()
    variants = itertools.product(*(("", part or "") for part in parts.groups()[1:]))
    return {parts[1] + "".join(variant) for variant in variants}


@functools.cache
def _left_out() -> re.Pattern[str]:
    wildcards = {r"\*\*": ".*", r"\*": "[^/]*"}
    rows = "|".join(re.escape(path) for paths in NOT_FOR_RUN_TIME.values() for path in paths)
    regex = re.sub(r"\\\*(?:\\\*)?", lambda match: wildcards[match[0]], rows)
    return re.compile(f"(?:{regex})(?:/.*)?", re.DOTALL)

"""Read /etc/ld.so.conf as ldconfig(8) does: the directories that the cache covers."""

from __future__ import annotations

import fnmatch
import logging
import os
from collections.abc import Callable, Iterator

from magicpak.loader.cache import Cache, CacheEntry, select

log = logging.getLogger(__name__)

CONFIGURATION = "/etc/ld.so.conf"
DEPTH = 10
"""The limit of nested include directives."""

Locate = Callable[[str], str]
"""Maps a path to its location on this machine."""


def directories(locate: Locate, path: str = CONFIGURATION, depth: int = 0) -> Iterator[str]:
    """List the directories that a configuration file and its included files name."""
    try:
        with open(locate(path), "rb") as file:
            lines = os.fsdecode(file.read()).splitlines()
    except OSError:
        return
    for line in lines:
        text = line.partition("#")[0].strip()
        if text.startswith("include") and text[7:8].isspace() and depth < DEPTH:
            for pattern in text.split()[1:]:
                place = os.path.join(os.path.dirname(path), pattern)
                for included in _matching(locate, place):
                    yield from directories(locate, included, depth + 1)
        elif text.startswith("/"):
            yield text.partition("=")[0].rstrip("/ \t") or "/"


def _matching(locate: Locate, pattern: str) -> list[str]:
    parent, name = os.path.split(pattern)
    names = fnmatch.filter(_names(locate, parent), name)
    return [f"{parent}/{each}" for each in sorted(names) if not each.startswith(".")]


def _names(locate: Locate, directory: str) -> list[str]:
    try:
        return os.listdir(locate(directory))
    except OSError:
        return []


def cache(locate: Locate, flags: int) -> Cache:
    """Build a cache of all libraries by file name, the first directory first.

    It stands in for ldconfig(8) in a tree where that has not run yet. Packages have the links
    named by soname.
    """
    entries = [
        CacheEntry(name, f"{directory}/{name}", flags)
        for directory in dict.fromkeys(directories(locate))
        for name in sorted(_names(locate, directory))
        if name.startswith(("lib", "ld-")) and ".so" in name
    ]
    log.debug("%d libraries are in the directories of %s", len(entries), CONFIGURATION)
    return select(entries, flags)

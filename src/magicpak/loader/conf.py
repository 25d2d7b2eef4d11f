"""Read /etc/ld.so.conf as ldconfig(8) does: the directories that the cache covers."""

from __future__ import annotations

import fnmatch
import logging
import os
from collections.abc import Iterator

from magicpak.host.sysroot import Sysroot
from magicpak.loader.cache import Cache, CacheEntry, select

log = logging.getLogger(__name__)

CONFIGURATION = "/etc/ld.so.conf"
MOST_FILES = 500
"""Files of which a configuration is put together; ldconfig(8) goes ten levels deep."""


def directories(
    files: Sysroot, path: str = CONFIGURATION, known: set[str] | None = None
) -> Iterator[str]:
    """List the directories that a configuration names, with those of the files it includes.

    Each file is read once, however often it is included.
    """
    known = set() if known is None else known
    known.add(path)
    try:
        lines = os.fsdecode(files.content(path)).splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        text = line.partition("#")[0].strip()
        if text.startswith("include") and text[7:8].isspace():
            for pattern in text.split()[1:]:
                place = os.path.join(os.path.dirname(path), pattern)
                for included in _matching(files, place):
                    if included not in known and len(known) < MOST_FILES:
                        yield from directories(files, included, known)
        elif text.startswith("/"):
            yield text.partition("=")[0].rstrip("/ \t") or "/"


def _matching(files: Sysroot, pattern: str) -> list[str]:
    parent, name = os.path.split(pattern)
    names = fnmatch.filter(_names(files, parent), name)
    return [f"{parent}/{each}" for each in sorted(names) if not each.startswith(".")]


def _names(files: Sysroot, directory: str) -> list[str]:
    try:
        return files.names(directory)
    except OSError:
        return []


def cache(files: Sysroot, flags: int) -> Cache:
    """Make what ldconfig(8) would: every library by its file name, the first directory first.

    It stands in for ldconfig(8) in a tree where that has not run yet. Packages have the links
    named by soname.
    """
    entries = [
        CacheEntry(name, f"{directory}/{name}", flags)
        for directory in dict.fromkeys(directories(files))
        for name in sorted(_names(files, directory))
        if name.startswith(("lib", "ld-")) and ".so" in name
    ]
    log.debug("%d libraries are in the directories of %s", len(entries), CONFIGURATION)
    return select(entries, flags)

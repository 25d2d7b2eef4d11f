"""Tell whether a file belongs to the system, so that it may be run unasked."""

from __future__ import annotations

import os
import stat


def only_root_writes(path: str) -> bool:
    """Tell whether only root can change a file, its links, and the directories on the way."""
    try:
        real = os.path.realpath(path, strict=True)
        found = [os.lstat(way) for start in (path, real) for way in _ways(start)]
    except OSError:
        return False
    return stat.S_ISREG(found[-1].st_mode) and all(map(_is_roots, found))


def _ways(path: str) -> list[str]:
    """List the directories on the way to a path, from the root to the path itself.

    A link on the way is one of them; where it leads is another start.
    """
    names = path.strip("/").split("/")
    return ["/" + "/".join(names[:count]) for count in range(len(names) + 1)]


def _is_roots(status: os.stat_result) -> bool:
    writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == 0 and (stat.S_ISLNK(status.st_mode) or not writable)

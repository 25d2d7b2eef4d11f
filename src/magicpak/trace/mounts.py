"""What is mounted where."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

_UNIONS = frozenset(("overlay", "fuse.fuse-overlayfs", "fuse-overlayfs", "aufs"))


class Mount(NamedTuple):
    """A line of proc_pid_mountinfo(5)."""

    point: str
    kind: str

    @property
    def copies_up(self) -> bool:
        """Whether a file that is written to is replaced by a copy (overlayfs)."""
        return self.kind in _UNIONS


class Mounts:
    """What is mounted where."""

    def __init__(self, mountinfo: Iterable[str]) -> None:
        """Read the lines of mountinfo."""
        self._at = {mount.point: mount for mount in map(_mount, mountinfo)}
        self._at.setdefault("/", Mount("/", ""))

    @classmethod
    def of_this_process(cls) -> Mounts:
        """Read what this process sees."""
        try:
            with open("/proc/self/mountinfo", "rb") as file:
                return cls(map(os.fsdecode, file))
        except OSError:
            return cls([])

    def of(self, path: str) -> Mount:
        """Return the mount that a path without links lies on."""
        while path not in self._at:
            path = path.rpartition("/")[0] or "/"
        return self._at[path]


def _mount(line: str) -> Mount:
    fields, _, rest = line.partition(" - ")
    return Mount(_unescaped(fields.split()[4]), rest.split()[0])


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)

"""Where on this machine lies what a run has mounted itself: mount(2) and fsopen(2). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from magicpak.trace import syntax
from magicpak.trace.aliases import origin

Resolve = Callable[[bytes | None, bytes], str | None]
"""Makes the path of a call absolute, by its descriptor."""

Mounts = dict[str, str | None]
"""Where what is mounted at a path lies; None for a file system of the run's own."""

_BINDS = re.compile(rb"MS_BIND|MS_MOVE")
_CHANGES = re.compile(rb"MS_(?:REMOUNT|PRIVATE|SLAVE|SHARED|UNBINDABLE)")
_IN_MEMORY = re.compile(r"(?:dev)?tmpfs|ramfs|proc|sysfs|devpts|mqueue|cgroup2?|\w+fs_?debug")
_KERNEL = "/proc"
"""Stands for what lies in memory: as what is there, it is no part of an image."""


class Trees:
    """What open_tree(2) and fsopen(2) have made ready to be mounted, by descriptor."""

    def __init__(self) -> None:
        """Know of none."""
        self._at: dict[bytes, str | None] = {}

    def told(self, match: re.Match[bytes], resolve: Resolve, mounts: Mounts) -> Iterator[str]:
        """Take in a call that has succeeded; give the paths that it has shown to be there."""
        call, rest = match["call"], match["rest"]
        descriptor = (match["fd"] or b"").partition(b"<")[0]
        paths = [(match["fd"], match["path"] or b""), *syntax.SECOND.findall(rest)]
        named = [(fd or None, string) for fd, string in paths if string not in (b"", b'""')]
        first = resolve(*named[0]) if named else None
        if call == b"open_tree":
            self._at[match["result"]] = first
        elif call == b"fsopen":
            self._at[match["result"]] = _new(match["path"] or b"")
        elif call == b"fsmount":
            self._at[match["result"]] = self._at.get(descriptor)
        elif call == b"move_mount":
            yield from _mount(first, self._at.get(descriptor), mounts)
        elif call.startswith(b"umount"):
            mounts.pop(first or "", None)
        elif len(named) > 1 and not _CHANGES.search(rest):
            source = first if _BINDS.search(rest) else _new(named[2][1] if named[2:] else b"")
            yield from _mount(resolve(*named[1]), source, mounts)


def _new(string: bytes) -> str | None:
    """Return where a new file system lies, by the string that names its type."""
    kind = syntax.unescape(string[1:-1]).decode(errors="replace")
    return _KERNEL if _IN_MEMORY.fullmatch(kind) else None


def _mount(point: str | None, source: str | None, mounts: Mounts) -> Iterator[str]:
    if point is None:
        return
    yield from filter(None, (source, point))  # before it is hidden by what is mounted there
    mounts[point] = None if source is None else origin(source, mounts)

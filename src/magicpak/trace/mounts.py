"""Which files lie on mounts that a build does not keep: no part of an image's file system."""

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

_UNIONS = frozenset(("overlay", "fuse.fuse-overlayfs", "fuse-overlayfs", "aufs"))
_IN_MEMORY = frozenset(("tmpfs", "ramfs"))
_SUBVOLUMES = frozenset(("btrfs", "zfs", "bcachefs"))
_SCRATCH = ("/", "/tmp", "/var/tmp")  # noqa: S108
_OF_CONTAINERS = ("/.dockerenv", "/run/.containerenv")


class Mount(NamedTuple):
    """A line of proc_pid_mountinfo(5)."""

    point: str
    root: str
    """The directory or file of the mounted file system that is seen there."""
    device: str
    kind: str

    @property
    def copies_up(self) -> bool:
        """Whether a file that is written to is replaced by a copy (overlayfs)."""
        return self.kind in _UNIONS


class Mounts:
    """What is mounted where."""

    def __init__(self, mountinfo: Iterable[str], cwd: str, *, contained: bool) -> None:
        """Read the lines of mountinfo; ``cwd`` is where the user works."""
        self._cwd = cwd
        self._at = {mount.point: mount for mount in map(_mount, mountinfo)}
        self._root = self._at.setdefault("/", Mount("/", "/", "", ""))
        self._contained = contained or self._root.copies_up

    @classmethod
    def none(cls) -> "Mounts":
        """Know of no mounts: what lies below a sysroot is all one."""
        return cls((), "/", contained=False)

    @classmethod
    def of_this_process(cls) -> "Mounts":
        """Read what this process sees."""
        try:
            with open("/proc/self/mountinfo", "rb") as file:
                lines = list(map(os.fsdecode, file))
        except OSError:
            lines = []
        contained = any(map(os.path.lexists, _OF_CONTAINERS))
        return cls(lines, os.path.realpath("."), contained=contained)

    def of(self, path: str) -> Mount:
        """Return the mount that a path without links lies on."""
        while path not in self._at:
            path = path.rpartition("/")[0] or "/"
        return self._at[path]

    def keeps(self, path: str) -> bool:
        """Tell whether a file is part of the file system that a build makes an image of.

        Not so is a file that is mounted itself, what lies in memory, and what is bound from
        elsewhere: secrets, caches, volumes. In a container nothing is but the root. The working
        directory's mount is what the user works on, and /tmp is a file system of its own on many
        machines: both count as kept.
        """
        mount = self.of(path)
        if mount.point in _SCRATCH:
            return True
        if not os.path.isdir(mount.point):
            return False
        if f"{self._cwd}/".startswith(f"{mount.point}/") or self._is_of_the_root(mount):
            return True
        if mount.kind in _IN_MEMORY or self._contained:
            return False
        return mount.root == "/" or mount.kind in _SUBVOLUMES

    def _is_of_the_root(self, mount: Mount) -> bool:
        """Tell whether the same is there without the mount, which makes it read-only perhaps."""
        place = os.path.normpath(f"{self._root.root}/{mount.point}")
        return (mount.device, mount.root) == (self._root.device, place)


def _mount(line: str) -> Mount:
    fields, _, rest = line.partition(" - ")
    device, root, point = fields.split()[2:5]
    return Mount(_unescaped(point), _unescaped(root), device, rest.split()[0])


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)

"""Make a jail's root from a bundle, sharing the files' contents, and remove it again."""

import contextlib
import errno
import fcntl
import logging
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from typing import NamedTuple

from magicpak.errors import IoError
from magicpak.system import kernel
from magicpak.system.beneath import LINKS_FOLLOWED
from magicpak.system.workdir import discard

log = logging.getLogger(__name__)

FICLONE = 0x40049409
"""ioctl_ficlone(2): share the extents of a file, copying on write."""

Mark = tuple[int, int, int, int]


class Planted(NamedTuple):
    """The root of a jail, and what it shares with the bundle."""

    root: str
    tree: str
    marks: dict[str, Mark]
    """The files whose inodes are those of the bundle, and how they were before the test."""

    def altered(self) -> tuple[str, ...]:
        """Return the bundle paths of the shared files that have changed since."""
        return tuple(
            sorted(
                f"/{os.path.relpath(path, self.tree)}"
                for path, mark in self.marks.items()
                if _mark(path) != mark
            )
        )


@contextlib.contextmanager
def private(beside: str) -> Iterator[str]:
    """Give a new directory on the file system of ``beside``, removed on every way out."""
    path = tempfile.mkdtemp(prefix=".magicpak-test-", dir=os.path.dirname(beside))
    # The kernel lists mounts by their real paths.
    path = os.path.realpath(path)
    try:
        yield path
    finally:
        remove(path)


def plant(tree: str, root: str) -> set[str]:
    """Make ``root`` from the bundle in ``tree``; return the files in ``tree`` that it shares.

    Every directory is made anew, so that nothing which is added to the root is added to the bundle.
    Its mode is left writable until ``finish``.
    """
    shared: set[str] = set()
    share = _clone
    pending = [(tree, root)]
    os.mkdir(root, 0o700)
    while pending:
        source, target = pending.pop()
        with os.scandir(source) as entries:
            for entry in entries:
                here = os.path.join(target, entry.name)
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), here)
                    _own(entry.path, here)
                elif entry.is_dir(follow_symlinks=False):
                    os.mkdir(here, 0o700)
                    pending.append((entry.path, here))
                elif not (share is _clone and _clone(entry.path, here)):
                    share = _link
                    if _link(entry.path, here):
                        shared.add(entry.path)
    return shared


def finish(tree: str, root: str, shared: set[str]) -> Planted:
    """Give the directories the modes that they have in the bundle, and wait until changes show."""
    # From the bottom, because what is done to an entry changes the times of its directory.
    for source, _, _ in os.walk(tree, topdown=False):
        _imitate(source, os.path.normpath(os.path.join(root, os.path.relpath(source, tree))))
    planted = Planted(root, tree, {path: _mark(path) for path in shared})
    _wait_for_clock(root, max((mark[2] for mark in planted.marks.values()), default=0))
    return planted


def _imitate(source: str, target: str) -> None:
    status = os.lstat(source)
    _own(source, target)
    os.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _own(source: str, target: str) -> None:
    status = os.lstat(source)
    # Only root owns what others may own.
    with contextlib.suppress(PermissionError):
        if os.geteuid() == 0:
            os.lchown(target, status.st_uid, status.st_gid)


def _clone(source: str, target: str) -> bool:
    """Copy a file without copying its contents, where its file system can do that."""
    if not stat.S_ISREG(os.lstat(source).st_mode):
        return False
    try:
        with open(source, "rb") as old, open(target, "xb") as new:
            fcntl.ioctl(new, FICLONE, old.fileno())
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)
        return False
    _own(source, target)
    shutil.copystat(source, target)
    return True


def _link(source: str, target: str) -> bool:
    """Link a file; copy it, and return False, where the file system has no room for a link."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as e:
        log.debug("%s is copied, because it cannot be linked: %s", source, e)
        shutil.copyfile(source, target, follow_symlinks=False)
        _own(source, target)
        shutil.copystat(source, target)
        return False
    return True


def _mark(path: str) -> Mark:
    status = os.lstat(path)
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode)


def _wait_for_clock(root: str, newest: int) -> None:
    """Wait until a change gets a later time than ``newest``: file systems' clocks are coarse."""
    deadline = time.monotonic() + 2.5
    while time.monotonic() < deadline:
        # The probe's time is what a change to a file would be given now, whoever keeps the clock.
        with tempfile.TemporaryFile(dir=os.path.dirname(root)) as probe:
            if os.fstat(probe.fileno()).st_ctime_ns > newest:
                return
        time.sleep(0.001)


def inside(root: str, path: str) -> str:
    """Return where ``path`` of the jail is on the host, following links as chroot(2) would.

    Raises IoError when links go in a circle.
    """
    parts = path.split("/")
    at: list[str] = []
    followed = 0
    while parts:
        part = parts.pop(0)
        if part == "..":
            del at[-1:]
        if part in ("", ".", ".."):
            continue
        try:
            link = os.readlink(os.path.join(root, *at, part))
        except OSError:
            at.append(part)
            continue
        followed += 1
        if followed > LINKS_FOLLOWED:
            raise IoError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        at = [] if link.startswith("/") else at
        parts[:0] = link.split("/")
    return os.path.join(root, *at)


def mount_points(path: str) -> list[str]:
    """Return the mount points at and below ``path``, the deepest first (proc(5), mountinfo)."""
    try:
        with open("/proc/self/mountinfo", "rb") as lines:
            fields = [line.split()[4] for line in lines]
    except OSError:
        return []
    points = [os.fsdecode(re.sub(rb"\\[0-7]{3}", _character, field)) for field in fields]
    return sorted((p for p in points if p == path or p.startswith(f"{path}/")), reverse=True)


def _character(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[0][1:], 8),))


def remove(path: str) -> None:
    """Remove a directory whatever its modes, never through a link or into another file system."""
    # Mounts are made in a namespace that is gone. Should one be here, its files are not ours.
    for point in mount_points(path):
        with contextlib.suppress(OSError):
            kernel.umount2(point, kernel.MNT_DETACH)
    device = os.lstat(path).st_dev
    for here, directories, _ in os.walk(path):
        for name in list(directories):
            below = os.path.join(here, name)
            status = os.lstat(below)
            if status.st_dev != device:
                log.warning("%s is left: %s is of another file system", path, below)
                return
            if stat.S_ISDIR(status.st_mode) and status.st_mode & 0o700 != 0o700:
                with contextlib.suppress(PermissionError):
                    os.chmod(below, 0o700)
    discard(path)
    if os.path.lexists(path):
        log.warning("%s is left: not all in it can be removed", path)

"""Copy the content of a file inside the kernel, and keep its holes."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator

from magicpak.errors import MagicpakError
from magicpak.plan import File

CHUNK = 64 << 20
"""Bytes copied between two reports of progress."""
MOST_UNTOLD = 64 << 20
"""Bytes of a file that tells no size: some of /proc have no end."""
SMALL = 1 << 20
"""Bytes copied at once through this process."""
LARGE = 1 << 20
"""Bytes for which it is worth telling the file system how large a file will be."""
ELSEWISE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
"""Errors of copy_file_range(2) after which read(2) and write(2) may work."""

REPLACED = (errno.ELOOP, errno.ENXIO, errno.ENODEV)
"""What open(2) answers for a link, a socket, or a device without a driver."""

Progress = Callable[[int], None]
"""Takes the number of bytes that were written since the last call."""


READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW


class ChangedDuringRun(MagicpakError):
    """A file is no longer the one that was planned."""

    path: str

    def __str__(self) -> str:
        return (
            f"{self.path} was changed or replaced during the run, after magicpak had looked at it; "
            f"run magicpak again when nothing writes there"
        )


def opened(entry: File) -> int:
    """Open the content of an entry, and return the descriptor. Raises OSError, ChangedDuringRun."""
    if entry.packed is not None:
        return os.open(entry.packed, READ)
    try:
        fd = os.open(entry.source, READ)
    except OSError as e:
        if e.errno in REPLACED:
            raise ChangedDuringRun(entry.source) from e
        raise
    if not _is_planned(entry, os.fstat(fd)):
        os.close(fd)
        raise ChangedDuringRun(entry.source)
    return fd


def _is_planned(entry: File, status: os.stat_result) -> bool:
    """Tell whether an open file is the one that was looked at when the bundle was planned."""
    if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) != entry.identity:
        return False
    # Files of /proc have no size, and the time of the first look at them.
    unchanged = status.st_size == entry.size and status.st_mtime_ns == entry.seen
    return unchanged or entry.seen is None or status.st_size == entry.size == 0


def copy(source: int, out: int, progress: Progress) -> None:
    """Copy an open file into an open, empty one. Raises OSError."""
    status = os.fstat(source)
    if status.st_blocks * 512 < status.st_size:
        os.ftruncate(out, status.st_size)
        for start, end in _data_ranges(source, status.st_size):
            reached = _copy_range(source, out, start, end, progress)
            if reached < end:  # files of /sys hold less than they tell
                os.ftruncate(out, reached)
                break
        return
    if status.st_size >= LARGE:
        # Its blocks are then taken at once: a quarter of the time on ext4. Not all have it.
        with contextlib.suppress(OSError):
            os.posix_fallocate(out, 0, status.st_size)
    reached = _copy_range(source, out, 0, status.st_size, progress)
    if reached < status.st_size:  # it has become shorter
        os.ftruncate(out, reached)
    if status.st_size == 0:  # files of /proc tell no size
        size = 0
        while block := os.read(source, SMALL):
            size += os.write(out, block)
            if size > MOST_UNTOLD:
                raise OSError(errno.EFBIG, "it tells no size, and has no end in sight")


def _data_ranges(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a file that are not holes (lseek(2), SEEK_DATA)."""
    position = 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
            end = os.lseek(fd, start, os.SEEK_HOLE)
        except OSError as e:
            if e.errno == errno.ENXIO:
                return  # a hole up to the end
            start, end = position, size  # this file system does not report holes
        yield start, end
        position = end


def _copy_range(source: int, out: int, start: int, end: int, progress: Progress) -> int:
    """Copy up to ``end``, and return the offset reached: the source may have become shorter."""
    while start < end:
        count = _copy_some(source, out, start, min(CHUNK, end - start))
        if count == 0:
            break
        progress(count)
        start += count
    return start


_refusing: set[tuple[int, int]] = set()
"""The pairs of devices for which the kernel has answered that it does not copy between them."""


def _copy_some(source: int, out: int, start: int, wanted: int) -> int:
    count = 0
    if not _refusing or _devices(source, out) not in _refusing:
        try:
            count = os.copy_file_range(source, out, wanted, start, start)
        except OSError as e:
            if e.errno not in ELSEWISE:
                raise
            if e.errno == errno.EXDEV:
                _refusing.add(_devices(source, out))
    # Some file systems return 0 where they do not support it.
    return count or os.pwrite(out, os.pread(source, min(wanted, SMALL), start), start)


def _devices(source: int, out: int) -> tuple[int, int]:
    return os.fstat(source).st_dev, os.fstat(out).st_dev

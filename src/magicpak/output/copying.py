"""Copy the content of a file within the kernel; holes stay holes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator

CHUNK = 64 << 20
"""Bytes copied between two reports of progress."""
SMALL = 1 << 20
"""Bytes copied at once through this process."""
ELSEWISE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
"""What copy_file_range(2) answers where read(2) and write(2) may do."""

Progress = Callable[[int], None]
"""Takes the number of bytes that were written since the last call."""


def copy(source: str, out: int, progress: Progress) -> None:
    """Copy a file into an open, empty one. Raises OSError."""
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(fd)
        if status.st_blocks * 512 < status.st_size:
            os.ftruncate(out, status.st_size)
            for start, end in _data_ranges(fd, status.st_size):
                reached = _copy_range(fd, out, start, end, progress)
                if reached < end:  # files of /sys hold less than they tell
                    os.ftruncate(out, reached)
                    break
        else:
            _copy_range(fd, out, 0, status.st_size, progress)
            if status.st_size == 0:  # files of /proc tell no size
                while block := os.read(fd, SMALL):
                    os.write(out, block)
    finally:
        os.close(fd)


def _data_ranges(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """List what is no hole in a file (lseek(2), SEEK_DATA)."""
    position = 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
            end = os.lseek(fd, start, os.SEEK_HOLE)
        except OSError as e:
            if e.errno == errno.ENXIO:
                return  # a hole up to the end
            start, end = position, size  # this file system tells no holes
        yield start, end
        position = end


def _copy_range(source: int, out: int, start: int, end: int, progress: Progress) -> int:
    """Copy up to ``end``, and return how far the source went: it may be shorter by now."""
    while start < end:
        count = _copy_some(source, out, start, min(CHUNK, end - start))
        if count == 0:
            break
        progress(count)
        start += count
    return start


def _copy_some(source: int, out: int, start: int, wanted: int) -> int:
    try:
        count = os.copy_file_range(source, out, wanted, start, start)
    except OSError as e:
        if e.errno not in ELSEWISE:
            raise
        count = 0
    # Some file systems answer 0 where they cannot copy by themselves.
    return count or os.pwrite(out, os.pread(source, min(wanted, SMALL), start), start)

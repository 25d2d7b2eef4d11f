"""Read what has to be a regular file: never blocking, never more than is sensible."""

from __future__ import annotations

import errno
import os
import stat

LARGEST = 64 << 20
"""Bytes; caches, configurations and loaders are far smaller."""


def read_regular(fd: int, path: str, most: int = LARGEST) -> bytes:
    """Read an open file from its start, and close it.

    Raises OSError: EINVAL for what is no regular file, EFBIG for one of more than ``most`` bytes.
    """
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", path)
        if status.st_size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        with open(fd, "rb", buffering=0, closefd=False) as file:
            return file.readall()
    finally:
        os.close(fd)

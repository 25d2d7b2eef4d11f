"""Read what has to be a regular file: never blocking, never more than is sensible."""

from __future__ import annotations

import errno
import os
import stat

LARGEST = 64 << 20
"""Bytes; caches, configurations and loaders are far smaller."""

CHUNK = 1 << 20


def read_regular(fd: int, path: str, most: int = LARGEST) -> bytes:
    """Read an open file from its start, and close it.

    Raises OSError: EINVAL for what is no regular file, EFBIG for one of more than ``most`` bytes,
    EAGAIN for one of the kernel that has nothing to tell yet.
    """
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", path)
        content = bytearray()
        if status.st_size <= most:
            while chunk := os.read(fd, CHUNK):
                content += chunk
                # Files of the kernel tell no size.
                if len(content) > most:
                    break
            else:
                return bytes(content)
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    finally:
        os.close(fd)

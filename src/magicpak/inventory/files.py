"""Open the files of a database; what cannot be read is told."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
from collections.abc import Iterator

from magicpak.host.sysroot import Sysroot

log = logging.getLogger(__name__)


@contextlib.contextmanager
def opened(host: Sysroot, path: str) -> Iterator[int | None]:
    """Open a file for reading by parts; None where there is none. Raises OSError."""
    if not there(host, path):
        yield None
        return
    descriptor = host.opened(path)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", path)
        yield descriptor
    finally:
        os.close(descriptor)


def read(host: Sysroot, path: str) -> str | None:
    """Read a text; None where there is none. Bytes that are no UTF-8 survive (PEP 383)."""
    try:
        return os.fsdecode(host.content(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as e:
        log.warning("%s cannot be read: %s", path, reason(e))
        return None


def there(host: Sysroot, path: str) -> bool:
    """Tell whether a path leads to something."""
    try:
        host.look(path, follow=True)
    except (OSError, ValueError):
        return False
    return True


def part(file: int, offset: int, count: int) -> bytes:
    """Read a part of an opened file. Raises ValueError where that is not all there."""
    # A damaged count is refused before the memory for it is taken.
    if offset + count > os.fstat(file).st_size:
        raise ValueError(f"it ends before byte {offset + count}")
    return os.pread(file, count, offset)


def reason(error: Exception) -> str:
    """Say in words why a file cannot be read; struct.error and IndexError have none."""
    words = getattr(error, "strerror", None) or error
    return str(words) if isinstance(error, (OSError, ValueError)) else "it is damaged"


def names(host: Sysroot, directory: str) -> list[str]:
    """List a directory, sorted; one that is not there is empty."""
    try:
        return host.names(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as e:
        log.warning("%s cannot be read: %s", directory, e.strerror)
        return []

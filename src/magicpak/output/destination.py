"""Examine OUTPUT: whether the bundle can be written there, and where it is staged."""

import errno
import os
import stat
from typing import NamedTuple

from magicpak.errors import EMPTY, IoError, MagicpakError
from magicpak.output import journal
from magicpak.system.workdir import sweep

ADVICE = {
    errno.EACCES: (
        "this user may not write to {}; name an OUTPUT in a directory of your own, or run as root"
    ),
    errno.EROFS: "nothing can be written to {}; name an OUTPUT elsewhere",
}
"""What to do if a directory cannot be written to."""


class DestinationInvalid(MagicpakError):
    """OUTPUT is not a directory and cannot become one."""

    path: str

    def __str__(self) -> str:
        path = self.path or EMPTY
        return f"The destination is invalid: {path}: not a directory; name a new directory"


class DestinationNotEmpty(MagicpakError):
    """OUTPUT is a directory that is not empty."""

    path: str

    def __str__(self) -> str:
        return f"The destination is not empty: {self.path}: empty it, or name a new directory"


class Destination(NamedTuple):
    """OUTPUT, and how the bundle is moved there."""

    name: str
    """As the user wrote it."""
    path: str
    """The real path, without links."""
    existing: os.stat_result | None
    base: str
    """The parent of the staging directory, on the same file system."""
    fill: bool
    """Whether OUTPUT cannot be replaced, so that the entries are moved into it."""


def destination(output: str, *, write: bool = True) -> Destination:
    """Examine OUTPUT; what is not to be written to need not be writable, and is left as it is.

    Raises DestinationInvalid, DestinationNotEmpty, IoError.
    """
    target = _examine(output, write=write)
    if write and not os.access(target.base, os.W_OK | os.X_OK):
        read_only = os.statvfs(target.base).f_flag & os.ST_RDONLY
        number = errno.EROFS if read_only else errno.EACCES
        raise IoError(number, os.strerror(number), output, ADVICE[number].format(target.base))
    return target


def _examine(output: str, *, write: bool) -> Destination:
    path = os.path.realpath(output)
    try:
        existing = os.stat(path) if output else None
    except FileNotFoundError:
        return Destination(output, path, None, _nearest_directory(path, output), fill=False)
    except NotADirectoryError as e:
        raise DestinationInvalid(output) from e
    except OSError as e:
        raise IoError.of(e, output) from e
    if existing is None or not stat.S_ISDIR(existing.st_mode):
        raise DestinationInvalid(output)
    parent = os.path.dirname(path)
    if write:
        for directory in (path, parent):
            journal.recover(directory, path, existing)
        sweep(path)
    try:
        names = os.listdir(path)
    except OSError as e:
        raise IoError.of(e, output) from e
    if names:
        raise DestinationNotEmpty(output)
    inside = _is_mount(path) or not os.access(parent, os.W_OK | os.X_OK)
    fill = inside or _is_cwd(existing)
    return Destination(output, path, existing, path if inside else parent, fill)


def _nearest_directory(path: str, output: str) -> str:
    parent = os.path.dirname(path)
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if not os.path.isdir(parent):
        raise DestinationInvalid(output)
    return parent


def _is_mount(path: str) -> bool:
    """Tell whether the path is a mount point, also of a bind mount of the same file system."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            points = {line.split()[4] for line in file}
    except OSError:
        return os.path.ismount(path)
    octal = "".join(f"\\{ord(c):03o}" if c in " \t\n\\" else c for c in path)
    return os.fsencode(octal) in points


def _is_cwd(status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat("."), status)
    except OSError:
        return False

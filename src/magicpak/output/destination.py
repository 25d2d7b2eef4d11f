"""Look at OUTPUT: whether a bundle can become it, and where that one is staged until whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from magicpak.errors import EMPTY, IoError, MagicpakError

PREFIX = ".magicpak-"
"""How the names of staging directories begin."""
TREE = "bundle"
"""The bundle itself, in such a directory."""


class DestinationInvalid(MagicpakError):
    """OUTPUT is something that cannot become the bundle."""

    path: str

    def __str__(self) -> str:
        path = self.path or EMPTY
        return f"The destination is invalid: {path}: not a directory; name one to be made"


class DestinationNotEmpty(MagicpakError):
    """OUTPUT is a directory with entries of its own."""

    path: str

    def __str__(self) -> str:
        return f"The destination is not empty: {self.path}: empty it, or name a new directory"


class Destination(NamedTuple):
    """OUTPUT: what it is, and how the bundle gets there."""

    name: str
    """As the user wrote it."""
    path: str
    """The directory itself, no link."""
    existing: os.stat_result | None
    base: str
    """The directory in which the bundle is staged: on the same file system."""
    fill: bool
    """Whether OUTPUT has to stay the directory it is, so that entries are moved into it."""


def destination(output: str) -> Destination:
    """Look at OUTPUT. Raises DestinationInvalid, DestinationNotEmpty, IoError."""
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
    try:
        empty = is_empty(path)
    except OSError as e:
        raise IoError.of(e, output) from e
    if not empty:
        raise DestinationNotEmpty(output)
    parent = os.path.dirname(path)
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


def is_empty(path: str) -> bool:
    """Tell whether a directory is empty, but for what a killed run has staged: that is removed."""
    names = os.listdir(path)
    return all(is_stage(path, name) and _is_cleared(os.path.join(path, name)) for name in names)


def is_stage(directory: str, name: str) -> bool:
    """Tell whether an entry of a directory is one in which a bundle is staged."""
    if not name.startswith(PREFIX):
        return False
    try:
        return set(os.listdir(os.path.join(directory, name))) <= {TREE}
    except OSError:
        return False


def _is_cleared(stage: str) -> bool:
    """Remove a staging directory unless the run that made it holds its lock."""
    try:
        with locked(stage):
            discard(stage)
    except OSError:
        return False
    return not os.path.lexists(stage)


def discard(stage: str) -> None:
    """Remove what is staged, whatever the modes of its directories, and however deep they lie."""
    found = [stage]
    with contextlib.suppress(OSError):
        os.chmod(stage, 0o700)
    for directory, names, _ in os.walk(stage):
        inner = [path for name in names if not os.path.islink(path := f"{directory}/{name}")]
        for path in inner:
            with contextlib.suppress(OSError):
                os.chmod(path, 0o700)
        found += inner
    # From the bottom, by paths: shutil.rmtree holds a descriptor for each level.
    for directory in reversed(found):
        with contextlib.suppress(OSError):
            for name in os.listdir(directory):
                os.unlink(f"{directory}/{name}")
            os.rmdir(directory)


@contextlib.contextmanager
def locked(stage: str) -> Iterator[None]:
    """Mark a staging directory as in use. Raises BlockingIOError where another process does."""
    fd = os.open(stage, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def _is_mount(path: str) -> bool:
    """Tell whether something is mounted there, a directory of the same file system included."""
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

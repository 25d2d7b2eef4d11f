"""Make private directories for temporary files: marked, locked, and removed in any case."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
import tempfile
from collections.abc import Iterator

from magicpak.errors import IoError
from magicpak.system import signals

log = logging.getLogger(__name__)

PREFIXES = ("magicpak-", ".magicpak-")
"""How the names of such directories begin: in TMPDIR, and beside OUTPUT."""
MARKER = "made-by-magicpak"
"""The file in it that names its device and inode: no copy of it has the right ones."""


@contextlib.contextmanager
def private(parent: str, prefix: str) -> Iterator[str]:
    """Make a directory that only this user can enter, and remove it on every way out.

    Directories in ``parent`` that a killed run has left are removed first. Raises IoError.
    """
    sweep(parent)
    path = None
    try:
        with signals.held():
            path = _made(parent, prefix)
        with _locked(path):
            # Another run removes what is marked and not locked: so the lock comes first.
            _put_marker(path)
            yield path
    finally:
        if path is not None:
            with signals.held():
                discard(path)


def _made(parent: str, prefix: str) -> str:
    try:
        return tempfile.mkdtemp(prefix=prefix, dir=parent)
    except OSError as e:
        raise IoError(e.errno or 0, e.strerror or str(e), parent) from e


def _put_marker(path: str) -> None:
    try:
        with open(os.path.join(path, MARKER), "x", encoding="ascii") as marker:
            marker.write(_mark(os.lstat(path)))
    except OSError as e:
        raise IoError(e.errno or 0, e.strerror or str(e), os.path.dirname(path)) from e


def sweep(parent: str) -> None:
    """Remove the directories in ``parent`` whose runs are dead."""
    with contextlib.suppress(OSError):  # what cannot be listed has none that could be removed
        for name in os.listdir(parent):
            path = os.path.join(parent, name)
            if is_private(path) and is_dead(path):
                log.info("remove what a killed run has left: %s", path)
                discard(path)


def is_private(path: str) -> bool:
    """Tell whether a directory is one of these: by its name, its owner, its mode and its marker."""
    if not os.path.basename(path).startswith(PREFIXES):
        return False
    try:
        status = os.lstat(path)
        # Of another user's directory nothing is believed: it may change under our hands.
        if status.st_uid != os.geteuid() or status.st_mode != stat.S_IFDIR | 0o700:
            return False
        fd = os.open(os.path.join(path, MARKER), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            return os.read(fd, 100).decode("ascii", "replace") == _mark(status)
        finally:
            os.close(fd)
    except OSError:
        return False


def _mark(status: os.stat_result) -> str:
    return f"{status.st_dev} {status.st_ino}\n"


def is_dead(path: str) -> bool:
    """Tell whether the run that made a private directory has ended."""
    try:
        with _locked(path, strict=True):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _locked(path: str, *, strict: bool = False) -> Iterator[None]:
    """Hold the lock that tells other runs that a directory is in use (flock(2)).

    With ``strict``, raises BlockingIOError where another process holds it, and OSError where the
    file system has no locks.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if strict:
                raise
        yield
    finally:
        os.close(fd)


def discard(path: str) -> None:
    """Remove a private directory, whatever the modes of what lies in it, and however deep."""
    found = [path]
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700)
    for directory, names, _ in os.walk(path):
        inner = [below for name in names if not os.path.islink(below := f"{directory}/{name}")]
        for below in inner:
            with contextlib.suppress(OSError):
                os.chmod(below, 0o700)
        found += inner
    # From the bottom, by paths: shutil.rmtree holds a descriptor for each level. The marker of
    # the directory itself goes last, so that the next run goes on where this one is killed.
    for directory in reversed(found):
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(directory), key=MARKER.__eq__):
                os.unlink(f"{directory}/{name}")
            os.rmdir(directory)

"""Write the documents about a bundle that are no part of it: ``--report`` and ``--sbom``."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator

from magicpak.errors import EMPTY, IoError, MagicpakError

STDOUT = "-"


class DocumentInvalid(MagicpakError):
    """A document cannot be written where it is wanted."""

    option: str
    path: str
    reason: str
    advice: str

    def __str__(self) -> str:
        path = self.path or EMPTY
        return f"{self.option} {path} cannot be written: {self.reason}; {self.advice}"


def check(wanted: Iterable[tuple[str, str]], output: str) -> None:
    """Refuse, before any work, documents that cannot be written; each is an option and a path.

    ``output`` is the real path of OUTPUT. Raises DocumentInvalid.
    """
    taken = {output: "OUTPUT"}
    for option, path in wanted:
        place = path if path == STDOUT else os.path.realpath(path)
        if place in taken:
            reason = f"{taken[place]} is written there"
            raise DocumentInvalid(option, path, reason, "name another file")
        taken[place] = option
        if path == STDOUT:
            continue
        if f"{place}/".startswith(f"{output}/"):
            raise DocumentInvalid(option, path, "it is in OUTPUT", "name a file elsewhere")
        _check(option, path, place)


def _check(option: str, path: str, place: str) -> None:
    directory = os.path.dirname(place)
    if not path or os.path.isdir(place) or path.endswith("/"):
        raise DocumentInvalid(option, path, "it is a directory", "name a file")
    if not os.path.isdir(directory):
        raise DocumentInvalid(option, path, f"{directory} is no directory", "make it")
    # A file is replaced; what is none, as /dev/stderr, is written to.
    replaced = not os.path.exists(place) or os.path.isfile(place)
    if not os.access(directory if replaced else place, os.W_OK | (os.X_OK if replaced else 0)):
        advice = "name a file in a directory of your own"
        raise DocumentInvalid(option, path, "this user may not write there", advice)


@contextlib.contextmanager
def written(documents: Iterable[tuple[str, bytes]]) -> Iterator[None]:
    """Write documents, each a path and a content; in vain if the body raises. Raises IoError."""
    with contextlib.ExitStack() as stack:
        staged = [
            (path, content, stack.enter_context(_staged(path, content)))
            for path, content in documents
        ]
        yield
        for path, content, temporary in staged:
            _put(path, content, temporary)


@contextlib.contextmanager
def _staged(path: str, content: bytes) -> Iterator[str | None]:
    """Write a new file beside the one to replace; None for what is written to directly."""
    place = os.path.realpath(path)
    if path == STDOUT or (os.path.exists(place) and not os.path.isfile(place)):
        yield None
        return
    directory, name = os.path.split(place)
    try:
        fd, temporary = tempfile.mkstemp(prefix=f".{name}-", dir=directory)
    except OSError as e:
        raise IoError.of(e, path) from e
    try:
        with open(fd, "wb") as file:
            file.write(content)
            os.fchmod(fd, _mode(place))
        yield temporary
    except OSError as e:
        raise IoError.of(e, path) from e
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _mode(place: str) -> int:
    """Return the mode of the file that is replaced, or that of a new one."""
    with contextlib.suppress(OSError):
        return stat.S_IMODE(os.stat(place).st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _put(path: str, content: bytes, temporary: str | None) -> None:
    try:
        if temporary is not None:
            os.rename(temporary, os.path.realpath(path))
        elif path == STDOUT:
            sys.stdout.buffer.write(content)
            sys.stdout.flush()
        else:
            with open(path, "wb") as file:
                file.write(content)
    except OSError as e:
        raise IoError.of(e, path) from e

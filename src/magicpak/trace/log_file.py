"""A log of strace(1) as a file: its lines, and whether it is all there."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from typing import IO

from magicpak.trace import syntax

_LONGEST = 1 << 16  # bytes at the start of a line that are read, and of the last line
_END = 1 << 12  # bytes at the end of a longer one: strace writes there how a call has ended
_UNKNOWN = re.compile(rb"= \?$")  # with -qq, an exit(2) comes last
_DETACHED = re.compile(rb"<detached \.\.\.>$")


class LogFile:
    """A log, which may be too large for the memory: read whenever its lines are asked for."""

    def __init__(self, file: IO[bytes]) -> None:
        """Take an open file, which can be read more than once."""
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        while line := self._file.readline(_LONGEST):
            if len(line) == _LONGEST:
                line += self._rest()
            yield line.rstrip(b"\r\n")

    def _rest(self) -> bytes:
        """Read the rest of a long line, as of a large write(2), and return its end."""
        end = b""
        while not end.endswith(b"\n") and (part := self._file.readline(_LONGEST)):
            end = (end + part)[-_END:]
        return end

    def is_whole(self) -> bool:
        """Tell whether it ends as strace ends it: a process has ended, or was let go."""
        size = self._file.seek(0, 2)
        self._file.seek(max(0, size - _LONGEST))
        last = self._file.read().rstrip(b"\r\n").rpartition(b"\n")[2].rstrip(b"\r")
        ends = (syntax.EXITED.match(last) and last.endswith(b"+++"), _UNKNOWN.search(last))
        return any(ends) or _DETACHED.search(last) is not None


@contextlib.contextmanager
def opened(path: str) -> Iterator[LogFile]:
    """Open a log; what can be read only once, as a pipe, is kept in a file without a name."""
    with contextlib.ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(open(path, "rb"))
        if not file.seekable():
            kept = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(file, kept)
            file = kept
        yield LogFile(file)

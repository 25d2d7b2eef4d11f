"""Run a program under strace(1), or read a log that was recorded elsewhere."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence

from magicpak.errors import IoError
from magicpak.system import tools
from magicpak.trace.errors import NotALog
from magicpak.trace.session import record
from magicpak.trace.strace_log import parse
from magicpak.trace.syntax import A_LOG
from magicpak.trace.touched import Touched, sift


def run(
    executable: str,
    arguments: Sequence[str] = (),
    *,
    scratch: str,
    stdin: bytes = b"",
    strace: str = "strace",
    allow_failure: bool = False,
    timeout: float | None = None,
    command: str | None = None,
    wait_for: str | None = None,
) -> tuple[Touched, ...]:
    """Run a program and return what it and its children touched, sorted; not the program itself.

    ``scratch`` is a private directory, for the log. The run ends with the program, or after
    ``timeout`` seconds, or with the ``command`` (for sh -c) that runs beside it as soon as
    ``wait_for`` answers (within 30 s): ended so, by SIGTERM and after 5 s SIGKILL, it counts as
    success. Children that outlive a program get 2 s; with a ``timeout`` or a ``command`` they are
    the server, and the run goes on. ``wait_for`` alone ends the run at the first answer.

    Raises DynamicFailed, NotStarted, TraceRefused, CommandFailed, NoAnswer, MalformedEndpoint;
    ToolNotFound.
    """
    tracer = tools.find(strace, "strace", "--strace")
    # A bare name is a file here, as for every INPUT; strace would look it up on PATH.
    program = executable if "/" in executable else f"./{executable}"
    log_file, started = _new_log(scratch)
    record(
        tracer,
        [program, *arguments],
        log_file=log_file,
        stdin=stdin,
        allow_failure=allow_failure,
        timeout=timeout,
        command=command,
        wait_for=wait_for,
    )
    return sift(parse(_Lines(log_file), os.getcwd()), started)


def read_log(path: str, cwd: str) -> tuple[Touched, ...]:
    """Return what a program touched by the log of ``strace -f -y -xx -o FILE PROGRAM``.

    ``cwd`` is the directory in which it was started. The first program executed in the log is not
    in the result, and nothing is that this host has not.

    Raises NotALog, IoError.
    """
    lines = _Lines(path)
    try:
        if not any(A_LOG.search(line) for line in lines):
            raise NotALog(path)
        return sift(parse(lines, cwd))
    except OSError as e:
        raise IoError.of(e, path) from e


class _Lines:
    """The lines of a log that may be too large for the memory: read whenever they are asked for."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        with open(self._path, "rb") as file:
            for line in file:
                yield line.rstrip(b"\r\n")


def _new_log(scratch: str) -> tuple[str, int]:
    """Make the file for the log, and return its path and time: now, by the clock of files."""
    fd, path = tempfile.mkstemp(".strace", dir=scratch)
    with open(fd, "rb"):
        first = now = os.fstat(fd).st_mtime_ns
        until = time.monotonic() + 0.01
        # That clock steps by 1 to 10 ms: what was changed just before must get an earlier time.
        while now == first and time.monotonic() < until:
            time.sleep(0.0005)
            os.utime(fd)
            now = os.fstat(fd).st_mtime_ns
    return path, now

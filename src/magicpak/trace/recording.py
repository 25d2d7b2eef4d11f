"""Run a program under strace(1), or read a log that was recorded elsewhere."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from magicpak.errors import IoError
from magicpak.host.sysroot import Sysroot
from magicpak.system import tools
from magicpak.system.user import User
from magicpak.trace import blind, log_file
from magicpak.trace.calls import Kind
from magicpak.trace.errors import LogCut, NotALog
from magicpak.trace.files import Files
from magicpak.trace.session import record
from magicpak.trace.strace_log import parse
from magicpak.trace.syntax import A_LOG
from magicpak.trace.touched import Touched, sift

log = logging.getLogger(__name__)

SHELL = "/bin/sh"


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
    user: User | None = None,
) -> tuple[Touched, ...]:
    """Run a program and return what it and its children touched, sorted; not the program itself.

    ``scratch`` is a private directory, for the log. The run ends with the program, or after
    ``timeout`` seconds, or with the ``command`` (for sh -c) that runs beside it as soon as
    ``wait_for`` answers (within ``timeout``, or 30 s): ended so, by SIGTERM and after 5 s SIGKILL,
    it counts as success. Children that outlive a program get 2 s; with a ``timeout`` or a
    ``command`` they are the server, and the run goes on. ``wait_for`` alone ends the run at the
    first answer. The program and the command run as ``user``.

    Raises DynamicFailed, NotStarted, TraceRefused, CommandFailed, NoAnswer, MalformedEndpoint,
    LogNotWritten; ToolNotFound, UserRefused.
    """
    tracer = tools.find(strace, "strace", "--strace")
    # A bare name is a file here, as for every INPUT; strace would look it up on PATH.
    program = executable if "/" in executable else f"./{executable}"
    path, started = _new_log(scratch)
    record(
        tracer,
        [program, *arguments],
        name=executable,
        path=path,
        stdin=stdin,
        allow_failure=allow_failure,
        timeout=timeout,
        command=command,
        wait_for=wait_for,
        script=False,
        user=user,
    )
    with log_file.opened(path) as lines:
        files = Files()
        return sift(parse(lines, os.getcwd(), physical=files.real), started, files)


def run_script(
    command: str,
    programs: Mapping[str, Iterable[str]],
    *,
    bundled: Callable[[str], bool],
    scratch: str,
    strace: str = "strace",
    allow_failure: bool = False,
    timeout: float | None = None,
    user: User | None = None,
) -> tuple[Touched, ...]:
    """Run a shell command that starts programs, and return what these touched, sorted.

    ``programs`` are the files that count when they are executed, by the name that the user knows,
    and ``bundled`` tells of others: what they touch, and what they start touches. The shell and
    its other tools do not count, but what these make is made by the run. The run ends as that of a
    program with children.

    Raises DynamicFailed, NotStarted, TraceRefused, LogNotWritten; ToolNotFound, UserRefused.
    """
    tracer = tools.find(strace, "strace", "--strace")
    path, started = _new_log(scratch)
    record(
        tracer,
        [SHELL, "-c", command],
        name="--dynamic-script",
        path=path,
        stdin=b"",
        allow_failure=allow_failure,
        timeout=timeout,
        command=None,
        wait_for=None,
        script=True,
        user=user,
    )
    files = {name: {_identity(path) for path in paths} for name, paths in programs.items()}
    wanted = set().union(*files.values())
    host = Files()
    with log_file.opened(path) as lines:
        accesses = parse(
            lines,
            os.getcwd(),
            lambda path: _identity(path) in wanted or bundled(path),
            host.real,
        )
    executed = {_identity(one.path) for one in accesses if one.kind is Kind.RUN}
    for name, identities in files.items():
        if identities.isdisjoint(executed):
            log.warning("--dynamic-script has not run %s: what that uses is not known", name)
    return sift(accesses, started, host)


def _identity(path: str) -> tuple[int, int] | str:
    """Return the device and inode of a file, links followed; its path where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return path
    return status.st_dev, status.st_ino


def read_log(path: str, cwd: str, sysroot: Sysroot | None = None) -> tuple[Touched, ...]:
    """Return what a program touched by the log of ``strace -f -y -xx -o FILE PROGRAM``.

    ``cwd`` is the directory in which it was started. The first program executed in the log is not
    in the result, and nothing is that this host has not, or the sysroot that is ``/`` in the log.

    Raises NotALog, LogCut, IoError.
    """
    try:
        with log_file.opened(path) as lines:
            if not any(A_LOG.search(line) for line in lines):
                raise NotALog(path)
            if not lines.is_whole():
                raise LogCut(path)
            for text in blind.told(lines):
                log.warning("%s: %s", path, text)
            files = Files(sysroot)
            return sift(parse(lines, cwd, physical=files.real), files=files)
    except OSError as e:
        raise IoError.of(e, path) from e


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

"""Run a program under strace(1), and judge how it ends."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence

from magicpak.system import process, signals
from magicpak.system.process import Completed
from magicpak.system.user import User
from magicpak.trace import blind, guard, log_file
from magicpak.trace.calls import SYSCALLS
from magicpak.trace.errors import (
    DynamicFailed,
    LogNotWritten,
    NotStarted,
    TraceRefused,
    end_of,
)
from magicpak.trace.guard import Guard
from magicpak.trace.traced import Traced
from magicpak.trace.waiting import Until, watch

log = logging.getLogger(__name__)

TRACED = ",".join(f"?{name}" for name in SYSCALLS)
"""For strace -e trace=; the ? is for calls that not every architecture and version has."""

WITHOUT_RINGS = "inject=?io_uring_setup:error=ENOSYS"
"""What a program would open by io_uring(7) is not seen; without, it opens files as ever."""

LINGER = 2.0  # seconds that children may outlive the program, when nothing else ends the run
GRACE = 5.0  # seconds between SIGTERM and SIGKILL
ANSWER = 30.0  # seconds for a server to start
PATIENCE = 10.0  # seconds until something is said of a run that does not end, or does not move


def record(
    strace: str,
    program: Sequence[str],
    *,
    name: str,
    path: str,
    stdin: bytes,
    allow_failure: bool,
    timeout: float | None,
    command: str | None,
    wait_for: str | None,
    script: bool,
    user: User | None,
) -> None:
    """Run a program, which the user knows by ``name``, under strace, which writes the log ``path``.

    Raises DynamicFailed, NotStarted, TraceRefused, CommandFailed, NoAnswer, MalformedEndpoint,
    LogNotWritten, UserRefused.
    """
    endpoint = None
    if wait_for is not None:
        with signals.held():  # an import may lose the exception of a signal
            from magicpak.trace.endpoint import Endpoint  # noqa: PLC0415  few runs need sockets
        endpoint = Endpoint.parse(wait_for)
    until = Until(timeout, command, endpoint, script, user, LINGER, ANSWER, PATIENCE)
    with _writable(path, user) as (place, inherited):
        options = ["-f", "-q", "-y", "-xx", "-o", place]
        options += ["-e", f"trace={TRACED}", "-e", WITHOUT_RINGS]
        # strace before 5.3 has no such option; where seccomp(2) is refused, ptrace(2) may still be
        # permitted.
        for fast in (["--seccomp-bpf"], []):
            line = [strace, *options, *fast, "--", *program]
            start = functools.partial(
                process.running, line, stdin=stdin, user=user, inherited=inherited
            )
            with _traced(start, path) as (traced, on_guard):
                status = watch(traced, until, name, on_guard)
            ended = traced.tracer.completed()
            _tell(name, ended)
            _refuse_complaints(place, ended)
            if traced.started():
                break
        else:
            raise _refusal(program[0], ended.stderr)
    with log_file.opened(path) as written:
        if not written.is_whole():
            raise LogNotWritten(f"strace was ended itself, by {ended}; let it run to the end")
        for text in blind.told(written):
            log.warning("%s: %s", name, text)
    status = ended.status if status is None else status
    if status and not allow_failure:
        raise DynamicFailed(status, ended.stderr)
    if status:
        log.warning("%s failed: %s", name, process.describe(status))


@contextlib.contextmanager
def _writable(path: str, user: User | None) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give the name by which strace, as the user, writes the log, and what it inherits for that.

    strace runs as the user, because to trace another's program takes CAP_SYS_PTRACE, which root
    has not got in a default ``docker build``. The log's directory may be closed to that user.
    """
    if user is None or user.is_current():
        yield path, ()
        return
    os.chown(path, user.uid, user.gid)
    descriptor = os.open(path, os.O_PATH)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _traced(
    start: Callable[..., contextlib.AbstractContextManager[process.Running]], path: str
) -> Iterator[tuple[Traced, Guard]]:
    """Start a strace, and end it at the end of the body, together with all that it started."""
    # The guard first, and told by the new process: there is no moment without it.
    with guard.posted() as on_guard, start(preexec=on_guard.watch) as tracer:
        traced = Traced(tracer, path, PATIENCE)
        try:
            yield traced, on_guard
        finally:
            # Before strace is killed: without their tracer, the others would be out of reach.
            try:
                traced.end(GRACE)
            finally:
                with signals.held():
                    if tracer.wait(0) is not None:
                        on_guard.forget(tracer.pid)
                    on_guard.dismiss()


def _tell(name: str, ended: Completed) -> None:
    for stream, output in (("stdout", ended.stdout), ("stderr", ended.stderr)):
        if output:
            log.debug("%s of %s ends with: %s", stream, name, end_of(output, 4096))


def _refuse_complaints(place: str, ended: Completed) -> None:
    """Raise LogNotWritten where strace, among what the program prints, says so."""
    said = rb"^\S*strace\S*: %s: (.+)$" % re.escape(os.fsencode(place))
    if complaint := re.search(said, ended.stderr, re.M):
        raise LogNotWritten(f"{os.fsdecode(complaint[1])}; give it another place by TMPDIR")


def _refusal(executable: str, stderr: bytes) -> NotStarted | TraceRefused:
    """Say why strace did not get the program to run."""
    said = [line for line in stderr.splitlines() if re.search(rb"(?i)ptrace|seccomp", line)]
    if not said:
        return NotStarted(executable, stderr)
    reason = "ptrace(2) does not work here"
    if any(re.search(rb"not permitted|denied", line) for line in said):
        reason = "the policy of this container or machine forbids ptrace(2)"
    elif any(re.search(rb"not implemented|Input/output error", line) for line in said):
        reason = "this machine is emulated, as by qemu-user, which has no ptrace(2)"
    return TraceRefused(end_of(said[-1]), reason)

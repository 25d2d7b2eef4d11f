"""Run a program under strace(1), and end it together with all that it started."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from magicpak.system import process
from magicpak.trace.calls import SYSCALLS
from magicpak.trace.endpoint import Endpoint
from magicpak.trace.errors import (
    CommandFailed,
    DynamicFailed,
    NoAnswer,
    NotStarted,
    TraceRefused,
    end_of,
)

log = logging.getLogger(__name__)

TRACED = ",".join(f"?{name}" for name in SYSCALLS)
"""For strace -e trace=; the ? is for calls that not every architecture and version has."""

WITHOUT_RINGS = "inject=?io_uring_setup:error=ENOSYS"
"""What a program would open by io_uring(7) is not seen; without, it opens files as ever."""

TICK = 0.05  # seconds between looks at the run
LINGER = 2.0  # seconds that children may outlive the program, when nothing else ends the run
GRACE = 5.0  # seconds between SIGTERM and SIGKILL
ANSWER = 30.0  # seconds for a server to start

_FIRST = re.compile(rb"(\d+) +execve\(.*\) = 0$", re.M)
_EXIT = rb"%d +\+\+\+ (?:exited with (\d+)|killed by (\w+))"


@dataclass(slots=True)
class _Session:
    """A strace that runs, and what it traces."""

    tracer: process.Running
    log: str
    main: int | None = None

    def tracees(self) -> list[int]:
        """Return every process that the tracer traces, whatever session or parent it has now."""
        pids = (int(name) for name in os.listdir("/proc") if name.isdecimal())
        return [pid for pid in pids if self.traces(pid)]

    def traces(self, pid: int) -> bool:
        """Tell whether the tracer traces a process."""
        try:
            with open(f"/proc/{pid}/status", "rb") as file:
                return b"\nTracerPid:\t%d\n" % self.tracer.pid in file.read()
        except OSError:  # it has ended
            return False

    def started(self) -> bool:
        """Tell whether strace got the program to run."""
        if self.main is None:
            with open(self.log, "rb") as file:
                first = _FIRST.match(file.read(1 << 20))
            self.main = int(first[1]) if first else None
        return self.main is not None

    def alive(self) -> bool:
        """Tell whether the traced program still runs, apart from its children."""
        return self.main is not None and self.traces(self.main)

    def status(self) -> int | None:
        """Return how the program ended by its exit line; None where it has not (yet) one."""
        if self.main is None:
            return None
        exited = re.compile(_EXIT % self.main)
        with open(self.log, "rb") as file:
            match = next(filter(None, map(exited.match, file)), None)
        if match is None:
            return None
        if match[1]:
            return int(match[1])
        name = match[2].decode()
        return -getattr(signal, name, signal.SIGKILL)

    def settle(self, deadline: float | None) -> None:
        """Wait until the run has ended, or is to be ended."""
        lingering = None
        while self.tracer.wait(TICK) is None:
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                return
            if self.alive():
                continue
            if deadline is not None and not self.status():
                continue  # a daemon: the program has done its part, its children serve
            lingering = lingering or now
            if deadline is not None or now >= lingering + LINGER:
                return

    def end(self) -> None:
        """End what still runs: SIGTERM to the program, then to its children, then SIGKILL."""
        told: set[int] = set()
        until = time.monotonic() + GRACE
        while self.tracer.wait(TICK if told else 0) is None and time.monotonic() < until:
            told |= _signal([self.main] if self.main and self.alive() else self.tracees(), told)
        until = time.monotonic() + GRACE
        while self.tracer.wait(0) is None and time.monotonic() < until:
            _signal(self.tracees(), (), signal.SIGKILL)
            self.tracer.wait(TICK)


def _signal(pids: Iterable[int], told: Iterable[int], number: int = signal.SIGTERM) -> set[int]:
    """Send a signal to those processes that were not told yet, and return to which."""
    sent = set(pids) - set(told)
    for pid in sent:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
    return sent


@contextlib.contextmanager
def _tracing(argv: Sequence[str], stdin: bytes, log_file: str) -> Iterator[_Session]:
    with process.running(argv, stdin=stdin) as tracer:
        session = _Session(tracer, log_file)
        try:
            yield session
        finally:
            # The tracees first: without its tracer, a process would run on, out of reach.
            session.end()


def record(
    strace: str,
    program: Sequence[str],
    *,
    log_file: str,
    stdin: bytes,
    allow_failure: bool,
    timeout: float | None,
    command: str | None,
    wait_for: str | None,
) -> None:
    """Run a program under strace, which writes ``log_file``.

    Raises DynamicFailed, NotStarted, TraceRefused, CommandFailed, NoAnswer, MalformedEndpoint.
    """
    endpoint = None if wait_for is None else Endpoint.parse(wait_for)
    bpf = b"--seccomp-bpf" in process.run([strace, "--help"]).stdout
    # Where seccomp(2) is refused, ptrace(2) may still be permitted.
    for fast in (True, False) if bpf else (False,):
        options = ["-f", "-q", "-y", "-xx", "-o", log_file]
        options += ["-e", f"trace={TRACED}", "-e", WITHOUT_RINGS]
        options += ["--seccomp-bpf"] if fast else []
        with _tracing([strace, *options, "--", *program], stdin, log_file) as session:
            status = _watch(session, timeout, command, endpoint)
        ended = session.tracer.completed()
        for name, output in (("stdout", ended.stdout), ("stderr", ended.stderr)):
            if output:
                log.debug("%s of %s ends with: %s", name, program[0], end_of(output, 4096))
        if session.started():
            break
    else:
        raise _refusal(program[0], ended.stderr)
    status = ended.status if status is None else status
    if status and not allow_failure:
        raise DynamicFailed(status, ended.stderr)
    if status:
        log.warning("%s failed: %s", program[0], process.describe(status))


def _watch(
    session: _Session, timeout: float | None, command: str | None, endpoint: Endpoint | None
) -> int | None:
    """Let the program run for as long as it is to; return 0 where it is ended by us."""
    until = time.monotonic() + ANSWER
    while session.tracer.wait(TICK / 10) is None and time.monotonic() < until:
        if session.started():
            break
    if not session.started():
        return None
    deadline = None if timeout is None else time.monotonic() + timeout
    if endpoint is not None:
        _await(session, endpoint, deadline)
    if command is not None:
        _exercise(session, command, deadline)
    elif endpoint is None or deadline is not None:
        session.settle(deadline)
    by_us = session.tracer.wait(0) is None and (session.alive() or not session.status())
    return 0 if by_us else None


def _await(session: _Session, endpoint: Endpoint, deadline: float | None) -> None:
    """Wait until the server answers. Raises NoAnswer."""
    until = time.monotonic() + ANSWER
    until = until if deadline is None else min(until, deadline)
    while not endpoint.answers():
        ended = session.tracer.wait(TICK)
        failed = session.status() if ended is None and not session.alive() else ended
        if ended is not None or failed:
            stderr = session.tracer.completed().stderr if ended is not None else b""
            how = process.describe(failed or 0)
            raise NoAnswer(str(endpoint), f"the program ended before it did: {how}", stderr)
        if time.monotonic() >= until:
            raise NoAnswer(str(endpoint), "not in time", b"")


def _exercise(session: _Session, command: str, deadline: float | None) -> None:
    """Run a command beside the program. Raises CommandFailed."""
    with process.running(["/bin/sh", "-c", command]) as beside:
        while (status := beside.wait(TICK)) is None:
            if deadline is not None and time.monotonic() >= deadline:
                break
    ended = beside.completed()
    if ended.stdout:
        log.debug("stdout of %s ends with: %s", command, end_of(ended.stdout, 4096))
    # A program that crashed is the better explanation.
    if status != 0 and (session.alive() or not session.status()):
        raise CommandFailed(command, status, ended.stderr)


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

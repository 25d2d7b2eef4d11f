"""The processes that a tracer traces, by proc(5): which they are, whether they move, signals."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from typing import NamedTuple

from magicpak.system.process import kill_session

_PAUSE = 0.01  # seconds between looks at what is being killed


class Process(NamedTuple):
    """A process at one moment."""

    pid: int
    name: str
    stopped: bool
    """By a signal, or by its tracer, which stops it at each call that it traces."""
    tracer: int
    """0 where it has none."""
    switches: int
    """How often it has given up the processor: one more, and it has moved."""


def look(pid: int) -> Process | None:
    """Look at a process; None where it has ended, a zombie too."""
    status = _status(pid)
    return _process(pid, status) if status else None


def traced_by(tracer: int) -> list[Process]:
    """Return all that a tracer traces, whatever session or parent it has now."""
    mark = b"\nTracerPid:\t%d\n" % tracer
    statuses = ((int(name), _status(int(name))) for name in os.listdir("/proc") if name.isdecimal())
    found = (_process(pid, status) for pid, status in statuses if mark in status)
    return [each for each in found if each is not None]


def _status(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _process(pid: int, status: bytes) -> Process | None:
    fields = dict(line.split(b":\t", 1) for line in status.splitlines() if b":\t" in line)
    state = fields[b"State"][:1]
    if state in b"ZX":
        return None
    switches = int(fields.get(b"voluntary_ctxt_switches", b"0"))
    name = os.fsdecode(fields[b"Name"])
    return Process(pid, name, state in b"tT", int(fields[b"TracerPid"]), switches)


def send(number: int, pids: Iterable[int]) -> None:
    """Send a signal to those that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill(leader: int, patience: float) -> None:
    """Kill what a process traces, and then its session; wait for at most so many seconds.

    Those that it traces go first: without their tracer, they would run on, out of reach.
    """
    until = time.monotonic() + patience
    while (left := traced_by(leader)) and time.monotonic() < until:
        send(signal.SIGKILL, (each.pid for each in left))
        time.sleep(_PAUSE)
    # A tracer writes down how they ended, and ends; not where somebody has stopped it.
    send(signal.SIGCONT, [leader])
    while (self_ := look(leader)) and self_.tracer == 0 and time.monotonic() < until:
        time.sleep(_PAUSE)
    kill_session(leader)

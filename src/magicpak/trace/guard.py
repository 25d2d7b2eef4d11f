"""A process that ends what this one has started, however this one ends: SIGKILL included."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import NoReturn

from magicpak.system import signals
from magicpak.trace import tracees

PATIENCE = 5.0
"""Seconds for what is killed to be gone."""

_DESCRIPTORS = 65536


class Guard:
    """The process on guard, and the pipe whose end it waits for."""

    def __init__(self, pid: int, pipe: int) -> None:
        """Take the process, and the end of the pipe that is written to."""
        self._pid = pid
        self._pipe = pipe

    def watch(self) -> None:
        """Have this process ended, with its session and what it traces: called in a new one."""
        self._tell(os.getpid())

    def forget(self, leader: int) -> None:
        """Leave a process alone: it has ended."""
        self._tell(-leader)

    def _tell(self, number: int) -> None:
        # It may have been killed; what it should end is ended without it, unless we are as well.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, b"%d\n" % number)

    def dismiss(self) -> None:
        """Have it end what it watches, unless it has, and wait until that is done."""
        if self._pipe < 0:
            return
        pipe, self._pipe = self._pipe, -1
        os.close(pipe)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


@contextlib.contextmanager
def posted() -> Iterator[Guard]:
    """Have a guard during the body; at its end, what it watches is ended."""
    with signals.held():
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            _stand(reader)
        os.close(reader)
    guard = Guard(pid, writer)
    try:
        yield guard
    finally:
        with signals.held():
            guard.dismiss()


def _stand(reader: int) -> NoReturn:
    """Wait for the end of the pipe, then end what is to be ended."""
    try:
        # By no signal to the group, from a terminal for one; and nobody waits for our streams.
        os.setsid()
        for number in signals.ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, reader)
        os.closerange(reader + 1, _DESCRIPTORS)
        told = b""
        while chunk := os.read(reader, 4096):
            told += chunk
        leaders: set[int] = set()
        for leader in map(int, told.split()):
            (leaders.add if leader > 0 else leaders.discard)(abs(leader))
        for leader in leaders:
            tracees.kill(leader, PATIENCE)
    finally:
        os._exit(0)

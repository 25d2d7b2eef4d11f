"""A strace that runs, and the program that it traces."""

from __future__ import annotations

import logging
import re
import signal
import time
from dataclasses import dataclass, field

from magicpak.system import process, signals
from magicpak.trace import tracees
from magicpak.trace.tracees import Process

log = logging.getLogger(__name__)

TICK = 0.05  # seconds between looks at the run
_FIRST = re.compile(rb"(\d+) +execve\(.*\) = 0$", re.M)
_EXIT = rb"%d +\+\+\+ (?:exited with (\d+)|killed by (\w+))"


@dataclass(slots=True)
class Traced:
    """A program under strace, with all that it starts."""

    tracer: process.Running
    log: str
    patience: float  # seconds after which what is stopped is continued
    main: int | None = None
    looked: float = field(default_factory=time.monotonic)
    since: dict[Process, float] = field(default_factory=dict)  # what does not move

    def wait(self, seconds: float) -> int | None:
        """Return the status of strace, or None where it has not ended after so many seconds.

        What is stopped all the time is continued: in this session, nobody else does.
        """
        now = time.monotonic()
        if now >= self.looked + self.patience / 5:
            self.looked = now
            self._continue(now)
        return self.tracer.wait(seconds)

    def _continue(self, now: float) -> None:
        tracer = tracees.look(self.tracer.pid)
        # A tracer that is stopped stops all that it traces.
        every = [tracer] if tracer and tracer.stopped else tracees.traced_by(self.tracer.pid)
        self.since = {each: self.since.get(each, now) for each in every if each.stopped}
        for each, since in self.since.items():
            if now >= since + self.patience:
                log.warning(
                    "%s (process %d) has been stopped for %g s: it is continued",
                    *(each.name, each.pid, self.patience),
                )
                tracees.send(signal.SIGCONT, [each.pid])

    def started(self) -> bool:
        """Tell whether strace got the program to run."""
        if self.main is None:
            with open(self.log, "rb") as file:
                first = _FIRST.match(file.read(1 << 20))
            self.main = int(first[1]) if first else None
        return self.main is not None

    def alive(self) -> bool:
        """Tell whether the traced program still runs, apart from its children."""
        main = tracees.look(self.main) if self.main is not None else None
        return main is not None and main.tracer == self.tracer.pid

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

    def end(self, grace: float) -> None:
        """End the program by SIGTERM, then its children, and by SIGKILL what is left.

        That is after ``grace`` seconds, or as soon as an exception comes.
        """
        told: set[int] = set()
        until = time.monotonic() + grace
        try:
            while self.tracer.wait(TICK if told else 0) is None and time.monotonic() < until:
                asked = {self.main} if self.main and self.alive() else self._tracees()
                tracees.send(signal.SIGTERM, asked - told)
                # One that is stopped does not see it otherwise.
                tracees.send(signal.SIGCONT, {self.tracer.pid, *(asked - told)})
                told |= asked
        finally:
            # A tracer that has ended by itself traces nothing more: no process need be looked at.
            if self.tracer.wait(0) is None:
                with signals.held():
                    tracees.kill(self.tracer.pid, grace)

    def _tracees(self) -> set[int]:
        return {each.pid for each in tracees.traced_by(self.tracer.pid)}

"""End on a signal: at once as long as nothing has to be cleaned up, else by an exception."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

ENDINGS = tuple(
    getattr(signal, f"SIG{name}")
    for name in ("HUP", "INT", "QUIT", "TERM", "ALRM", "VTALRM", "PROF", "USR1", "USR2", "XCPU")
)
"""The signals that by default end a process, but for faults of its own code (signal(7))."""

PATIENCE = 3.0
"""Seconds for cleaning up, before a further signal counts."""
SOON = 0.01
"""Seconds, in which a destructor has ended."""


class Interrupted(BaseException):
    """A signal asked this process to end; raised so that all that is temporary is removed."""

    def __init__(self, number: int) -> None:
        """Take the signal's number."""
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return f"ended by {signal.Signals(self.number).name}"


_holders = 0
_waiting: list[int] = []
"""Signals that came while they were held back, for the handler that is installed."""


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Let signals wait that would end this process, until something is made or removed whole.

    They are not blocked, because a process that is started meanwhile would inherit that.
    """
    global _holders  # noqa: PLW0603 - as the handlers, it is the process's own
    _holders += 1
    try:
        yield
    finally:
        _holders -= 1
        if not _holders and _waiting:
            _handle(_waiting.pop(), None)


def leave_at_once() -> None:
    """Let a signal end this process with one line on stderr and no traceback."""
    _install(_leave)


def leave_by_exception() -> None:
    """Let a signal raise Interrupted, and none after it for the time of cleaning up."""
    ending = _Ending()
    sys.unraisablehook = ending.unraisable
    _install(ending)


def _leave(number: int) -> None:
    try:
        os.write(2, f"error: {Interrupted(number)}\n".encode())
    finally:
        os._exit(128 + number)


class _Ending:
    """Raises Interrupted, but not again while that is on its way.

    Python loses an exception that is raised in a destructor, and tells sys.unraisablehook: there
    the clock is set, whose signal raises it once more a moment later.
    """

    def __init__(self) -> None:
        self._begun = -PATIENCE
        self._lost: int | None = None

    def __call__(self, number: int) -> None:
        number, self._lost = self._lost or number, None
        # An exception may get lost elsewhere, as in what Python calls at a fork.
        if time.monotonic() - self._begun >= PATIENCE:
            self._begun = time.monotonic()
            raise Interrupted(number)

    def unraisable(self, event: sys.UnraisableHookArgs) -> None:
        """Take what a destructor raised (sys.unraisablehook)."""
        if not isinstance(event.exc_value, Interrupted):
            sys.__unraisablehook__(event)
            return
        self._lost, self._begun = event.exc_value.number, -PATIENCE
        signal.setitimer(signal.ITIMER_REAL, SOON)


_leaving: Callable[[int], None] = _leave


def _install(leaving: Callable[[int], None]) -> None:
    global _leaving  # noqa: PLW0603 - as above
    _leaving = leaving
    for number in ENDINGS:
        # One that is ignored stays so: nohup(1), and a shell for what runs in the background.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


def _handle(number: int, _frame: object) -> None:
    if _holders:
        _waiting.append(number)
    else:
        _leaving(number)


def restore() -> None:
    """Let signals end this process as they end any other: for a new process before it runs."""
    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)

"""How long a traced run lasts: until its program, a time, a command or an answer ends it."""

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from magicpak.errors import printable
from magicpak.system import process
from magicpak.system.user import User
from magicpak.trace.errors import CommandFailed, NoAnswer, end_of
from magicpak.trace.guard import Guard
from magicpak.trace.traced import TICK, Traced

if TYPE_CHECKING:
    from magicpak.trace.endpoint import Endpoint

log = logging.getLogger(__name__)


class Until(NamedTuple):
    """What ends a run, beside the end of its program; times are in seconds."""

    timeout: float | None
    command: str | None
    endpoint: "Endpoint | None"
    script: bool
    """The program is a shell: what outlives it is no daemon that it has become."""
    user: User | None
    """Who runs the command."""
    linger: float
    """How long children may outlive the program, where nothing else ends the run."""
    answer: float
    """How long a server may take to start, where there is no timeout."""
    patience: float
    """How long nothing is said of a run that has no end of its own."""


def watch(traced: Traced, until: Until, name: str, guard: Guard) -> int | None:
    """Let a program run for as long as it is to; return 0 where it is ended by us.

    Raises CommandFailed, NoAnswer.
    """
    start = time.monotonic()
    while traced.wait(TICK / 10) is None and time.monotonic() < start + until.answer:
        if traced.started():
            break
    if not traced.started():
        return None
    deadline = None if until.timeout is None else time.monotonic() + until.timeout
    if until.endpoint is not None:
        _await(traced, until, until.endpoint, deadline)
    if until.command is not None:
        _exercise(traced, until, until.command, deadline, guard)
    elif until.endpoint is None or deadline is not None:
        _settle(traced, until, name, deadline)
    by_us = traced.wait(0) is None and (traced.alive() or not traced.status())
    return 0 if by_us else None


def _settle(traced: Traced, until: Until, name: str, deadline: float | None) -> None:
    """Wait until the run has ended, or is to be ended."""
    lingering = None
    notice: float | None = time.monotonic() + until.patience
    while traced.wait(TICK) is None:
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            return
        if traced.alive():
            if deadline is None and notice is not None and now >= notice:
                _notify(until, name)
                notice = None
            continue
        daemon = deadline is not None and not until.script
        if daemon and not traced.status():
            continue  # the program has done its part, its children serve
        lingering = lingering or now
        if daemon or now >= lingering + until.linger:
            if not (daemon or until.script):
                _tell_of_outliving(until.linger, name)
            return


def _notify(until: Until, name: str) -> None:
    how = "--dynamic-timeout SECONDS ends it"
    if not until.script:
        how += ", or --dynamic-command COMMAND, which exercises it first"
    log.warning("%s has not ended after %g s; %s", name, until.patience, how)


def _tell_of_outliving(linger: float, name: str) -> None:
    log.warning(
        "%s has ended, and what it started was ended %g s later: what that opens later is not "
        "known; --dynamic-timeout SECONDS gives it longer",
        *(name, linger),
    )


def _await(traced: Traced, until: Until, endpoint: "Endpoint", deadline: float | None) -> None:
    """Wait until the server answers. Raises NoAnswer."""
    limit = until.timeout or until.answer
    last = deadline or time.monotonic() + limit
    while not endpoint.answers():
        ended = traced.wait(TICK)
        failed = traced.status() if ended is None and not traced.alive() else ended
        if ended is not None or failed:
            stderr = traced.tracer.completed().stderr if ended is not None else b""
            how = process.describe(failed or 0)
            raise NoAnswer(str(endpoint), f"the program ended before it did: {how}", stderr)
        if time.monotonic() >= last:
            how = f"not in time, which is {limit:g} s; --dynamic-timeout SECONDS sets another limit"
            raise NoAnswer(str(endpoint), how, b"")


def _exercise(
    traced: Traced, until: Until, command: str, deadline: float | None, guard: Guard
) -> None:
    """Run a command beside the program. Raises CommandFailed."""
    line = ["/bin/sh", "-c", command]
    with process.running(line, user=until.user, preexec=guard.watch) as beside:
        while (status := beside.wait(TICK)) is None:
            traced.wait(0)
            if deadline is not None and time.monotonic() >= deadline:
                break
    guard.forget(beside.pid)
    ended = beside.completed()
    if ended.stdout:
        log.debug("stdout of %s ends with: %s", printable(command), end_of(ended.stdout, 4096))
    # A program that crashed is the better explanation.
    if status != 0 and (traced.alive() or not traced.status()):
        raise CommandFailed(command, status, ended.stderr)

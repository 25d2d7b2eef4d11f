"""Run other programs: logged, drained, bounded, and never with the terminal's stdin."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from magicpak.errors import TimedOut, ToolNotFound

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that ended: its status is the exit code, or minus the signal that killed it."""

    status: int
    stdout: bytes
    stderr: bytes

    def __str__(self) -> str:
        return describe(self.status)


class Runner(Protocol):
    """How a stage runs a program; tests pass a function of their own."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """Run ``argv`` to its end."""
        ...


def describe(status: int) -> str:
    """Say how a program ended, in words: ``exit status: 1`` or ``signal: 11 (SIGSEGV)``."""
    if status >= 0:
        return f"exit status: {status}"
    try:
        return f"signal: {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"signal: {-status}"


def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    timeout: float | None = None,
) -> Completed:
    """Run a program to its end, feeding and draining its pipes whatever their size.

    It leads a session of its own, so that it cannot read the terminal and is killed together with
    its children when ``timeout`` (seconds) is over, or when this process is interrupted.

    Raises TimedOut; OSError when the program cannot be started.
    """
    log.debug("run %s", shlex.join(argv))
    with subprocess.Popen(
        list(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
    ) as child:
        try:
            stdout, stderr = child.communicate(stdin, timeout)
        except subprocess.TimeoutExpired as e:
            kill_session(child.pid)
            raise TimedOut(shlex.join(argv), timeout or 0) from e
        except BaseException:
            kill_session(child.pid)
            raise
    return Completed(child.returncode, stdout, stderr)


def kill_session(leader: int) -> None:
    """Kill the process group of a program that leads its session."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass


def find(name: str, tool: str, option: str) -> str:
    """Find a program by name on PATH, or by path, as execvp(3) does.

    Raises ToolNotFound, which tells the Debian package of ``tool`` and the ``option`` that names it.
    """
    path = shutil.which(name)
    if path is None:
        raise ToolNotFound(name, tool, option)
    return path

"""Run other programs: with a log, drained pipes and a timeout, and without the terminal."""

import contextlib
import logging
import os
import select
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from magicpak.errors import MagicpakError
from magicpak.system import pipes, signals

if TYPE_CHECKING:
    from magicpak.system.user import User

log = logging.getLogger(__name__)


class TimedOut(MagicpakError):
    """A program exceeded its timeout."""

    command: str
    seconds: float

    def __str__(self) -> str:
        return f"'{self.command}' did not end within {self.seconds:g} s and was killed"


class Completed(NamedTuple):
    """A program that ended. The status is its exit code, or the negated number of a signal."""

    status: int
    stdout: bytes
    stderr: bytes

    def __str__(self) -> str:
        return describe(self.status)


class Runner(Protocol):
    """A function that runs a program; tests replace it."""

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
    """Describe how a program ended: ``exit status: 1`` or ``signal: 11 (SIGSEGV)``."""
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
    preexec: Callable[[], None] | None = None,
    kept: int = sys.maxsize,
    watch: pipes.Sink = bytes,
) -> Completed:
    """Run a program to its end, and feed and drain its pipes.

    The program leads a new session, so that it cannot read the terminal. It is killed with its
    children after ``timeout`` seconds, or when this process is interrupted. ``preexec`` is called
    in the new process before the program starts; it may fork if all processes but one close their
    descriptors and never return.

    Of the beginning and of the end of each output, ``kept`` bytes are returned. ``watch`` is called
    with each piece of stdout, the last one empty.

    Raises TimedOut; OSError if the program cannot be started.
    """
    child = None
    out, err = pipes.Ends(kept), pipes.Ends(kept)

    def stdout(piece: bytes) -> None:
        watch(piece)
        out.add(piece)

    try:
        with signals.held():
            child = _start(argv, env, cwd=cwd, preexec_fn=preexec and _as_new(preexec))
        _await(child, stdin, stdout, err.add, timeout)
    except subprocess.TimeoutExpired as e:
        raise TimedOut(shlex.join(argv), timeout or 0) from e
    finally:
        if child is not None and child.returncode is None:
            _end(child)
    return Completed(child.returncode, bytes(out), bytes(err))


def _await(
    child: subprocess.Popen[bytes],
    content: bytes,
    out: pipes.Sink,
    err: pipes.Sink,
    timeout: float | None,
) -> None:
    """Feed and drain a program until its end. Raises subprocess.TimeoutExpired."""
    # Popen sets all three for PIPE.
    stdin, stdout, stderr = (
        cast("IO[bytes]", pipe) for pipe in (child.stdin, child.stdout, child.stderr)
    )
    try:
        left = pipes.exchange(stdin, content, {stdout: out, stderr: err}, timeout)
    except TimeoutError as e:
        raise subprocess.TimeoutExpired(child.args, timeout or 0) from e
    _wait(child, left)


def _wait(child: subprocess.Popen[bytes], seconds: float | None) -> None:
    """Wait for the end of a program. Raises subprocess.TimeoutExpired.

    Popen.wait with a timeout sleeps between looks, up to 50 ms too long.
    """
    if seconds is not None:
        with contextlib.suppress(OSError):  # before Linux 5.3 there is no pidfd_open(2)
            fd = os.pidfd_open(child.pid)
            try:
                select.select([fd], [], [], seconds)
            finally:
                os.close(fd)
            seconds = 0 if child.poll() is None else None
    child.wait(seconds)


def _as_new(preexec: Callable[[], None]) -> Callable[[], None]:
    def prepared() -> None:
        signals.restore()
        preexec()

    return prepared


def _start(
    argv: Sequence[str], env: Mapping[str, str] | None, **settings: Any
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, with pipes. Raises OSError."""
    log.debug("run %s", shlex.join(argv))
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(
        list(argv),
        env=None if env is None else dict(env),
        start_new_session=True,
        **{**pipes, **settings},
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill a program with its session, and wait for it."""
    with signals.held():
        kill_session(child.pid)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        child.wait()


class Running:
    """A program in the background. Threads feed and drain it, and keep the end of its output."""

    KEPT = 64 * 1024  # bytes of each output

    def __init__(self, child: subprocess.Popen[bytes], stdin: bytes) -> None:
        """Start to feed ``stdin`` to the program, and to drain what it prints."""
        self.pid = child.pid
        self._child = child
        self._ended = threading.Event()
        self._ends = (bytearray(), bytearray())
        self._threads = (
            threading.Thread(target=_feed, args=(child.stdin, stdin), daemon=True),
            threading.Thread(target=_drain, args=(child.stdout, self._ends[0]), daemon=True),
            threading.Thread(target=_drain, args=(child.stderr, self._ends[1]), daemon=True),
            # Popen.wait with a timeout sleeps up to 50 ms too long.
            threading.Thread(target=self._await, daemon=True),
        )
        for thread in self._threads:
            thread.start()

    def _await(self) -> None:
        self._child.wait()
        self._ended.set()

    def wait(self, seconds: float) -> int | None:
        """Return its status as in Completed, or None if it has not ended after ``seconds``."""
        return self._child.returncode if self._ended.wait(seconds) else None

    def completed(self) -> Completed:
        """Return the status of the ended program, and the last 64 KiB of each of its outputs."""
        for thread in self._threads:
            # Do not wait for a child that outlives the program and holds its pipes.
            thread.join(1)
        return Completed(self._child.wait(), *(bytes(end) for end in self._ends))


@contextlib.contextmanager
def running(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    user: "User | None" = None,
    inherited: Sequence[int] = (),
    preexec: Callable[[], None] | None = None,
) -> Iterator[Running]:
    """Run a program during the ``with`` block, and kill its session at the end.

    It runs as ``user``, with that one's HOME, and inherits those descriptors. ``preexec`` is called
    in the new process before the program starts. Raises OSError if the program cannot be started,
    UserRefused if not as this user.
    """
    child = None
    settings = {"env": None} if user is None else user.popen_settings()
    settings |= {"pass_fds": inherited, "preexec_fn": preexec and _as_new(preexec)}
    try:
        with signals.held(), contextlib.nullcontext() if user is None else user.starting():
            child = _start(argv, bufsize=0, **settings)
        yield Running(child, stdin)
    finally:
        if child is not None:
            # Even if the program has ended, its children may still run.
            with signals.held():
                kill_session(child.pid)
                child.wait()


class Conversation:
    """A program that answers requests; each request and each answer ends with a NUL."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str]) -> None:
        """Start the program. Raises OSError."""
        self._child = _start(argv, env, bufsize=0, stderr=subprocess.DEVNULL)
        # Popen sets both for PIPE.
        self._stdin = cast("IO[bytes]", self._child.stdin)
        self._stdout = cast("IO[bytes]", self._child.stdout)
        self._received = bytearray()

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(self, *_: object) -> None:
        kill_session(self._child.pid)
        self._child.communicate()

    def send(self, text: bytes) -> None:
        """Send a request. If the program has ended, the next ``receive`` returns None."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(text)

    def receive(self, seconds: float) -> bytes | None:
        """Return the next answer without its NUL; None if the program ends, or on a timeout."""
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._stdout], [], [], seconds)
            chunk = os.read(self._stdout.fileno(), 65536) if ready else b""
            if not chunk:
                return None
            self._received += chunk
        text, _, rest = bytes(self._received).partition(b"\0")
        self._received = bytearray(rest)
        return text


def _feed(pipe: IO[bytes], content: bytes) -> None:
    rest = memoryview(content)
    # A program need not read all of its stdin.
    with pipe, contextlib.suppress(BrokenPipeError):
        while rest:
            rest = rest[os.write(pipe.fileno(), rest) :]


def _drain(pipe: IO[bytes], end: bytearray) -> None:
    with pipe:
        while chunk := os.read(pipe.fileno(), Running.KEPT):
            end += chunk
            del end[: -Running.KEPT]


def kill_session(leader: int) -> None:
    """Kill the process group of a program that leads its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)

"""Whatever ends a run, nothing of it is left; and what does not move says so."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from magicpak import trace
from magicpak.trace import session
from support.command import COMMAND
from support.machine import free_port, running
from support.programs import script
from support.traces import PYTHON, Touch, files, needs_strace

ENDINGS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def stubborn(tmp_path: Path) -> tuple[str, str]:
    """A program that ignores SIGTERM, with a daemon in a session of its own; and its mark."""
    mark = f"86400.{os.getpid()}{time.monotonic_ns() % 10**6:06}"
    body = f"trap '' TERM INT HUP\nsetsid sh -c 'trap \"\" TERM; sleep {mark}; :' &\n"
    return script(tmp_path / "stubborn", f"{body}while :; do sleep {mark}; done"), mark


@contextlib.contextmanager
def started(out: Path, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*COMMAND, "--dynamic", *args, out],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(out.parent)}, start_new_session=True,
    ) as command:  # fmt: skip
        try:
            yield command
        finally:
            command.kill()


def is_told(tmp_path: Path) -> bool:
    """Tell whether a run is being ended: its program has got a SIGTERM, which it ignores."""
    return any(b"SIGTERM" in log.read_bytes() for log in tmp_path.glob("magicpak-*/*.strace"))


@needs_strace
@pytest.mark.parametrize("number", ENDINGS)
@pytest.mark.parametrize("during", ["run", "end"])
def test_a_signal_leaves_nothing_running(
    tmp_path: Path, stubborn: tuple[str, str], number: signal.Signals, during: str
) -> None:
    program, mark = stubborn
    with started(tmp_path / "out", "--dynamic-timeout", "86400" if during == "run" else "0.5",
               program) as us:  # fmt: skip
        eventually(lambda: len(running(mark)) >= 3)
        if during == "end":
            eventually(lambda: is_told(tmp_path))
        us.send_signal(number)
        _, stderr = us.communicate(timeout=20)
    assert us.returncode == 128 + number
    assert f"ended by {number.name}" in stderr.decode()
    assert not running(mark)
    assert not list(tmp_path.glob("magicpak-*"))


@needs_strace
@pytest.mark.parametrize("during", ["run", "end", "command"])
def test_nothing_outlives_a_magicpak_that_is_killed(
    tmp_path: Path, stubborn: tuple[str, str], during: str
) -> None:
    program, mark = stubborn
    how = {
        "run": ["--dynamic-timeout", "86400"],
        "end": ["--dynamic-timeout", "0.5"],
        "command": ["--dynamic-command", f"sleep {mark} & sleep {mark}"],
    }[during]
    with started(tmp_path / "out", *how, program) as us:
        eventually(lambda: len(running(mark)) >= (5 if during == "command" else 3))
        if during == "end":
            eventually(lambda: is_told(tmp_path))
        us.kill()
        us.communicate(timeout=20)  # nobody holds its pipes
    eventually(lambda: not running(mark), 10)
    eventually(lambda: not running(str(tmp_path)), 10)


@needs_strace
def test_a_guard_that_is_killed_is_not_needed(touch: Touch) -> None:
    kill = "import os; here = os.getppid(); " + (
        "up = int(open(f'/proc/{here}/stat').read().rpartition(')')[2].split()[1]); "
        "[os.kill(int(p), 9) for p in open(f'/proc/{up}/task/{up}/children').read().split() "
        "if int(p) != here]; import time; time.sleep(86400.31)"
    )
    touch(PYTHON, "-c", kill, timeout=0.5)
    assert not running("86400.31")


@needs_strace
@pytest.mark.parametrize("whom", ["itself", "its tracer"])
def test_what_is_stopped_is_ended_at_the_timeout(touch: Touch, whom: str) -> None:
    pid = "os.getpid()" if whom == "itself" else "os.getppid()"
    begin = time.monotonic()
    touch(PYTHON, "-c", f"import os, time; os.kill({pid}, 19); time.sleep(86400.32)", timeout=0.5)
    assert time.monotonic() - begin < 4
    assert not running("86400.32")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    assert session.PATIENCE == 10
    monkeypatch.setattr(session, "PATIENCE", 1.5)


@needs_strace
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("whom", ["$$", "$PPID"])
@pytest.mark.parametrize("mode", ["alone", "command"])
def test_what_is_stopped_all_the_time_is_continued_with_a_warning(
    touch: Touch, tmp_path: Path, caplog: pytest.LogCaptureFixture, whom: str, mode: str
) -> None:
    (tmp_path / "data").write_text("x")
    done = tmp_path / "done"
    command = f"while ! test -e {done}; do sleep 0.1; done" if mode == "command" else None
    body = f"kill -STOP {whom}; cat {tmp_path}/data; : > {done}"
    found = touch("/bin/sh", "-c", body + ("; sleep 60" if command else ""), command=command)
    assert str(tmp_path / "data") in files(found)
    stopped = "strace" if whom == "$PPID" else "sh"
    assert f"{stopped} (process " in caplog.text
    assert "has been stopped for 1.5 s: it is continued" in caplog.text


@needs_strace
def test_a_process_that_others_stop_and_continue_is_left_alone(
    touch: Touch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session, "PATIENCE", 3)
    line = "sleep 60 & for i in 1 2 3; do kill -STOP $!; sleep 1; kill -CONT $!; sleep 0.2; done"
    touch("/bin/sh", "-c", f"{line}; kill $!")
    assert "continued" not in caplog.text


def notices(caplog: pytest.LogCaptureFixture) -> list[str]:
    every = (one.getMessage() for one in caplog.records if one.levelno == logging.WARNING)
    return [text for text in every if "has not ended" in text]


@needs_strace
@pytest.mark.usefixtures("impatient")
def test_a_run_without_an_end_says_so_once_and_how_to_end_it(
    touch: Touch, caplog: pytest.LogCaptureFixture
) -> None:
    touch("/bin/sleep", "4")
    (text,) = notices(caplog)
    assert text.startswith("/bin/sleep has not ended after 1.5 s; ")
    assert "--dynamic-timeout SECONDS" in text
    assert "--dynamic-command COMMAND" in text


@needs_strace
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("options", "program"),
    [
        ({"timeout": 60}, ["/bin/sleep", "3"]),
        ({"command": "sleep 3"}, ["/bin/sleep", "60"]),
        ({}, ["/bin/sh", "-c", "sleep 60 & exit 0"]),
    ],
)
def test_a_run_that_something_ends_says_nothing(
    touch: Touch, caplog: pytest.LogCaptureFixture, options: dict[str, object], program: list[str]
) -> None:
    touch(*program, **options)
    assert not notices(caplog)


@needs_strace
def test_a_server_that_does_not_answer_in_time_names_the_limit_and_the_option(
    touch: Touch, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = {"wait_for": str(free_port()), "command": "true"}
    monkeypatch.setattr(session, "ANSWER", 0.5)
    with pytest.raises(trace.NoAnswer, match=r"not in time.* 0\.5 s; --dynamic-timeout SECONDS"):
        touch("/bin/sleep", "60", **at)
    with pytest.raises(trace.NoAnswer, match=r"not in time.* 1 s; --dynamic-timeout SECONDS"):
        touch("/bin/sleep", "60", **at, timeout=1)


SLOW = "import socket, time; time.sleep(1.5); s = socket.create_server(('', {})); time.sleep(60)"


@needs_strace
def test_a_timeout_is_also_how_long_a_server_may_take_to_answer(
    touch: Touch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "ANSWER", 1)
    port = free_port()
    assert touch(PYTHON, "-c", SLOW.format(port), wait_for=str(port), command="true", timeout=30)

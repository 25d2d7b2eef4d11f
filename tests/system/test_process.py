"""Running programs: drained, fed, bounded, killed with all they started."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from magicpak.system import process
from magicpak.system.process import TimedOut

MEGABYTE = 1 << 20


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def is_alive(pid: int) -> bool:
    """Tell whether a process runs: one that has ended, but not been waited for, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int) -> bool:
    end = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not is_alive(pid)


def test_status_and_outputs_are_returned() -> None:
    done = process.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.status, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert str(done) == "exit status: 3"


def test_a_signal_is_a_negative_status() -> None:
    done = process.run(["sh", "-c", "kill -SEGV $$"])
    assert done.status == -signal.SIGSEGV
    assert str(done) == "signal: 11 (SIGSEGV)"
    assert process.describe(-63) == "signal: 63"


def test_pipes_of_any_size_do_not_block() -> None:
    echo = (
        "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read());"
        "sys.stderr.write('x' * 2**20)"
    )
    done = process.run(python(echo), stdin=b"y" * 3 * MEGABYTE)
    assert len(done.stdout) == 3 * MEGABYTE
    assert len(done.stderr) == MEGABYTE


def test_of_what_is_printed_both_ends_can_be_kept() -> None:
    done = process.run(python("print('a' * 999, end='b')"), kept=10)
    assert done.stdout.decode() == "aaaaaaaaaa\n[…]\naaaaaaaaab"
    assert process.run(python("print('a' * 20, end='')"), kept=10).stdout == b"a" * 20


def test_stdin_that_is_not_read_is_no_error() -> None:
    assert process.run(["true"], stdin=b"y" * 3 * MEGABYTE).status == 0


def test_stdin_is_never_inherited() -> None:
    assert process.run(["cat"], timeout=20).stdout == b""


def test_environment_and_directory_are_those_given(tmp_path: Path) -> None:
    line = 'echo "$A-$HOME-"; pwd -P'
    done = process.run(["/bin/sh", "-c", line], env={"A": "1"}, cwd=str(tmp_path))
    assert done.stdout.decode().splitlines() == ["1--", os.path.realpath(tmp_path)]


def test_after_its_time_a_program_is_killed_with_its_children(tmp_path: Path) -> None:
    line = f"sleep 300 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(TimedOut) as raised:
        process.run(["sh", "-c", line], timeout=0.5)
    assert "did not end within 0.5 s" in str(raised.value)
    assert gone(int((tmp_path / "pid").read_text()))


def test_an_exception_kills_a_program_with_its_children(tmp_path: Path) -> None:
    class Asked(BaseException):
        pass

    def ask(_number: int, _frame: object) -> None:
        raise Asked

    before = signal.signal(signal.SIGUSR1, ask)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        timer.start()
        with pytest.raises(Asked):
            process.run(["sh", "-c", f"sleep 300 & echo $! > {tmp_path}/pid; wait"])
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_program_that_is_not_there_is_an_oserror() -> None:
    with pytest.raises(FileNotFoundError):
        process.run(["/no/such/program"])


def test_beside_a_program_the_body_runs_and_then_it_is_killed() -> None:
    with process.running(["sh", "-c", "echo begun; sleep 300"]) as program:
        assert program.wait(0.2) is None
        pid = program.pid
    assert gone(pid)


def test_of_what_runs_beside_the_end_of_the_output_is_kept() -> None:
    code = "import sys; sys.stdout.write('x' * 200000 + 'end'); sys.exit(4)"
    with process.running(python(code)) as program:
        assert program.wait(20) == 4
        done = program.completed()
    assert done.status == 4
    assert len(done.stdout) == process.Running.KEPT
    assert done.stdout.endswith(b"xend")


def test_a_conversation_gives_an_answer_for_each_question() -> None:
    code = """
import sys
while byte := sys.stdin.buffer.read(1):
    sys.stdout.buffer.write(byte.upper())
    sys.stdout.flush()
"""
    with process.Conversation(python(code), env={}) as conversation:
        for question in (b"one", b"two"):
            conversation.send(question + b"\0")
            assert conversation.receive(20) == question.upper()


def test_a_conversation_with_a_program_that_has_ended_answers_nothing() -> None:
    with process.Conversation(["true"], env=dict(os.environ)) as conversation:
        assert conversation.receive(20) is None
        conversation.send(b"hello\0")
        assert conversation.receive(20) is None


def test_a_conversation_with_a_program_that_says_nothing_ends() -> None:
    with process.Conversation(["sleep", "300"], env=dict(os.environ)) as conversation:
        assert conversation.receive(0.1) is None

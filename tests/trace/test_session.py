"""A traced run ends with all that it started, and its failure or refusal is told."""

from __future__ import annotations

import logging
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from magicpak import trace
from magicpak.trace import session
from support.machine import free_port, running
from support.programs import script
from support.traces import HEAD, Compiled, Touch, files, needs_strace


@needs_strace
def test_stdin_is_given_and_ends(touch: Touch, tmp_path: Path) -> None:
    touch("/bin/sh", "-c", f"cat > {tmp_path}/copy", stdin=b"x" * 300_000)
    assert (tmp_path / "copy").stat().st_size == 300_000
    touch("/bin/sh", "-c", "cat")
    touch("/bin/true", stdin=b"x" * 300_000)


@needs_strace
def test_ten_megabytes_of_output_are_drained(
    touch: Touch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    touch("/bin/sh", "-c", "head -c 10000000 /dev/zero | tr '\\0' x; echo END; echo oops >&2")
    assert "END" in caplog.text
    assert "oops" in caplog.text
    assert len(caplog.text) < 20_000


def test_draining_ends_with_the_run(touch: Touch) -> None:
    before = threading.active_count()
    if shutil.which("strace"):
        touch("/bin/true")
    assert threading.active_count() <= before + 1


@needs_strace
@pytest.mark.needs("cc")
def test_a_busy_program_runs_at_near_native_speed(touch: Touch, compiled: Compiled) -> None:
    """Reads of 64 KiB take at most 1.3 times as long; where each stopped for strace, 70 times.

    The kernel runs strace's filter for each call: 65 ns, a quarter of what a read of 4 KiB takes.
    No tracer can take that away, and a bound near it would measure the machine.
    """
    help_text = subprocess.run(["strace", "--help"], capture_output=True, check=True).stdout
    if b"--seccomp-bpf" not in help_text:
        pytest.skip("this strace has no --seccomp-bpf")
    program = compiled(
        HEAD + 'int main(void) { static char c[65536]; int f = open("/dev/zero", O_RDONLY);'
        "for (int i = 0; i < 800000; i++) read(f, c, sizeof c); return 0; }"
    )

    def ratio() -> float:
        bare, traced = [], []
        for _ in range(3):
            bare.append(seconds(lambda: subprocess.run([program], check=True)))
            traced.append(seconds(lambda: touch(program)))
        return min(traced) / min(bare)  # noise only adds

    assert any(ratio() <= 1.3 for _ in range(3))


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@needs_strace
@pytest.mark.parametrize(
    ("script", "how"), [("exit 3", "exit status: 3"), ("kill -9 $$", "signal: 9 (SIGKILL)")]
)
def test_a_failing_program_fails_the_run(touch: Touch, script: str, how: str) -> None:
    with pytest.raises(trace.DynamicFailed) as e:
        touch("/bin/sh", "-c", f"echo one >&2; echo two >&2; {script}")
    text = str(e.value)
    assert text.startswith(f"Dynamic analysis subprocess failed: {how}; stderr: one; two")
    assert "--dynamic-allow-failure" in text
    assert "\n" not in text


@needs_strace
def test_a_failing_program_may_be_allowed(
    touch: Touch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").write_text("x")
    found = touch("/bin/sh", "-c", f"cat {tmp_path}/data; exit 3", allow_failure=True)
    assert str(tmp_path / "data") in files(found)
    assert "exit status: 3" in caplog.text


@needs_strace
def test_a_program_that_does_not_end_is_ended_after_the_timeout(touch: Touch, nap: str) -> None:
    start = time.monotonic()
    found = touch("/bin/sleep", nap, timeout=0.5)
    assert time.monotonic() - start < 4
    assert files(found)
    assert not running(nap)


@needs_strace
def test_a_program_that_ignores_sigterm_is_killed(
    touch: Touch, nap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "GRACE", 0.3)
    touch("/bin/sh", "-c", f"trap '' TERM; while :; do sleep {nap}; done", timeout=0.3)
    assert not running(nap)


@needs_strace
def test_a_program_that_ends_before_the_timeout_is_not_waited_for(touch: Touch) -> None:
    start = time.monotonic()
    touch("/bin/true", timeout=60)
    with pytest.raises(trace.DynamicFailed):
        touch("/bin/false", timeout=60)
    assert time.monotonic() - start < 10


@needs_strace
def test_a_daemon_left_behind_is_ended(
    touch: Touch, nap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LINGER", 0.2)
    start = time.monotonic()
    touch("/bin/sh", "-c", f"setsid sh -c 'setsid sleep {nap} & sleep {nap}' & exit 0")
    assert time.monotonic() - start < 5
    assert not running(nap)


@needs_strace
def test_children_may_finish_their_work_after_the_program(touch: Touch, tmp_path: Path) -> None:
    (tmp_path / "late").write_text("x")
    found = touch("/bin/sh", "-c", f"(sleep 0.5; cat {tmp_path}/late) & exit 0")
    assert str(tmp_path / "late") in files(found)


@needs_strace
def test_the_status_of_a_program_counts_when_its_children_are_ended(
    touch: Touch, nap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LINGER", 0.2)
    with pytest.raises(trace.DynamicFailed, match="exit status: 4"):
        touch("/bin/sh", "-c", f"setsid sleep {nap} & exit 4")


INTERRUPTED = """
import sys
from magicpak import trace
scratch, nap = sys.argv[1:]
trace.run("/bin/sh", ["-c", f"setsid sleep {nap} & trap '' TERM; sleep {nap}; sleep {nap}"],
    scratch=scratch)
"""


@needs_strace
def test_an_interrupt_ends_the_program_and_its_children(tmp_path: Path, nap: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, tmp_path, nap], stderr=subprocess.PIPE
    ) as us:
        until = time.monotonic() + 20
        while len(running(nap)) < 4 and time.monotonic() < until:
            time.sleep(0.05)
        us.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in us.communicate(timeout=20)[1]
    assert not running(nap)


@needs_strace
def test_a_traced_process_cannot_trace_and_the_error_says_the_way_out(
    touch: Touch, tmp_path: Path
) -> None:
    # A process has one tracer: strace below strace is refused, as by the policy of a container.
    real = shutil.which("strace")
    nested = script(tmp_path / "strace", f'exec {real} -f -o /dev/null {real} "$@"')
    with pytest.raises(trace.TraceRefused) as e:
        touch("/bin/true", strace=nested, wait_for=str(free_port()), command="true")
    text = str(e.value)
    assert "Operation not permitted" in text
    assert "--dynamic-log FILE" in text
    assert "strace -f -y -xx -o FILE" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("strace: PTRACE_TRACEME: Function not implemented", "emulated"),
        ("strace: ptrace(PTRACE_TRACEME, ...): Operation not permitted", "policy"),
        ("strace: attach: ptrace(PTRACE_SEIZE, 7): Permission denied", "policy"),
    ],
)
def test_a_refusal_is_explained(touch: Touch, tmp_path: Path, said: str, reason: str) -> None:
    refusing = script(tmp_path / "strace", f"echo '{said}' >&2; exit 1")
    with pytest.raises(trace.TraceRefused, match=re.escape(said)) as e:
        touch("/bin/true", strace=refusing)
    assert reason in e.value.reason


@needs_strace
@pytest.mark.parametrize(
    "said", ["unrecognized option '--seccomp-bpf'", "seccomp filter: Operation not permitted"]
)
def test_strace_without_seccomp_bpf_works(touch: Touch, tmp_path: Path, said: str) -> None:
    refuse = f'echo "strace: {said}" >&2; exit 1'
    real = shutil.which("strace")
    old = script(
        tmp_path / "strace",
        f'case "$*" in *--seccomp-bpf*) {refuse};; esac; exec {real} "$@"',
    )
    assert files(touch("/bin/true", strace=old))


@needs_strace
def test_strace_is_started_once_for_a_run(touch: Touch, tmp_path: Path) -> None:
    starts, real = tmp_path / "starts", shutil.which("strace")
    counted = script(tmp_path / "strace", f'echo start >> {starts}; exec {real} "$@"')
    assert files(touch("/bin/true", strace=counted))
    assert starts.read_text() == "start\n"


@needs_strace
def test_a_program_that_cannot_be_started_is_no_refusal(touch: Touch, tmp_path: Path) -> None:
    (tmp_path / "noexec").write_text("x")
    with pytest.raises(trace.NotStarted, match=r"noexec.*Permission denied"):
        touch(str(tmp_path / "noexec"))
    with pytest.raises(trace.NotStarted, match="No such file"):
        touch(str(tmp_path / "nothing"))

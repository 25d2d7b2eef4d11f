"""A signal at any time leaves OUTPUT as it was, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.command import COMMAND, SLOW_DISK, listing, paths

SIGNALS = [
    signal.Signals[f"SIG{name}"] for name in ("INT", "TERM", "HUP", "QUIT", "USR1", "ALRM", "XCPU")
]


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A file that takes a second to copy to a slow disk."""
    path = tmp_path / "big"
    path.write_bytes(bytes(50 << 20))
    return path


def started(tmp_path: Path, *args: str | Path, **settings: str) -> subprocess.Popen[bytes]:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    env = os.environ | {"TMPDIR": str(scratch)} | settings
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_DISK, *args], cwd=tmp_path, env=env,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def staged_in(directory: Path) -> list[Path]:
    return list(directory.glob(".magicpak-*"))


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGKILL])
@pytest.mark.parametrize("existing", [True, False])
def test_a_signal_while_copying_leaves_output_as_it_was(
    tmp_path: Path, big: Path, number: signal.Signals, existing: bool
) -> None:
    out = tmp_path / "to" / "out"
    if existing:
        out.mkdir(parents=True)
    run = started(tmp_path, "-i", big, "/bin/true", out)
    wait_for(lambda: staged_in(tmp_path if not existing else out.parent))
    run.send_signal(number)
    _, stderr = run.communicate(timeout=30)
    assert out.exists() == existing
    assert not existing or listing(out) == []
    if number == signal.SIGKILL:
        assert run.returncode == -signal.SIGKILL
        return
    assert run.returncode == 128 + number
    assert stderr.decode().splitlines()[-1] == f"error: ended by {number.name}"
    assert listing(tmp_path) == ["big", "scratch", "to"] if existing else ["big", "scratch"]
    assert listing(tmp_path / "scratch") == []


@pytest.mark.needs("cc")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_a_tool_runs_leaves_no_process_and_no_file(
    tmp_path: Path, number: signal.Signals
) -> None:
    tool = tmp_path / "slow-upx"
    tool.write_text('#!/bin/sh\ntouch "$STARTED"\nsleep 12.345 &\nwait\n')
    tool.chmod(0o755)
    run = started(
        tmp_path, "-c", "--upx", "./slow-upx", "/bin/true", "out", STARTED=f"{tmp_path}/started"
    )
    wait_for((tmp_path / "started").exists)
    run.send_signal(number)
    run.communicate(timeout=30)
    assert run.returncode == 128 + number
    assert listing(tmp_path) == ["scratch", "slow-upx", "started"]
    assert listing(tmp_path / "scratch") == []
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")
                if path.exists()]  # fmt: skip
    assert not [command for command in commands if str(tmp_path).encode() in command]


def test_a_second_signal_does_not_stop_the_cleaning_up(tmp_path: Path, big: Path) -> None:
    run = started(tmp_path, "-i", big, "/bin/true", "out")
    wait_for(lambda: staged_in(tmp_path))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        run.send_signal(number)
    run.communicate(timeout=30)
    assert run.returncode in (128 + signal.SIGTERM, 128 + signal.SIGINT)
    assert listing(tmp_path) == ["big", "scratch"]


def test_signals_that_the_caller_ignores_stay_ignored(tmp_path: Path, big: Path) -> None:
    line = 'trap "" HUP INT; exec "$0" -c "$2" -i "$1" /bin/true out'
    run = subprocess.Popen(["sh", "-c", line, sys.executable, big, SLOW_DISK], cwd=tmp_path)
    wait_for(lambda: staged_in(tmp_path))
    run.send_signal(signal.SIGHUP)
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 0
    assert "/bin/true" in paths(tmp_path / "out")


def test_a_signal_at_any_time_shows_no_traceback(tmp_path: Path) -> None:
    """Also during the imports, which take most of the time of a small run."""
    ended = 0
    for step in range(60):
        run = subprocess.Popen(
            [*COMMAND, "/bin/true", f"out{step}"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        wait_for(lambda run=run: handles_signals(run.pid) or run.poll() is not None)
        time.sleep(step * 0.002)
        run.send_signal(signal.SIGINT)
        _, stderr = run.communicate(timeout=30)
        assert "Traceback" not in stderr
        assert stderr in ("", "error: ended by SIGINT\n")
        assert run.returncode in (0, 130, -signal.SIGINT)
        ended += run.returncode != 0
    assert ended > 10
    assert not staged_in(tmp_path)


def handles_signals(pid: int) -> bool:
    """Tell whether a process catches SIGUSR1, as Python by itself does not (proc(5), status)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGUSR1 - 1) & 1)


DESTRUCTOR = """
import os, signal, time
from magicpak.system import signals
class Late:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)
signals.leave_by_exception()
try:
    late = Late()
    del late
    time.sleep(60)
except signals.Interrupted as e:
    print(e)
"""


def test_a_signal_that_a_destructor_gets_is_not_lost() -> None:
    run = subprocess.run(
        [sys.executable, "-c", DESTRUCTOR], capture_output=True, text=True, timeout=20, check=True
    )
    assert (run.stdout, run.stderr) == ("ended by SIGTERM\n", "")

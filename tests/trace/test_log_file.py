"""A log as a file: whole or cut, and read from a pipe as well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from magicpak import trace
from magicpak.trace import log_file
from support.command import done, failed, magicpak, paths
from support.machine import mounted
from support.programs import script
from support.traces import PYTHON, Touch, files, needs_strace

CALL = b'7 openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3\n'
WHOLE = [
    b"7 +++ exited with 0 +++\n",
    b"+++ exited with 3 +++\n",
    b"7 +++ killed by SIGSEGV (core dumped) +++\n",
    b"[pid     7] 12:00:01 +++ exited with 0 +++\r\n",
    b"7 exit_group(0)                     = ?\n",
    b"7 <... futex resumed>)              = ?\n",
    b"7  <detached ...>\n",
    b"7 +++ exited with 0 +++",
]
CUT = [
    b"",
    b"7 +++ exited wi",
    b"7 +++ superseded by execve in pid 6 +++\n",
    b'7 openat(AT_FDCWD, "/etc/gr',
    b'7 openat(AT_FDCWD, "/etc/group", O_RDONLY <unfinished ...>\n',
    b"7 --- SIGTERM {si_signo=SIGTERM} ---\n",
]


@pytest.mark.parametrize("end", WHOLE)
def test_a_log_that_ends_with_the_end_of_a_process_is_whole(tmp_path: Path, end: bytes) -> None:
    (tmp_path / "log").write_bytes(CALL + end)
    assert files(trace.read_log(str(tmp_path / "log"), "/")) == {"/etc/passwd"}


@pytest.mark.parametrize("end", CUT)
def test_a_log_that_ends_otherwise_is_cut(tmp_path: Path, end: bytes) -> None:
    (tmp_path / "log").write_bytes(CALL + end)
    with pytest.raises(trace.LogCut, match=r"/log is cut: .*; record to the end by 'strace -f"):
        trace.read_log(str(tmp_path / "log"), "/")


def test_the_last_line_of_a_long_log_is_found(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(5000 * CALL + WHOLE[0])
    with log_file.opened(str(tmp_path / "log")) as log:
        assert log.is_whole()
        assert sum(1 for _ in log) == sum(1 for _ in log) == 5001


@needs_strace
def test_the_log_of_a_strace_that_was_killed_is_cut(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with subprocess.Popen(["strace", "-f", "-o", log, "sleep", "1"]) as strace:
        while not log.exists() or b"libc" not in log.read_bytes():
            time.sleep(0.01)
        strace.kill()
    with pytest.raises(trace.LogCut):
        trace.read_log(str(log), "/")


@needs_strace
@pytest.mark.parametrize("as_fifo", [True, False])
def test_a_log_that_comes_by_a_pipe_is_read_whole(tmp_path: Path, as_fifo: bool) -> None:
    log, fifo = tmp_path / "log", tmp_path / "fifo"
    command = ["strace", "-f", "-y", "-xx", "-o", log, PYTHON, "-c", "import ssl, json"]
    subprocess.run(command, check=True)
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(log.read_bytes()))
    writer.start()
    if as_fifo:
        read = trace.read_log(str(fifo), os.getcwd())
    else:
        descriptor = os.open(fifo, os.O_RDONLY)
        read = trace.read_log(f"/dev/fd/{descriptor}", os.getcwd())
        os.close(descriptor)
    writer.join()
    assert len(read) > 30
    assert read == trace.read_log(str(log), os.getcwd())


@needs_strace
def test_the_command_reads_a_log_from_its_stdin_by_a_pipe(tmp_path: Path) -> None:
    log = tmp_path / "log"
    subprocess.run(["strace", "-f", "-y", "-o", log, "/bin/cat", "/etc/passwd"], check=True,
                   capture_output=True)  # fmt: skip
    line = 'cat "$1" | "$2" -m magicpak --dynamic-log /dev/stdin /bin/cat "$3"'
    args = ["sh", "-c", line, "sh", log, sys.executable, tmp_path / "out"]
    subprocess.run(args, check=True, capture_output=True)
    assert "/etc/passwd" in paths(tmp_path / "out")
    done(magicpak("--dynamic-log", log, "/bin/cat", tmp_path / "other"))
    log.write_bytes(log.read_bytes()[:-30])
    text = failed(magicpak("--dynamic-log", log, "/bin/cat", tmp_path / "third"))
    assert f"{log} is cut" in text
    assert not (tmp_path / "third").exists()


@pytest.mark.needs("strace", "root", "mounts")
@pytest.mark.parametrize("kilobytes", [4, 64])
def test_a_log_that_strace_cannot_write_is_an_error(tmp_path: Path, kilobytes: int) -> None:
    code = "import os; [os.access('/', 0) for _ in range(4096)]"
    full = tmp_path / "full"
    with mounted(full, "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs"):
        if kilobytes == 4:
            (full / "taken").write_bytes(bytes(4096))
        with pytest.raises(trace.LogNotWritten, match=r"No space left.*TMPDIR"):
            trace.run(PYTHON, ["-c", code], scratch=str(full), allow_failure=True)


@needs_strace
def test_a_strace_that_is_killed_is_an_error_whatever_is_allowed(
    touch: Touch, tmp_path: Path
) -> None:
    program = "import os, time; os.kill(os.getppid(), 9); time.sleep(0.2)"
    with pytest.raises(trace.LogNotWritten, match=f"signal: {signal.SIGKILL:d}"):
        touch(PYTHON, "-c", program, allow_failure=True)
    kill = script(tmp_path / "kill", "kill -9 $PPID; sleep 0.2")
    with pytest.raises(trace.LogNotWritten):
        touch(kill, timeout=5)


@needs_strace
def test_what_a_program_says_of_its_own_log_is_no_complaint_of_strace(touch: Touch) -> None:
    assert files(touch("/bin/sh", "-c", "echo 'strace: log: No space left on device' >&2"))

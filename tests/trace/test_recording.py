"""A run here and a log made elsewhere give the same files, whatever they are called."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magicpak import trace
from magicpak.errors import MagicpakError
from magicpak.system.tools import ToolNotFound
from magicpak.trace import Touched, What
from support.traces import Touch, files, needs_strace

ReadLog = Callable[[bytes], tuple[Touched, ...]]


@pytest.fixture
def read_log(tmp_path: Path) -> ReadLog:
    """Write a log, and read what it says."""

    def read(data: bytes) -> tuple[Touched, ...]:
        (tmp_path / "my.log").write_bytes(data)
        return trace.read_log(str(tmp_path / "my.log"), "/")

    return read


@needs_strace
def test_a_bare_name_is_a_file_here(
    touch: Touch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_text("x")
    shutil.copy(os.path.realpath("/bin/cat"), tmp_path / "true")
    assert str(tmp_path / "data") in files(touch("true", "data"))


def test_strace_that_is_not_there_is_named(touch: Touch) -> None:
    with pytest.raises(ToolNotFound, match=r"apt-get install strace.*--strace"):
        touch("/bin/true", strace="/nowhere/strace")


@needs_strace
@pytest.mark.parametrize("options", ["-f -y -xx", "-f", "-f -yy -tt -T", "-f -i -r"])
def test_a_log_made_elsewhere_gives_the_same_files(
    touch: Touch, tmp_path: Path, options: str
) -> None:
    (tmp_path / 'sub "x"').mkdir()
    (tmp_path / 'sub "x"' / "<data>\n").write_text("x")
    commands = ["/bin/sh", "-c", f"cd '{tmp_path}/sub \"x\"'; cat *; (cd ..; ls -l; true)"]
    subprocess.run(
        ["strace", *options.split(), "-o", tmp_path / "log", *commands],
        check=True,
        capture_output=True,
        cwd="/usr",
    )
    read = trace.read_log(str(tmp_path / "log"), "/usr")
    assert str(tmp_path / 'sub "x"' / "<data>\n") in files(read)
    ran = {one.path for one in touch(*commands)}
    cwd = os.getcwd()
    gone = {str(tmp_path / "log")}  # ls -l, there after the first run only
    assert ran - gone - {cwd} == {one.path for one in read} - gone - {"/usr", cwd}


def test_the_host_has_the_last_word_about_a_log(read_log: ReadLog) -> None:
    log = b'1 execve("/app", [], 0x0) = 0\n1 open("/nowhere/x", O_RDONLY) = 3</nowhere/x>\n'
    log += b"1 +++ exited with 0 +++\n"
    assert read_log(log) == ()


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\x1f\x8b\x08\0 packed"])
def test_what_is_no_log_is_an_error(read_log: ReadLog, data: bytes) -> None:
    with pytest.raises(trace.NotALog, match=r"my\.log is no log of strace.*; make one by"):
        read_log(data)


@pytest.mark.parametrize("path", ["/nowhere/log", "/proc"])
def test_a_log_that_cannot_be_read_is_named(path: str) -> None:
    with pytest.raises(MagicpakError, match=f"IO error: .*: {path}$"):
        trace.read_log(path, "/")


def test_a_log_with_the_line_ends_of_another_system_is_read(read_log: ReadLog) -> None:
    log = b'1 execve("/app", [], 0x0) = 0\r\n1 open("/etc/passwd", O_RDONLY) = 3\r\n'
    log += b"1 +++ exited with 0 +++\r\n"
    assert read_log(log) == (Touched("/etc/passwd", What.FILE),)


def test_a_log_of_a_thread_that_touched_nothing_is_read(read_log: ReadLog) -> None:
    assert read_log(b"+++ exited with 0 +++\n") == ()


names = st.binary(min_size=1, max_size=30).filter(
    lambda name: b"\0" not in name and b"/" not in name and name.strip(b".")
)


@needs_strace
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(names, min_size=1, max_size=10, unique=True))
def test_every_name_survives_strace(touch: Touch, tmp_path: Path, some: list[bytes]) -> None:
    base = tmp_path / "names"
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir()
    for name in some:
        (base / os.fsdecode(name)).write_bytes(b"x")
    wanted = {str(base / os.fsdecode(name)) for name in some}
    assert wanted <= files(touch("/bin/cat", *sorted(wanted)))

"""A log costs time and memory by its length, whatever stands in it and wherever that leads."""

from __future__ import annotations

import os
import subprocess
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from magicpak import trace
from magicpak.trace import Touched, What
from support.traces import files

BEGIN = b'1 execve("/bin/app", ["app"], 0x0) = 0\n'
END = b"1 +++ exited with 0 +++\n"
PATH_MAX = 4096

ReadLog = Callable[..., tuple[Touched, ...]]


@contextmanager
def bounded(seconds: float = 6, megabytes: int = 40) -> Iterator[None]:
    """Measure the CPU time of the body, and the memory that Python takes in it."""
    tracemalloc.start()
    begin = time.process_time()
    try:
        yield
        assert time.process_time() - begin < seconds
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()


@pytest.fixture
def read_log(tmp_path: Path) -> ReadLog:
    """Write calls as a log, and read what they say."""

    def read(*lines: bytes, cwd: str = "/") -> tuple[Touched, ...]:
        log = tmp_path / "log"
        with log.open("wb") as file:
            file.writelines((BEGIN, *lines, END))
        return trace.read_log(str(log), cwd)

    return read


@pytest.mark.parametrize("step", ["sub/..", "sub/../sub/..", "here", "here/sub/.."])
def test_relative_steps_lead_where_the_kernel_goes(
    read_log: ReadLog, tmp_path: Path, step: str
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "here").symlink_to(".")
    (tmp_path / "data").write_text("x")
    steps = [b'1 chdir("%s") = 0\n' % step.encode()] * 5000
    with bounded():
        found = read_log(*steps, b'1 open("data", O_RDONLY) = 3\n', cwd=str(tmp_path))
    assert str(tmp_path / "data") in files(found)


def test_steps_into_directories_that_are_not_there_are_bounded(read_log: ReadLog) -> None:
    steps = [b'1 chdir("d%d") = 0\n1 open("file", O_RDONLY) = 3\n' % at for at in range(5000)]
    with bounded():
        assert read_log(*steps) == ()


def test_after_a_way_too_long_for_the_kernel_the_next_that_is_told_counts(
    read_log: ReadLog,
) -> None:
    steps = [b'1 chdir("dddddddddd") = 0\n'] * 5000
    found = read_log(*steps, b'1 open("passwd", O_RDONLY) = 3\n', b'1 chdir("/etc") = 0\n',
                     b'1 open("group", O_RDONLY) = 3\n')  # fmt: skip
    assert files(found) == {"/etc/group"}
    found = read_log(*steps, b'1 openat(AT_FDCWD</etc>, "passwd", O_RDONLY) = 3</etc/passwd>\n')
    assert files(found) == {"/etc/passwd"}


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[int]:
    """Make as many levels below the test's directory as a path can have, with a file."""
    levels = (PATH_MAX - 100 - len(str(tmp_path))) // 2
    at = os.open(tmp_path, os.O_PATH)
    for _ in range(levels):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_PATH, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("f", os.O_CREAT, dir_fd=at))
    os.close(at)
    yield levels
    subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # what pytest uses, recurses


def test_a_directory_as_deep_as_the_kernel_permits_is_found(
    read_log: ReadLog, tmp_path: Path, deep: int
) -> None:
    file = f"{tmp_path}{'/d' * deep}/f"
    with bounded(megabytes=60):
        assert file in files(read_log(b'1 open("%s", O_RDONLY) = 3\n' % file.encode()))
    steps = [b'1 chdir("d") = 0\n'] * deep
    with bounded(megabytes=60):
        found = read_log(*steps, b'1 open("f", O_RDONLY) = 3\n', cwd=str(tmp_path))
    assert file in files(found)


LONG = [
    b'1 open("/' + b"a" * (40 << 20) + b'", O_RDONLY) = 3\n',
    b'1 open("' + b"\\x61" * (10 << 20) + b'", O_RDONLY) = 3\n',
    b'1 write(1, "' + b"\\1" * (20 << 20) + b'"..., 9) = 9\n',
    b"1 " + b"(" * (40 << 20) + b"\n",
    b"1 write(1, " + b") = " * (10 << 20) + b"\n",
    b'1 openat(AT_FDCWD<' + b"/a" * (20 << 20) + b'>, "a", O_RDONLY) = 3\n',
    b"1 " + b"a(" * (20 << 20) + b" <unfinished ...>\n",
]


@pytest.mark.parametrize("line", LONG, ids=range(len(LONG)))
def test_a_line_of_40_megabytes_is_passed_over(read_log: ReadLog, line: bytes) -> None:
    with bounded(megabytes=10):
        found = read_log(line, b'1 open("/etc/passwd", O_RDONLY) = 3\n')
    assert files(found) == {"/etc/passwd"}


def test_a_long_line_counts_by_its_start_and_its_end(read_log: ReadLog, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    call = b'1 execve("%s/run", [' % str(tmp_path).encode()
    call += b'"argument", ' * 1_000_000 + b"], 0x0) = 0\n"
    with bounded(megabytes=10):
        found = read_log(call)
    assert files(found) == {f"{tmp_path}/run"}


def test_a_log_that_is_one_long_line_is_cut(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(BEGIN + b"a" * (40 << 20))
    with bounded(megabytes=10), pytest.raises(trace.LogCut):
        trace.read_log(str(tmp_path / "log"), "/")


def test_links_that_the_kernel_does_not_follow_are_not_followed(
    read_log: ReadLog, tmp_path: Path
) -> None:
    for number in range(400):
        (tmp_path / f"l{number}").symlink_to(f"l{number + 1}")
    (tmp_path / "l400").write_text("x")
    top = str(tmp_path).encode()
    look = [b'1 lstat("%s/l%d", {st_mode=S_IFLNK|0777, ...}) = 0\n' % (top, at)
            for at in range(400)]  # fmt: skip
    with bounded():
        found = {one.path: one.what for one in read_log(*look)}
    assert found[f"{tmp_path}/l0"] is What.LINK
    assert found[f"{tmp_path}/l361"] is What.FILE
    assert len(found) == 400


def test_a_link_in_a_circle_that_was_looked_at_is_a_link(read_log: ReadLog, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b/x")
    (tmp_path / "b").symlink_to("a/y")
    line = b'1 lstat("%s/a", {st_mode=S_IFLNK|0777, ...}) = 0\n' % str(tmp_path).encode()
    assert [(one.path, one.what) for one in read_log(line)] == [
        (f"{tmp_path}/a", What.LINK),
        (f"{tmp_path}/b", What.LINK),
    ]


@pytest.mark.parametrize("call", ["lstat(%s, {st_mode=S_IFLNK|0777, ...}) = 0",
                                  "execve(%s, [], 0x0) = 0", "open(%s, O_RDONLY) = 3"])  # fmt: skip
@pytest.mark.parametrize("name", ["fifo", "link"])
def test_a_fifo_in_a_log_does_not_block(
    read_log: ReadLog, tmp_path: Path, call: str, name: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    line = f"1 {call}\n" % f'"{tmp_path}/{name}"'
    assert read_log(line.encode(), b'1 open("/etc/passwd", O_RDONLY) = 3\n') == (
        Touched("/etc/passwd", What.FILE),
    )

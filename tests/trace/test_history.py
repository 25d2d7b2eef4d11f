"""What was there before a run, by the first call that touches it, and what became of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from magicpak.trace import Touched, What
from magicpak.trace.calls import Kind
from magicpak.trace.files import Files
from magicpak.trace.history import History
from magicpak.trace.mounts import Mounts
from magicpak.trace.strace_log import Access
from magicpak.trace.touched import CHANGED, EMPTIED, REPLACED, UNSURE, WRITTEN, sift
from support.traces import (
    HEAD,
    PYTHON,
    Compiled,
    Touch,
    directories,
    left_out,
    needs_cc,
    needs_strace,
)

OVERLAY = "1 0 0:1 / / rw - overlay overlay rw"
PLAIN = "1 0 8:1 / / rw - ext4 /dev/sda rw"


def what(found: tuple[Touched, ...], path: Path) -> tuple[str, str]:
    """Return as what a path goes into the bundle, with the note; NOTHING where it is not told."""
    one = next((one for one in found if one.path == str(path)), Touched("", What.NOTHING))
    return one.what.name, one.note


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Make a file some time before the run, in a directory of its own."""
    (tmp_path / "d").mkdir()
    path = tmp_path / "d" / "file"
    path.write_text("before")
    return path


@pytest.fixture
def empty(file: Path) -> Path:
    """Make an empty file, as a build does for the log of a server."""
    file.write_text("")
    return file


APPEND = 'int f = open(v[1], O_WRONLY | O_CREAT | O_APPEND, 0600); write(f, "x", 1); '
SIZED = 'int f = open(v[1], {}, 0600); struct stat s; fstat(f, &s); write(f, "x", 1); '
BESIDE = 'strcpy(g, v[1]); strcat(g, ".lock"); close(open(g, O_CREAT | O_RDWR, 0600)); '


def program(statement: str) -> str:
    """Write a program that does something with the path that it gets."""
    return f"{HEAD} int main(int c, char **v) {{ char g[4096]; {statement} return 0; }}"


@needs_cc
@pytest.mark.parametrize(
    "statement",
    [
        SIZED.format("O_WRONLY | O_CREAT | O_APPEND"),
        SIZED.format("O_RDWR | O_CREAT"),
        SIZED.format("O_WRONLY | O_APPEND"),
        f"struct stat t; stat(v[1], &t); {APPEND}",
        f"int r = open(v[1], O_RDONLY); struct stat t; stat(v[1], &t); {APPEND}",
        BESIDE + SIZED.format("O_WRONLY | O_CREAT | O_APPEND"),
        SIZED.format("O_WRONLY | O_CREAT | O_APPEND") + BESIDE,
    ],
)
def test_an_empty_file_that_was_there_stays_empty(
    touch: Touch, compiled: Compiled, empty: Path, statement: str
) -> None:
    found = touch(compiled(program(statement)), str(empty))
    assert what(found, empty) == ("EMPTY", "")
    assert empty.read_text()


@needs_strace
def test_a_log_of_python_that_was_there_stays_empty(touch: Touch, empty: Path) -> None:
    code = "import logging, sys; logging.basicConfig(filename=sys.argv[1]); logging.error('x')"
    assert what(touch(PYTHON, "-c", code, str(empty)), empty) == ("EMPTY", "")


@needs_cc
@pytest.mark.parametrize(
    "statement",
    [
        f"open(v[1], O_RDONLY); {APPEND}",
        f"{APPEND} open(v[1], O_RDONLY);",
        'int f = open(v[1], O_RDWR); write(f, "x", 1);',
        'int f = open(v[1], O_RDWR | O_CREAT, 0600); ftruncate(f, 0); write(f, "x", 1);',
        'FILE *f = fopen(v[1], "r+"); fputs("x", f); fclose(f);',
        'open(v[1], O_RDONLY); write(open(v[1], O_WRONLY | O_TRUNC), "x", 1);',
        'open(v[1], O_RDONLY); strcpy(g, v[1]); strcat(g, "2"); creat(g, 0600); rename(g, v[1]);',
    ],
)
def test_a_file_that_was_there_and_is_changed_comes_with_a_note(
    touch: Touch, compiled: Compiled, file: Path, statement: str
) -> None:
    assert what(touch(compiled(program(statement)), str(file)), file) == ("FILE", CHANGED)


@needs_cc
@pytest.mark.parametrize(
    "statement",
    [
        APPEND,
        BESIDE + APPEND,
        APPEND + BESIDE,
        f"struct stat s; stat(v[1], &s); {APPEND}",
        "open(v[1], O_WRONLY);",
        'int f = open(v[1], O_WRONLY | O_APPEND); write(f, "x", 1);',
        'FILE *f = fopen(v[1], "a"); fputs("x", f); fclose(f);',
        SIZED.format("O_WRONLY | O_CREAT | O_APPEND"),
    ],
)
def test_a_file_that_the_run_only_writes_to_comes_empty_with_a_note(
    touch: Touch, compiled: Compiled, file: Path, statement: str
) -> None:
    assert what(touch(compiled(program(statement)), str(file)), file) == ("EMPTY", WRITTEN)


@needs_cc
@pytest.mark.parametrize("statement", ["int f = open(v[1], O_RDWR | O_CREAT, 0600);", BESIDE])
def test_a_file_that_was_there_and_only_opened_to_be_written_comes_as_it_is(
    touch: Touch, compiled: Compiled, file: Path, statement: str
) -> None:
    use = program(f"{statement} open(v[1], O_RDWR | O_CREAT, 0600);")
    assert what(touch(compiled(use), str(file)), file) == ("FILE", "")


@needs_cc
@pytest.mark.parametrize(
    "statement",
    [
        "creat(v[1], 0600);",
        "open(v[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);",
        "open(v[1], O_WRONLY | O_TRUNC);",
        BESIDE + 'write(creat(v[1], 0600), "x", 1);',
        "struct stat s; stat(v[1], &s); truncate(v[1], 0);",
    ],
)
def test_a_file_that_the_run_empties_comes_empty_with_a_note(
    touch: Touch, compiled: Compiled, file: Path, statement: str
) -> None:
    assert what(touch(compiled(program(statement)), str(file)), file) == ("EMPTY", EMPTIED)


@needs_cc
@pytest.mark.parametrize("replace", ["rename(g, v[1]);", "unlink(v[1]); link(g, v[1]);"])
def test_a_file_that_is_replaced_and_was_not_read_is_left_out_with_a_note(
    touch: Touch, compiled: Compiled, file: Path, replace: str
) -> None:
    use = 'struct stat s; stat(v[1], &s); strcpy(g, v[1]); strcat(g, "2"); creat(g, 0600); '
    assert left_out(touch(compiled(program(use + replace)), str(file))) == {str(file): REPLACED}


@needs_cc
@pytest.mark.parametrize(
    "statement",
    [
        APPEND,
        SIZED.format("O_RDWR | O_CREAT"),
        "access(v[1], R_OK); " + SIZED.format("O_RDWR | O_CREAT"),
        'int f = open(v[1], O_RDWR | O_CREAT, 0600); write(f, "x", 1); fstat(f, (void *) g);',
        "int f = open(v[1], O_RDWR | O_CREAT | O_EXCL, 0600); fchmod(f, 0644);",
        'mkdir(v[1], 0700); strcpy(g, v[1]); strcat(g, "/x"); creat(g, 0600); open(g, O_RDONLY);',
        'strcpy(g, v[1]); strcat(g, "2"); creat(g, 0600); rename(g, v[1]); open(v[1], O_RDONLY);',
        'strcpy(g, v[1]); strcat(g, "2"); mkdir(g, 0700); rename(g, v[1]); open(v[1], O_RDONLY);',
        # With the times of an archive, which are old.
        f"{APPEND} struct timespec t[2] = {{ {{ 9, 0 }}, {{ 9, 0 }} }}; futimens(f, t);",
    ],
)
def test_what_the_run_makes_is_left_out_without_a_word(
    touch: Touch, compiled: Compiled, file: Path, statement: str
) -> None:
    use = compiled(program(f"{statement} open(v[1], O_RDONLY);"))
    new = file.with_name("new")
    found = touch(use, str(new))
    assert not [one for one in found if one.path.startswith(str(new)) and one.what is not What.MADE]
    assert str(file.parent) in directories(found)


@needs_cc
def test_what_an_exercise_makes_for_the_run_is_its_input(
    touch: Touch, compiled: Compiled, file: Path
) -> None:
    wait = program("while (access(v[2], R_OK)) usleep(1000); open(v[1], O_RDONLY); pause();")
    new, ready = file.with_name("new"), file.with_name("ready")
    command = f"echo x > {new}; touch {ready}; sleep 0.3"
    found = touch(compiled(wait), str(new), str(ready), command=command)
    assert what(found, new) == ("MADE", "")


@needs_cc
def test_what_an_anonymous_file_lies_in_is_not_made(
    touch: Touch, compiled: Compiled, file: Path
) -> None:
    use = "open(v[2], O_RDWR | O_TRUNC | O_TMPFILE, 0600); open(v[1], O_RDONLY);"
    found = touch(compiled(program(use)), str(file), str(file.parent))
    assert what(found, file) == ("FILE", "")


@needs_cc
def test_a_link_that_the_run_makes_hides_nothing_of_what_it_leads_to(
    touch: Touch, compiled: Compiled, file: Path
) -> None:
    use = f'access(v[1], R_OK); symlink("{file.name}", v[1]); open(v[1], O_RDONLY); '
    use += "access(v[2], R_OK);"
    link = file.with_name("current")
    found = touch(compiled(program(use)), str(link), str(file))
    assert what(found, link) == ("MADE", "")
    assert what(found, file) == ("FILE", "")


# Overlayfs copies a file up, with a new time of birth, when it is first written to.


def history(started: int, mountinfo: str, *accesses: tuple[Path, Kind]) -> History:
    mounts = Mounts([mountinfo], "/", contained=True)
    return History([Access(str(p), kind) for p, kind in accesses], Files(), mounts, started)


def copied_up(path: Path) -> int:
    """Make a file as a copy up does: its directory keeps its time. Return when it began."""
    started = time.time_ns() - 1_000_000_000
    path.write_text("x")
    os.utime(path.parent, ns=(started - 9, started - 9))
    return started


def test_a_copied_up_file_was_there_as_its_directory_has_not_changed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    started = copied_up(file)
    assert history(started, OVERLAY, (file, Kind.OPENED)).was_there(str(file)) is True
    assert history(started, PLAIN, (file, Kind.OPENED)).was_there(str(file)) is False


def test_a_file_copied_up_after_another_was_made_was_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    started = copied_up(file)
    os.utime(tmp_path, ns=(started + 500, started + 500))
    accesses = ((tmp_path / "other", Kind.MADE), (file, Kind.OPENED))
    assert history(started, OVERLAY, *accesses).was_there(str(file)) is True


def test_a_file_alone_in_a_changed_directory_was_made_and_one_of_several_cannot_be_told(
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    started = copied_up(file)
    os.utime(tmp_path)
    assert history(started, OVERLAY, (file, Kind.OPENED)).was_there(str(file)) is False
    for kind in (Kind.MADE, Kind.REPLACED, Kind.REMOVED, Kind.OPENED):
        beside = (tmp_path / "other", kind)
        assert history(started, OVERLAY, (file, Kind.OPENED), beside).was_there(str(file)) is None


@pytest.mark.parametrize(("kind", "there"), [(Kind.FILLED, True), (Kind.EMPTY, None)])
def test_where_times_do_not_tell_the_size_does(
    tmp_path: Path, kind: Kind, there: bool | None
) -> None:
    file = tmp_path / "file"
    started = copied_up(file)
    os.utime(tmp_path)
    beside = (tmp_path / "other", Kind.MADE)
    past = history(started, OVERLAY, (file, Kind.OPENED), (file, kind), beside)
    assert past.was_there(str(file)) is there


def test_what_cannot_be_told_is_left_out_with_a_note(tmp_path: Path) -> None:
    """As from a log that was recorded elsewhere, whose times are not known."""
    file = tmp_path / "file"
    file.write_text("x")
    assert left_out(sift([Access(str(file), Kind.OPENED)])) == {str(file): UNSURE}
    assert left_out(sift([Access(str(file), Kind.EMPTIED)])) == {}
    seen = sift([Access(str(file), Kind.SEEN), Access(str(file), Kind.OPENED)])
    assert what(seen, file) == ("FILE", "")
    missed = sift([Access(str(file), Kind.ABSENT), Access(str(file), Kind.OPENED)])
    assert what(missed, file) == ("MADE", "")

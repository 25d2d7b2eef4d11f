"""What a traced run made, emptied or changed is not bundled as if it had been there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.command import done, magicpak, paths

pytestmark = pytest.mark.needs("strace")


def test_what_one_run_makes_is_not_there_for_the_next(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    script = f"cd {tmp_path}/work; cat made/file || {{ mkdir made; echo x > made/file; }}"
    runs = ("--dynamic-run", f"-c '{script}'") * 2
    assert done(magicpak("-d", *runs, "/bin/sh", tmp_path / "out")) == []
    assert (tmp_path / "work" / "made" / "file").exists()
    assert not any("/made" in path for path in paths(tmp_path / "out"))
    assert (tmp_path / "out" / str(tmp_path)[1:] / "work").is_dir()


def test_what_a_run_changes_is_told_and_what_it_empties_comes_empty(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("log", "data", "cut", "old"):
        (tmp_path / "d" / name).write_text("" if name == "log" else "before")
    script = f"import os; os.chdir('{tmp_path}/d'); write = lambda *a: open(*a).write('x'); "
    script += "write('log', 'a'); write('data', 'r+'); write('cut', 'w'); write('old', 'a')"
    arguments = [f"--dynamic-arg={part}" for part in ("-c", script)]
    command = ("-d", *arguments, "/usr/bin/python3", tmp_path / "out")
    start, end = "warning: bundled empty: files that", "to bundle them as they are now: --include"
    assert done(magicpak(*command)) == [
        f"{start} the traced run only wrote to; {end} {tmp_path}/d/old",
        f"{start} were emptied by the traced run; {end} {tmp_path}/d/cut",
        "warning: bundled as they are now: files that were written to during the traced run: "
        f"--exclude {tmp_path}/d/data",
    ]
    bundled = tmp_path / "out" / str(tmp_path)[1:] / "d"
    assert {path.name: path.read_text() for path in bundled.iterdir()} == {
        "log": "", "cut": "", "old": "", "data": "xefore"
    }  # fmt: skip


def test_what_a_run_only_wrote_to_has_its_content_if_it_is_included(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before,")
    arguments = ("--dynamic-arg=-c", f"--dynamic-arg=echo after >> {tmp_path}/log")
    command = ("-d", *arguments, "-i", tmp_path / "log", "/bin/sh", tmp_path / "out")
    assert done(magicpak(*command)) == []
    assert (tmp_path / "out" / str(tmp_path)[1:] / "log").read_text() == "before,after\n"


@pytest.mark.needs("root")
def test_empty_files_keep_their_owners_and_are_not_one_file(tmp_path: Path) -> None:
    logs = {tmp_path / "log1": (1, 0o640), tmp_path / "log2": (2, 0o604)}
    for log, (owner, mode) in logs.items():
        log.touch()
        os.chown(log, owner, owner)
        log.chmod(mode)
    script = "import sys; [open(name, 'a').write('x') for name in sys.argv[1:]]"
    arguments = [f"--dynamic-arg={part}" for part in ("-c", script, *logs)]
    assert done(magicpak("-d", *arguments, "/usr/bin/python3", tmp_path / "out")) == []
    for log, (owner, mode) in logs.items():
        status = (tmp_path / "out" / str(log)[1:]).stat()
        assert (status.st_size, status.st_uid, status.st_mode & 0o777) == (0, owner, mode)
        assert status.st_nlink == 1

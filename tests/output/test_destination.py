"""What OUTPUT can be, and what it cannot."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from magicpak import Options, pack
from magicpak.errors import MagicpakError
from magicpak.output.destination import DestinationInvalid, DestinationNotEmpty
from magicpak.system.workdir import private
from support.command import listing, paths
from support.packing import simple


def test_output_is_made_several_levels_deep(tmp_path: Path) -> None:
    simple(tmp_path / "a" / "b" / "out")
    assert "/bin/true" in paths(tmp_path / "a" / "b" / "out")
    assert listing(tmp_path / "a" / "b") == ["out"]


def test_an_empty_directory_is_filled_and_stays_as_it_was_made(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o2775)
    simple(out)
    assert "/bin/true" in paths(out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o2775
    assert listing(tmp_path) == ["out"]


def test_a_link_to_an_empty_directory_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    simple(tmp_path / "link")
    assert os.readlink(tmp_path / "link") == "real"
    assert "/bin/true" in paths(tmp_path / "real")


def test_a_link_to_what_is_not_there_leads_to_where_it_is_made(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("some/where")
    simple(tmp_path / "link")
    assert "/bin/true" in paths(tmp_path / "some" / "where")


def test_the_working_directory_itself_is_filled(tmp_path: Path) -> None:
    inode = tmp_path.stat().st_ino
    line = '"$0" -m magicpak /bin/true . && ls'
    run = subprocess.run(
        ["sh", "-c", line, sys.executable], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "bin" in run.stdout.split()
    assert tmp_path.stat().st_ino == inode
    assert not [name for name in listing(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize("output", ["out/", "./out", "sub/../out", "out/."])
def test_a_path_may_be_written_in_many_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    simple(output)
    assert "/bin/true" in paths(tmp_path / "out")


@pytest.mark.parametrize("path", ["file", "file/below", "file/far/below", "to-file", ""])
def test_a_file_is_an_invalid_destination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("kept")
    (tmp_path / "to-file").symlink_to("file")
    with pytest.raises(DestinationInvalid) as raised:
        simple(path)
    assert str(raised.value).startswith(f"The destination is invalid: {path or chr(39) * 2}")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_directory_with_entries_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(DestinationNotEmpty) as raised:
        simple(tmp_path)
    assert str(raised.value).startswith(f"The destination is not empty: {tmp_path}")
    assert listing(tmp_path) == ["kept"]


def test_a_circular_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(MagicpakError):
        simple(tmp_path / "loop")
    assert listing(tmp_path) == ["loop"]


def test_no_parents_are_left_where_the_job_fails(tmp_path: Path) -> None:
    with pytest.raises(MagicpakError):
        pack(Options(("/bin/true",), str(tmp_path / "a" / "b"), compress=True, upx="/no/upx"))
    assert listing(tmp_path) == []


def test_what_a_living_run_has_in_output_is_not_touched(tmp_path: Path) -> None:
    with private(str(tmp_path), ".magicpak-") as stage:
        (Path(stage) / "bundle").mkdir()
        with pytest.raises(DestinationNotEmpty):
            simple(tmp_path)
        assert (Path(stage) / "bundle").is_dir()


def test_what_only_looks_like_a_stage_is_not_touched(tmp_path: Path) -> None:
    for content in ("notes", "bundle"):
        mine = tmp_path / f".magicpak-{content}"
        (mine / content).mkdir(parents=True)
        mine.chmod(0o700)
        with pytest.raises(DestinationNotEmpty):
            simple(tmp_path)
        assert listing(mine) == [content]

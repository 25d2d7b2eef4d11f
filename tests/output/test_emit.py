"""A bundle is written whole or not at all, whoever else writes meanwhile."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from magicpak.errors import IoError
from magicpak.output import destination, emit
from magicpak.output.destination import DestinationNotEmpty
from magicpak.plan import Bundle, BundlePath, Directory, File, Link, Meta, Origin, Placed, Why
from support.command import facts, listing


def small_plan() -> Bundle:
    meta = Meta(0o555, os.geteuid(), os.getegid())
    content = {"content": b"as planned", "size": 10}
    entries = {
        "/d": Directory(meta),
        "/d/one": File("", (0, 0), meta=meta, **content),  # type: ignore[arg-type]
        "/d/two": File("", (0, 0), meta=meta, **content),  # type: ignore[arg-type]
        "/l": Link("d/one", meta),
    }
    origin = Origin(Why.INPUT)
    return Bundle().add(Placed(BundlePath(p), entry, origin) for p, entry in entries.items())


def no_progress(_count: int) -> None:
    """Show nothing."""


def test_what_a_test_has_altered_is_written_once_more(tmp_path: Path) -> None:
    target = destination.destination(str(tmp_path / "out"))
    with emit.staged(small_plan(), target, no_progress) as stage:
        Path(stage.tree, "d/one").chmod(0o700)
        Path(stage.tree, "d/one").write_text("altered")
        stage.rewrite(("/d/one", "/d/two"))
        stage.commit()
    tree = facts(tmp_path / "out")
    assert tree["d/one"] == tree["d/two"]
    assert tree["d/one"][3] == (b"as planned", 2)
    assert tree["d"][0] == "dr-xr-xr-x"
    (tmp_path / "out" / "d").chmod(0o700)


def test_an_output_that_was_filled_meanwhile_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for made in (False, True):
        target = destination.destination(str(out))
        with emit.staged(small_plan(), target, no_progress) as stage:
            out.mkdir(exist_ok=made)
            (out / "theirs").touch()
            with pytest.raises(DestinationNotEmpty):
                stage.commit()
        assert listing(out) == ["theirs"]
        assert listing(tmp_path) == ["out"]
        (out / "theirs").unlink()


def test_a_fill_that_fails_half_way_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rename = os.rename

    def refuse_the_second(source: str, place: str) -> None:
        if place == str(tmp_path / "l"):
            raise OSError(errno.EIO, "Input/output error", place)
        rename(source, place)

    target = destination.destination(".")
    with emit.staged(small_plan(), target, no_progress) as stage:
        monkeypatch.setattr(os, "rename", refuse_the_second)
        with pytest.raises(IoError, match="Input/output error"):
            stage.commit()
    assert listing(tmp_path) == []


@pytest.mark.parametrize("existing", [False, True])
def test_eight_runs_side_by_side_do_not_disturb_each_other(
    tmp_path: Path, existing: bool
) -> None:
    if existing:
        (tmp_path / "outs").mkdir()
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "magicpak", "/bin/true", tmp_path / "outs" / str(number)],
            stderr=subprocess.PIPE,
        )
        for number in range(8)
    ]
    for run in runs:
        _, stderr = run.communicate(timeout=60)
        assert (run.returncode, stderr) == (0, b"")
    trees = [facts(tmp_path / "outs" / str(number)) for number in range(8)]
    assert all(tree == trees[0] for tree in trees)
    assert len(listing(tmp_path / "outs")) == 8

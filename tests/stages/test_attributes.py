"""Times are those of the files, or the latest that SOURCE_DATE_EPOCH permits."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from support.command import done, facts, magicpak
from support.packing import simple


def test_two_runs_write_the_same_tree(tmp_path: Path) -> None:
    (tmp_path / "conf" / "sub").mkdir(parents=True)
    (tmp_path / "conf" / "f").write_text("x")
    (tmp_path / "conf" / "l").symlink_to("f")
    trees = []
    for name in ("one", "two"):
        out = tmp_path / name
        simple(out, include=(str(tmp_path / "conf"),), mkdir=("/tmp", "/new"))
        trees.append(facts(out))
        time.sleep(0.02)
    assert trees[0] == trees[1]


def test_source_date_epoch_clamps_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, at in (("old", 100), ("new", 10_000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5000")
    out = tmp_path / "out"
    simple(out, include=(str(tmp_path / "old"), str(tmp_path / "new")), mkdir=("/made",))
    root = out / str(tmp_path).lstrip("/")
    assert (root / "old").stat().st_mtime == 100
    assert (root / "new").stat().st_mtime == 5000
    assert max(path.lstat().st_mtime for path in (out, *out.rglob("*"))) == 5000


@pytest.mark.parametrize("text", ["abc", "-1", "1e9", "\N{ARABIC-INDIC DIGIT THREE}"])
def test_a_source_date_epoch_that_is_no_time_is_told(tmp_path: Path, text: str) -> None:
    lines = done(magicpak("/bin/true", tmp_path / "out", SOURCE_DATE_EPOCH=text))
    assert lines == [
        f"warning: SOURCE_DATE_EPOCH={text} is ignored: it is not a number of seconds"
    ]

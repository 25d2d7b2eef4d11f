"""Which of the files that a run touched were executed."""

from __future__ import annotations

import os
from pathlib import Path

from magicpak.trace import Touched
from support.programs import script
from support.traces import Touch, needs_strace


def executed(touched: tuple[Touched, ...]) -> set[str]:
    """Return the names of the programs, with their links resolved."""
    return {os.path.basename(os.path.realpath(one.path)) for one in touched if one.executed}


@needs_strace
def test_what_is_executed_is_told_from_what_is_read(touch: Touch) -> None:
    found = touch("/bin/sh", "-c", "cat /bin/true >/dev/null; ls / >/dev/null; :")
    assert executed(found) == {"cat", "ls"}
    assert "/bin/true" in {one.path for one in found}


@needs_strace
def test_the_interpreter_of_a_script_is_executed(touch: Touch, tmp_path: Path) -> None:
    inner = script(tmp_path / "inner", "exit 0")
    outer = script(tmp_path / "outer", f"{inner}; exit 0")
    shell = os.path.basename(os.path.realpath("/bin/sh"))
    assert executed(touch(outer)) == {shell, "inner"}


@needs_strace
def test_a_link_that_was_executed_counts(touch: Touch, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/bin/true")
    found = touch("/bin/sh", "-c", f"{tmp_path}/link; :")
    assert [one.path for one in found if one.executed] == [f"{tmp_path}/link"]

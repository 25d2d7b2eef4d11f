"""An OUTPUT that is filled entry by entry is whole or as it was, also after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import done, failed, listing, magicpak
from support.machine import mounted

KILLED = """
import os, signal
from magicpak import cli
rename, left = os.rename, [int(os.environ["MOVES"])]
def counted(source, place):
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    rename(source, place)
os.rename = counted
cli.main()
"""
"""The command that is killed when it has moved so many entries."""


def killed(out: Path, moves: int) -> None:
    """Run the command in OUTPUT, and kill it."""
    run = subprocess.run(
        [sys.executable, "-c", KILLED, "/bin/true", "."], cwd=out, env={"MOVES": str(moves)},
        capture_output=True, check=False,
    )  # fmt: skip
    assert run.returncode == -signal.SIGKILL, run.stderr


@pytest.fixture(params=["cwd", pytest.param("mount", marks=pytest.mark.needs("root"))])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """An OUTPUT that cannot be replaced."""
    path = tmp_path / "out"
    path.mkdir()
    if request.param == "mount":
        with mounted(path, "-t", "tmpfs", "tmpfs"):
            yield path
    else:
        yield path


@pytest.mark.parametrize("moves", [0, 1])
def test_the_next_run_undoes_what_a_killed_one_moved(out: Path, moves: int) -> None:
    done(magicpak("/bin/true", "whole", cwd=out.parent))
    whole = listing(out.parent / "whole")
    assert len(whole) > moves
    killed(out, moves)
    assert len([name for name in listing(out) if not name.startswith(".")]) == moves
    done(magicpak("/bin/true", ".", cwd=out))
    assert listing(out) == whole
    assert [name for name in listing(out.parent) if name.startswith(".")] == []


def test_a_run_that_was_killed_after_its_last_move_is_complete(out: Path) -> None:
    done(magicpak("/bin/true", "whole", cwd=out.parent))
    whole = listing(out.parent / "whole")
    run = subprocess.run(
        [sys.executable, "-c", KILLED.replace("cli.main()", LATE), "/bin/true", "."], cwd=out,
        env={"MOVES": "-1"}, capture_output=True, check=False,
    )  # fmt: skip
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert "not empty" in failed(magicpak("/bin/true", ".", cwd=out))
    assert listing(out) == whole


LATE = """
from magicpak.system import workdir
workdir.discard = lambda path: "bundle" in os.listdir(path) and os.kill(os.getpid(), signal.SIGKILL)
cli.main()
"""


def test_what_the_user_put_beside_the_rest_of_a_killed_run_stays(out: Path) -> None:
    killed(out, 1)
    (out / "mine").touch()
    assert "not empty" in failed(magicpak("/bin/true", ".", cwd=out))
    assert listing(out) == ["mine"]

"""Run the command as a user does, and look at what it wrote."""

from __future__ import annotations

import os
import pty
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

Printed = subprocess.CompletedProcess[str]

COMMAND = shlex.split(os.environ.get("MAGICPAK_COMMAND", "")) or [sys.executable, "-m", "magicpak"]
"""The command that is tested: the one of this Python, or the one that the environment names."""

SLOW_DISK = """
import os, time
from magicpak import cli
from magicpak.output import copying
copy_file_range = os.copy_file_range
def slowly(*args):
    time.sleep(0.02)
    return copy_file_range(*args)
os.copy_file_range, copying.CHUNK = slowly, 1 << 20
cli.main()
"""
"""The command where copying takes 0.02 s per megabyte."""


def magicpak(
    *args: str | bytes | Path, cwd: Path | None = None, **settings: str
) -> Printed:
    """Run the command in ``cwd``, with environment variables set, to its end."""
    env = {name: value for name, value in os.environ.items() if name != "CC"}
    return subprocess.run(
        [*COMMAND, *args],
        cwd=cwd,
        env=env | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=120,
        check=False,
    )


def on_terminal(directory: Path, *command: str | Path) -> tuple[int, str]:
    """Run a program with a terminal for stderr; return its status and what is shown there."""
    master, slave = pty.openpty()
    child = subprocess.Popen(command, cwd=directory, stderr=slave, stdout=subprocess.DEVNULL)
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # EIO: nobody has the other end open any more
            break
        if not part:
            break
        shown += part
    os.close(master)
    return child.wait(60), shown.decode(errors="replace")


def failed(run: Printed, status: int = 1) -> str:
    """Return the one line of a failure, after ``error: ``."""
    assert run.returncode == status, run.stderr
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    lines = run.stderr.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, run.stderr
    if status == 1:
        assert errors[0] == lines[-1]
    return errors[0].removeprefix("error: ")


def refusal(tmp_path: Path, *args: str | Path, **settings: str) -> str:
    """Return why a run fails, after which there is no OUTPUT and nothing temporary."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    before = listing(tmp_path)
    message = failed(magicpak(*args, "out", cwd=tmp_path, TMPDIR=str(scratch), **settings))
    assert listing(tmp_path) == before
    assert listing(scratch) == []
    return message


def done(run: Printed) -> list[str]:
    """Return the lines on stderr of a run that succeeded."""
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    return run.stderr.splitlines()


def contents(tmp_path: Path, *args: str | Path, cwd: Path | None = None) -> set[str]:
    """Bundle into a directory, which has to succeed in silence; return the paths of the bundle."""
    assert done(magicpak(*args, tmp_path / "out", cwd=cwd or tmp_path)) == []
    return paths(tmp_path / "out")


def paths(tree: Path) -> set[str]:
    """List the files and links below a directory, as paths of the bundle."""
    return {
        f"/{path.relative_to(tree)}"
        for path in tree.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


def facts(tree: Path) -> dict[str, tuple[object, ...]]:
    """Describe all below a directory, itself included: type, mode, owner, time, content, links."""
    described: dict[str, tuple[object, ...]] = {}
    for path in (tree, *sorted(tree.rglob("*"))):
        status = path.lstat()
        content: object = None
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = (path.read_bytes(), status.st_nlink)
        owner = (status.st_uid, status.st_gid)
        mode, time = stat.filemode(status.st_mode), status.st_mtime_ns
        described[str(path.relative_to(tree))] = (mode, owner, time, content)
    return described


def listing(directory: Path) -> list[str]:
    """List a directory, hidden entries too."""
    return sorted(os.listdir(directory))


class Cost(NamedTuple):
    """What a run of the command took: seconds of CPU, and MB of memory at its height."""

    seconds: float
    memory: int
    status: int
    lines: tuple[str, ...]
    """What it said."""


def cost(*arguments: str | Path, cwd: Path) -> Cost:
    """Run the command, and measure it with all that it starts.

    A process inherits the memory of its parent as its own height: a small one stands between.
    """
    command = [sys.executable, "-c", _MEASURED, *COMMAND, *arguments]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=60, check=True
    )
    seconds, memory, status = done.stdout.rsplit("\n", 1)[-1].split()
    lines = tuple(done.stderr.splitlines())
    return Cost(float(seconds), int(memory) >> 10, int(status), lines)


_MEASURED = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, status, end="")
"""


def assert_bounded(cost: Cost) -> None:
    """Check that a run neither hung nor flooded, and told any error in one line."""
    assert cost.seconds < 2
    assert cost.memory < 100
    assert cost.status == 0 or (cost.status == 1 and cost.lines[-1].startswith("error: "))
    assert not any(line.startswith("Traceback") for line in cost.lines)

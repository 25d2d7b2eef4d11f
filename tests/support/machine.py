"""Look at the machine that the tests run on, and use it: its processes, ports and mounts."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path


def running(marker: str) -> list[str]:
    """Return the processes that have a text on their command line, zombies aside."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            try:
                line = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in line:
                found.append(name)
    return found


def named(name: str) -> list[int]:
    """Return the running processes of a name."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (path / "comm").read_text().strip() == name:
                found.append(int(path.name))
    return found


def free_port() -> int:
    """Find a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def mounted(place: Path, *how: str) -> Iterator[None]:
    """Mount something for the time of a test."""
    place.mkdir(exist_ok=True)
    with mounting():
        subprocess.run(["mount", *how, place], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", place], check=True)


def mounting() -> AbstractContextManager[None]:
    """Hold up the tests of this machine for which nothing may be mounted meanwhile."""
    return _locked(fcntl.LOCK_SH)


def nothing_mounting() -> AbstractContextManager[None]:
    """Wait for the tests of this machine that mount something, and hold up further ones."""
    return _locked(fcntl.LOCK_EX)


@contextlib.contextmanager
def _locked(how: int) -> Iterator[None]:
    shared = os.open(tempfile.gettempdir(), os.O_RDONLY)
    try:
        fcntl.flock(shared, how)
        yield
    finally:
        os.close(shared)


KILLED = """
import os, sys
from magicpak.system.workdir import private
with private(*sys.argv[1:3]) as path:
    os.makedirs(os.path.join(path, sys.argv[3]))
    print(path, flush=True)
    os._exit(9)
"""


def left_behind(parent: Path, prefix: str, content: str) -> Path:
    """Leave a private directory behind, as a run does that is killed; return its path."""
    run = subprocess.run(
        [sys.executable, "-c", KILLED, parent, prefix, content],
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 9
    return Path(run.stdout.strip())

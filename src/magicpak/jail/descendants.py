"""Leave no process behind: what a jail without a pid namespace started is found and killed."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from magicpak.system import kernel

ROUNDS = 500
"""How often processes are looked for: those killed may have children."""


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of orphans, as prctl(2) gives it, and at the end kill all new children.

    A daemon in the jail may have another user, session and root, but it cannot leave this tree.
    """
    before = _children()
    was = kernel.prctl(kernel.PR_GET_CHILD_SUBREAPER)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        kill(before)
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, was)


def kill(spared: frozenset[int] = frozenset()) -> None:
    """Kill the children of this process, and those that become its children by that."""
    for _ in range(ROUNDS):
        found = _children() - spared
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _children() -> frozenset[int]:
    """Return the children of this process, the ended ones too."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return frozenset()
    found = set()
    for name in filter(str.isdecimal, os.listdir("/proc")):
        # A process may end in the meantime.
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as status:
            # proc(5): the state and the parent follow the name, which may hold anything.
            if int(status.read().rpartition(b")")[2].split()[1]) == os.getpid():
                found.add(int(name))
    return frozenset(found)

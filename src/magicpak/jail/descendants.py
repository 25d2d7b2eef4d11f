"""Leave no process behind: what a jail without a pid namespace started is found and killed."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import NamedTuple

from magicpak.system import kernel

SECONDS = 10
"""How long processes are looked for: those killed may have had children."""


class Process(NamedTuple):
    """A process, the ended ones too, as proc(5) tells it."""

    pid: int
    parent: int
    group: int


class Unending(Exception):
    """New processes begin faster than they can be killed."""


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of orphans, as prctl(2) gives it, and at the end kill all new children.

    A daemon in the jail may have another user, session and root, but it cannot leave this tree.
    Raises Unending.
    """
    before = frozenset(_children())
    was = _adopt()
    try:
        yield
    finally:
        kill(before)
        if was is not None:
            kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, was)


def _adopt() -> int | None:
    """Become the parent of orphans; return what was set before, None where that cannot be had.

    qemu-user has no such call. A pid namespace needs none, and without one the jail is refused.
    """
    try:
        was = kernel.prctl(kernel.PR_GET_CHILD_SUBREAPER)
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    except OSError:
        return None
    return was


def kill(spared: frozenset[int] = frozenset()) -> None:
    """Kill the descendants of this process but those children and theirs. Raises Unending."""
    deadline = time.monotonic() + SECONDS
    while _has_children():
        found, others = _descendants(spared)
        if not found:
            return
        if time.monotonic() > deadline:
            raise Unending
        # A process that forks cannot outrun a signal to its whole group.
        for group in {each.group for each in found} - {each.group for each in others}:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        for each in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(each.pid, signal.SIGKILL)
        _reap(found)


def _reap(found: list[Process]) -> None:
    for each in found:
        if each.parent == os.getpid():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(each.pid, 0)


def _descendants(spared: frozenset[int]) -> tuple[list[Process], list[Process]]:
    """Return those to be killed, and all other processes."""
    processes = list(_processes())
    children: dict[int, list[Process]] = {}
    for each in processes:
        children.setdefault(each.parent, []).append(each)
    found: dict[int, Process] = {}
    waiting = [each for each in children.get(os.getpid(), ()) if each.pid not in spared]
    while waiting:
        each = waiting.pop()
        found[each.pid] = each
        waiting += (child for child in children.get(each.pid, ()) if child.pid not in found)
    return list(found.values()), [each for each in processes if each.pid not in found]


def _children() -> Iterator[int]:
    return (each.pid for each in _processes() if each.parent == os.getpid())


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _processes() -> Iterator[Process]:
    for name in filter(str.isdecimal, os.listdir("/proc")):
        # A process may end in the meantime.
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as status:
            # The state, the parent and the group follow the name, which may hold anything.
            fields = status.read().rpartition(b")")[2].split()
            yield Process(int(name), int(fields[1]), int(fields[2]))

"""Enter a jail: in the new process, before the program starts, with what the kernel permits.

chroot(2) alone serves root in a default ``docker build``; where mounts are permitted, the process
gets namespaces of its own (unshare(2)), without privileges by user_namespaces(7). Every mount is
made in the new process' own mount namespace, so that no other process ever sees one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from magicpak.system import kernel

log = logging.getLogger(__name__)

UNAVAILABLE = 125
"""Exit status when the jail cannot be entered."""

DESCRIPTORS = 65536

ROUNDS = 500
"""How often processes are looked for: those found may have started others."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a process needs to know about the jail that it enters, as paths of the host."""

    root: str
    proc: str
    """The jail's /proc."""
    devices: tuple[tuple[str, str], ...]
    """Devices of the host, and the empty files that stand for them in the jail."""
    executable: str
    """What /proc/self/exe is, as a path of the jail, where /proc cannot be mounted."""


def entrance(room: Room, report: int, *, chroot: bool = True) -> Callable[[], None]:
    """Make the function that puts a new process into the jail.

    Of the processes that it starts one returns; another waits for that one, and ends as it ended.
    When the jail cannot be entered, the reason is written to the descriptor ``report``. Without
    ``chroot`` the process stays in the host's root, ready for a program that calls chroot(2).
    """

    def enter() -> None:
        try:
            mounts, processes = _isolate()
            if processes:
                _start_init()
            worker = os.fork()
            if worker:
                _watch(worker)
            # A command that kills its process group must not hit the one who waits for it.
            os.setsid()
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
            _furnish(room, mounts)
            os.umask(0o022)
            if chroot:
                os.chroot(room.root)
                os.chdir("/")
        except OSError as e:
            os.write(report, f"{e.strerror}: {e.filename}".encode(errors="surrogateescape"))
            os._exit(UNAVAILABLE)

    return enter


def _isolate() -> tuple[bool, bool]:
    """Get namespaces; tell whether mounts can be made, and whether processes are numbered anew."""
    user, group = os.geteuid(), os.getegid()
    try:
        kernel.unshare(kernel.CLONE_NEWNS)
    except OSError:
        if _may_chroot():
            # For root this is nearer to a container than a user namespace, in which it could not
            # become any other user.
            return False, False
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
        # Of a process that has changed its user, /proc/self belongs to root (proc(5)).
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {user} 1")
        _write("/proc/self/gid_map", f"0 {group} 1")
    try:
        kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    except OSError:
        # A mount would be seen by others.
        return False, False
    try:
        kernel.unshare(kernel.CLONE_NEWPID)
    except OSError:
        return True, False
    return True, True


def _may_chroot() -> bool:
    try:
        os.chroot("/")
    except OSError:
        return False
    return True


def _start_init() -> None:
    """Start the first process of a pid namespace: it reaps, and its end kills all the others."""
    if os.fork():
        return
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.closerange(0, DESCRIPTORS)
    while True:
        signal.pause()


def _watch(worker: int) -> NoReturn:
    """Wait for the process in the jail, kill what it left behind, and end as it ended."""
    # The caller waits for the end of its pipes.
    os.closerange(0, DESCRIPTORS)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    status = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    _kill_descendants(frozenset())
    if status < 0:
        # The core dump, where one is wanted, is the program's.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status if status >= 0 else 128 - status)


def _furnish(room: Room, mounts: bool) -> None:
    """Give the jail its /proc, and the devices that could not be made."""
    # In a container that hides parts of /proc, only what is there already may be mounted.
    if not mounts or not (
        _mounted("proc", room.proc, kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC, "proc")
        or _mounted("/proc", room.proc, kernel.MS_BIND | kernel.MS_REC)
    ):
        # upx-packed programs open it, and the loader takes $ORIGIN from it. It is wrong for every
        # program but this one; nothing at all would be wrong for this one too.
        link = os.path.join(room.proc, "self", "exe")
        os.makedirs(os.path.dirname(link), exist_ok=True)
        if not os.path.lexists(link):
            os.symlink(room.executable, link)
    for device, place in room.devices:
        if mounts and _mounted(device, place, kernel.MS_BIND):
            continue
        # An empty file reads like /dev/null, and like no other device.
        if os.path.basename(place) != "null":
            os.unlink(place)


def _mounted(source: str, target: str, flags: int, kind: str | None = None) -> bool:
    try:
        kernel.mount(source, target, kind, flags)
    except OSError:
        return False
    return True


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of orphans, as prctl(2) gives it, and at the end kill all new children.

    A daemon in the jail may have another user, session and root, but it cannot leave this tree.
    """
    before = _descendants(frozenset())
    was = kernel.prctl(kernel.PR_GET_CHILD_SUBREAPER)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        _kill_descendants(before)
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, was)


def _kill_descendants(spared: frozenset[int]) -> None:
    for _ in range(ROUNDS):
        found = _descendants(spared)
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.002)


def _descendants(spared: frozenset[int]) -> frozenset[int]:
    """Return the processes below this one, without those below a spared one (proc(5), stat)."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):
        # A process may end in the meantime.
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as status:
            parent = int(status.read().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    found: set[int] = set()
    pending = [os.getpid()]
    while pending:
        below = set(children.get(pending.pop(), ())) - spared
        found |= below
        pending += below
    return frozenset(found)

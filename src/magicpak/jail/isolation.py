"""Part a process from all others, as far as the kernel permits.

Where mounts are permitted, it gets namespaces of its own (unshare(2)), without privileges by
user_namespaces(7); chroot(2) alone serves root in a default ``docker build``.
"""

import os
from typing import NamedTuple

from magicpak.system import kernel
from magicpak.system.user import User

NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC


class Isolation(NamedTuple):
    """How far a process is from all others."""

    mounts: bool
    """Whether it can mount, unseen by others."""
    alone: bool
    """Whether its next child is the first of a pid namespace."""
    mapped: bool
    """Whether its user namespace has just one user and one group."""


def isolate(user: User) -> Isolation:
    """Give this process namespaces, as many as are to be had; ``user`` is to run in them."""
    own = os.geteuid(), os.getegid()
    mapped = False
    try:
        kernel.unshare(NAMESPACES)
    except OSError:
        if os.geteuid() == 0 and _may_chroot():
            # For root this is nearer to a container than a user namespace, in which it could not
            # become any other user.
            return Isolation(mounts=False, alone=False, mapped=False)
        kernel.unshare(kernel.CLONE_NEWUSER | NAMESPACES)
        _map(user, *own)
        mapped = True
    try:
        kernel.mount(None, "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    except OSError:
        # A mount would be seen by others.
        return Isolation(mounts=False, alone=True, mapped=mapped)
    return Isolation(mounts=True, alone=True, mapped=mapped)


def _may_chroot() -> bool:
    try:
        os.chroot("/")
    except OSError:
        return False
    return True


def _map(user: User, uid: int, gid: int) -> None:
    """Let this process, of a user and a group outside, appear as ``user`` in its namespace."""
    # Of a process that has changed its user, /proc/self belongs to root (proc(5)).
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user.uid} {uid} 1")
    _write("/proc/self/gid_map", f"{user.gid} {gid} 1")


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def pivot(root: str) -> None:
    """Make ``root``, a mount point, the root of all processes in this mount namespace."""
    os.chdir(root)
    try:
        # pivot_root(2): the old root comes to lie upon the new one.
        kernel.pivot_root(".", ".")
    except OSError:
        # The old root is no mount point: that of a chroot, or of an initial RAM disk.
        os.chroot(".")
    else:
        kernel.umount2(".", kernel.MNT_DETACH)
    os.chdir("/")

"""Run a function as root with all that root may do, as in a default ``docker build``, as nobody."""

from __future__ import annotations

import ctypes
import encodings.ascii
import encodings.idna
import encodings.latin_1
import os
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from magicpak.system import kernel

# A forked child that has become nobody may not be allowed to load what Python loads late.
assert all((encodings.ascii, encodings.idna, encodings.latin_1))

NOBODY = 65534
CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SYS_CHROOT = 19, 21, 18


def full() -> None:
    """Keep all that root may do."""


def drop(*capabilities: int) -> None:
    """Give up capabilities for good (capset(2), version 3)."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, data) == 0
    for capability in capabilities:
        for half in (0, 1):
            data[half] &= ~(1 << capability)
    assert libc.capset(header, data) == 0


def docker_build() -> None:
    """Give up what a process of a default ``docker build`` lacks."""
    drop(CAP_SYS_ADMIN, CAP_SYS_PTRACE)


def nobody() -> None:
    """Become the user nobody, in that user's group alone."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def forked(become: Callable[[], None], call: Callable[[], Any]) -> Any:
    """Call a function in a child process, and return or raise what it returned or raised."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            become()
            result = (True, call())
        except BaseException as e:
            result = (False, e)
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(pickle.dumps(result))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        good, value = pickle.loads(pipe.read())  # noqa: S301 - from ourselves
    os.waitpid(pid, 0)
    if not good:
        raise value
    return value


def in_pid_namespace(call: Callable[[], Any]) -> Any:
    """Call a function in a process that sees, and can signal, no others but its first one."""

    def first() -> Any:
        kernel.mount("proc", "/proc", "proc")
        return forked(full, call)

    def parted() -> Any:
        kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWPID)
        kernel.mount(None, "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
        return forked(full, first)

    return forked(full, parted)


PRIVILEGES = [
    pytest.param(full, id="root"),
    pytest.param(docker_build, id="chroot_alone"),
    pytest.param(nobody, id="nobody", marks=pytest.mark.needs("userns")),
]

"""Make system calls for which Python has no function; an OSError names the failed call.

The single file has them in a C module; elsewhere, ctypes makes them.
"""

from __future__ import annotations

import os
import struct
from typing import Any, NoReturn

CLONE_NEWNS = 0x20000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20, 0x1000, 0x4000, 0x40000
MS_STRICTATIME = 0x1000000
MNT_DETACH = 2
SYS_openat2 = 437
"""The same on every architecture (syscalls(2))."""
RESOLVE_NO_MAGICLINKS, RESOLVE_IN_ROOT = 2, 16
AT_FDCWD, AT_SYMLINK_NOFOLLOW = -100, 0x100
STATX_BTIME = 0x800
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4


class _ByCtypes:
    """The functions of the C module, made with ctypes."""

    def __init__(self) -> None:
        """Load the C library of this process."""
        import ctypes  # noqa: PLC0415  the single file has no ctypes

        self._ctypes = ctypes
        self._libc = ctypes.CDLL(None, use_errno=True)
        text, number = ctypes.c_char_p, ctypes.c_ulong
        self._libc.mount.argtypes = (text, text, text, number, text)
        self._libc.prctl.argtypes = (ctypes.c_int, number, number, number, number)

    def prctl(self, option: int, argument: int) -> int:
        """Call prctl(2); return the value that a PR_GET option writes."""
        answer = self._ctypes.c_int(0)
        if option == PR_GET_CHILD_SUBREAPER:
            argument = self._ctypes.addressof(answer)
        if self._libc.prctl(option, argument, 0, 0, 0) < 0:
            self._fail("prctl")
        return int(answer.value)

    def seccomp(self, instructions: bytes) -> None:
        """Call prctl(2) for a filter."""
        steps = self._ctypes.create_string_buffer(instructions)
        # struct sock_fprog
        program = struct.pack("@HP", len(instructions) // 8, self._ctypes.addressof(steps))
        buffer = self._ctypes.create_string_buffer(program)
        pointer = self._ctypes.addressof(buffer)
        if self._libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, pointer, 0, 0) < 0:
            self._fail("prctl")

    def unshare(self, flags: int) -> None:
        """Call unshare(2)."""
        if self._libc.unshare(flags) < 0:
            self._fail("unshare")

    def mount(
        self, source: bytes | None, target: bytes, kind: bytes | None, flags: int, data: bytes
    ) -> None:
        """Call mount(2)."""
        if self._libc.mount(source, target, kind, flags, data) < 0:
            self._fail("mount")

    def pivot_root(self, new_root: bytes, put_old: bytes) -> None:
        """Call pivot_root(2), which the C library has without declaring it."""
        if self._libc.pivot_root(new_root, put_old) < 0:
            self._fail("pivot_root")

    def umount2(self, target: bytes, flags: int) -> None:
        """Call umount2(2)."""
        if self._libc.umount2(target, flags) < 0:
            self._fail("umount2")

    def openat2(self, directory: int, path: bytes, flags: int, resolve: int) -> int:
        """Call openat2(2), without a mode."""
        how = (self._ctypes.c_uint64 * 3)(flags, 0, resolve)
        size = self._ctypes.sizeof(how)
        pointer = self._ctypes.byref(how)
        fd = self._libc.syscall(SYS_openat2, directory, path, pointer, self._ctypes.c_size_t(size))
        if fd < 0:
            self._fail("openat2")
        return int(fd)

    def birth(self, path: bytes) -> int | None:
        """Call statx(2) for the time of birth, in nanoseconds; None where there is none."""
        buffer = self._ctypes.create_string_buffer(256)  # struct statx
        if self._libc.statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BTIME, buffer) < 0:
            self._fail("statx")
        mask, seconds, nanoseconds = struct.unpack_from("=I76xqI", buffer)
        return seconds * 10**9 + nanoseconds if mask & STATX_BTIME else None

    def _fail(self, call: str) -> NoReturn:
        number = self._ctypes.get_errno()
        raise OSError(number, os.strerror(number), call)


def _load() -> Any:
    try:
        import _magicpak_kernel  # noqa: PLC0415  only the single file has it
    except ImportError:
        return _ByCtypes()
    return _magicpak_kernel


# Loaded before any fork, because loading takes locks.
_calls = _load()


def prctl(option: int, argument: int = 0) -> int:
    """Set an attribute of this process, or return the one that ``option`` gets (prctl(2))."""
    return int(_calls.prctl(option, argument))


def seccomp(instructions: bytes) -> None:
    """Have a filter, of struct sock_filter, judge the system calls of this process from now on."""
    _calls.seccomp(instructions)


def unshare(flags: int) -> None:
    """Move this process into new namespaces (unshare(2))."""
    _calls.unshare(flags)


def mount(
    source: str | None, target: str, kind: str | None = None, flags: int = 0, data: str = ""
) -> None:
    """Mount or bind a file system, or change the options of a mount (mount(2))."""
    encoded = [None if name is None else os.fsencode(name) for name in (source, target, kind)]
    _calls.mount(*encoded, flags, data.encode())


def pivot_root(new_root: str, put_old: str) -> None:
    """Make ``new_root``, a mount point, the root of this mount namespace (pivot_root(2))."""
    _calls.pivot_root(os.fsencode(new_root), os.fsencode(put_old))


def umount2(target: str, flags: int) -> None:
    """Unmount what is mounted at ``target`` (umount2(2))."""
    _calls.umount2(os.fsencode(target), flags)


def openat2(directory: int, path: str, flags: int) -> int:
    """Open a path with an open directory as the root, and return the descriptor (openat2(2))."""
    resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
    return int(_calls.openat2(directory, os.fsencode(path), flags, resolve))


def birth(path: str) -> int | None:
    """Return when a file or a link was made, in ns since the epoch; None where nothing tells."""
    try:
        born = _calls.birth(os.fsencode(path))
    except (OSError, AttributeError):  # a libc or a kernel without statx(2)
        return None
    return None if born is None else int(born)

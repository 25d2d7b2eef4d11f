"""Spare the processes outside a jail without a pid namespace: refuse to kill all there are.

kill(2) with -1 signals every process but the first, this program among them, if root calls it.
"""

from __future__ import annotations

import errno
import struct
import sys
from collections.abc import Iterator

from magicpak.system import kernel

KILL = {
    0xC000003E: (62, 62 | 0x4000_0000),  # x86_64, and its x32
    0x40000003: (37,),  # i386
    0xC00000B7: (129,),  # aarch64
    0x40000028: (37,),  # arm
    0xC00000F3: (129,),  # riscv64
    0xC0000102: (129,),  # loongarch64
    0xC0000015: (37,),  # ppc64le
    0x80000016: (37,),  # s390x
}
"""The numbers of kill(2) on each architecture (linux/audit.h, syscalls(2))."""

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
"""Instructions (linux/bpf_common.h): of 32 bits at an offset, with a constant, of a constant."""

NUMBER, ARCHITECTURE = 0, 4
FIRST_ARGUMENT = 16 if sys.byteorder == "little" else 20
"""Offsets in struct seccomp_data."""

ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
"""What becomes of a call (seccomp(2))."""

ALL = 0xFFFFFFFF
"""A process number of -1."""


def spare() -> bool:
    """Refuse to this process, and to all that come from it, to signal all processes at once.

    The kernel wants no_new_privs for that. Return False where it has no filters.
    """
    try:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.seccomp(b"".join(_rules()) + _step(RETURN, ALLOW))
    except OSError:
        return False
    return True


def _rules() -> Iterator[bytes]:
    for architecture, numbers in KILL.items():
        for number in numbers:
            yield _rule(architecture, number)


def _rule(architecture: int, number: int) -> bytes:
    """Refuse one call; go on behind this with what is another."""
    return b"".join((
        _step(LOAD, ARCHITECTURE),
        _step(EQUAL, architecture, otherwise=5),
        _step(LOAD, NUMBER),
        _step(EQUAL, number, otherwise=3),
        _step(LOAD, FIRST_ARGUMENT),
        _step(EQUAL, ALL, otherwise=1),
        _step(RETURN, REFUSE),
    ))  # fmt: skip


def _step(code: int, value: int, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, 0, otherwise, value)

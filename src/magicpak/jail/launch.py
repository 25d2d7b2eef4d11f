"""Run a program in a jail to its end."""

import contextlib
import errno
import logging
import os
import signal
from collections.abc import Callable
from typing import NamedTuple

from magicpak.jail import enter
from magicpak.jail.descendants import Unending, adopting
from magicpak.jail.errors import JailUnavailable, ProcessesLeft
from magicpak.jail.outcome import listen
from magicpak.system import process
from magicpak.system.process import Completed

log = logging.getLogger(__name__)

NOT_FOUND, NOT_STARTED = 127, 126
"""Exit statuses of a shell, and of ``docker run``, for a program that cannot be started."""

KEPT = 64 * 1024
"""Bytes of the beginning and of the end of each output that are kept for messages."""


class Jail(NamedTuple):
    """A jail that is ready, and how programs are run in it."""

    room: enter.Room
    stdin: bytes
    timeout: float
    """Seconds."""
    strace: str
    told: set[str]
    """What has been said of it."""


def run(
    jail: Jail,
    start: enter.Start,
    tracer: enter.Tracer | None = None,
    watch: Callable[[bytes], object] = bytes,
) -> Completed:
    """Start a program in the jail, and wait for its end; both ends of its outputs are kept.

    ``watch`` is called with each piece of its stdout, the last one empty.

    Raises TimedOut, JailUnavailable, ProcessesLeft.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    try:
        with adopting():
            done = process.run(
                start.argv,
                stdin=jail.stdin,
                timeout=jail.timeout,
                preexec=enter.entrance(jail.room, start, writer, tracer),
                kept=KEPT,
                watch=watch,
            )
        outcome = listen(reader)
    except Unending as e:
        raise ProcessesLeft from e
    finally:
        os.close(writer)
        os.close(reader)
    if outcome.refused is not None:
        raise JailUnavailable(_forbidden(outcome.refused))
    for lacking in outcome.lacking:
        if lacking not in jail.told:
            log.info("the test differs from a container: %s", lacking)
            jail.told.add(lacking)
    if outcome.unstarted is not None:
        status = NOT_FOUND if outcome.unstarted == errno.ENOENT else NOT_STARTED
        reason = f"exec {start.program}: {os.strerror(outcome.unstarted)}"
        return Completed(status, b"", reason.encode(errors="surrogateescape"))
    # Nobody tells of the end of the one who would tell.
    status = outcome.status if outcome.status is not None else -signal.SIGKILL
    return done._replace(status=status)


def _forbidden(refused: str) -> str:
    """Say what is missing for a jail, from what the kernel answered and how it is set."""
    settings = {
        "/proc/sys/user/max_user_namespaces": "0",
        "/proc/sys/kernel/unprivileged_userns_clone": "0",
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
    }
    reasons = [
        f"chroot(2) needs root (CAP_SYS_CHROOT), and user namespaces are refused ({refused})",
    ]
    for path, forbidding in settings.items():
        with contextlib.suppress(OSError), open(path, encoding="ascii") as setting:
            if setting.read().strip() == forbidding:
                reasons.append(f"{path} is {forbidding}")
    return ", ".join(reasons)

"""Run a command in a bundle, and judge how it ends and what it prints."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from magicpak import elf
from magicpak.errors import MagicpakError
from magicpak.jail import enter, furnish, missing, plant
from magicpak.jail.errors import (
    BusyboxNotStatic,
    CheckFailed,
    CheckTimedOut,
    JailUnavailable,
    OutputDiffers,
)
from magicpak.system import process, tools
from magicpak.system.process import Completed, TimedOut

log = logging.getLogger(__name__)

ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}
"""What a container gets, but for HOME, which depends on the bundle's /etc/passwd."""

SHELL = "/bin/sh"

BUILTINS = frozenset({"[", "[[", "echo", "false", "kill", "printf", "pwd", "test", "time", "true"})
"""Programs that a shell has built in, so that it never looks for a file of that name."""

NOT_STARTED = (126, 127)
"""Exit statuses by which a shell says that it could not start a program."""


def _is_static(path: str) -> bool:
    return elf.read(path).interpreter is None


@dataclass(frozen=True, slots=True)
class _Jail:
    """A jail that is ready, and how programs are run in it."""

    room: enter.Room
    executables: tuple[str, ...]
    env: Mapping[str, str]
    stdin: bytes
    timeout: float
    strace: str
    busybox: str


def check(
    tree: str,
    executables: Sequence[str],
    *,
    command: str | None = None,
    stdin: str | None = None,
    stdout: str | None = None,
    busybox: str = "busybox",
    timeout: float = 60,
    env: Mapping[str, str] = ENVIRONMENT,
    strace: str = "strace",
    is_static: Callable[[str], bool] = _is_static,
) -> tuple[str, ...]:
    """Run ``command``, or each of the executables, with the bundle in ``tree`` as the root.

    ``executables`` are paths of the bundle; ``command`` is run once, by ``/bin/sh -c``. ``stdout``
    is what it should print, but for white space at both ends; ``timeout`` is in seconds. HOME is
    root's in the bundle's /etc/passwd unless ``env`` has one.

    Return the paths of the bundle whose files in ``tree`` the test has altered, sorted.

    Raises CheckFailed, CheckTimedOut, OutputDiffers; JailUnavailable, BusyboxNotStatic,
    ToolNotFound.
    """
    program = tools.find(busybox, "busybox", "--busybox")
    if not is_static(program):
        raise BusyboxNotStatic(program)
    tree = os.path.abspath(tree)
    with plant.private(tree) as scratch:
        root = os.path.join(scratch, "root")
        shared = plant.plant(tree, root)
        room = furnish.furnish(root, executables[0] if executables else SHELL)
        full = furnish.environment(root, env, executables)
        search = full["PATH"].split(":")
        names = furnish.bundled_names(root, search, executables)
        shadowed = furnish.add_busybox(root, program, names)
        planted = plant.finish(tree, root, shared)
        given = os.fsencode(stdin or "")
        jail = _Jail(room, tuple(executables), full, given, timeout, strace, program)
        for shown, line in _lines(command, executables, search, shadowed):
            _judge(jail, shown, line, stdout)
        return planted.altered()


def _lines(
    command: str | None, executables: Sequence[str], search: Sequence[str], shadowed: frozenset[str]
) -> list[tuple[str, str]]:
    """Return what to run: each as the user knows it, and as the shell gets it."""
    if command is None:
        # By exec, so that the status is the program's own, a signal included.
        return [(path, f"exec {shlex.quote(path)}") for path in executables]
    aliases = []
    for path in executables:
        directory, name = os.path.split(path)
        # PATH does not help where the shell has a builtin or an applet of that name.
        if name in BUILTINS or name in shadowed - furnish.SHELLS or directory not in search:
            aliases.append(f"alias {shlex.quote(f'{name}={shlex.quote(path)}')}\n")
    return [(command, "".join(aliases) + command)]


def _judge(jail: _Jail, shown: str, line: str, expected: str | None) -> None:
    log.info("test: %s", shown)
    try:
        done = _run(jail, line)
    except TimedOut as e:
        raise CheckTimedOut(shown, jail.timeout) from e
    log.debug("test ended: %s; stdout: %r; stderr: %r", done, done.stdout, done.stderr)
    if done.status != 0:
        reasons, absent = _explain(jail, line, done)
        raise CheckFailed(shown, done.status, done.stdout, done.stderr, reasons, absent)
    got = os.fsdecode(done.stdout).strip()
    if expected is not None and got != expected.strip():
        raise OutputDiffers(expected.strip(), got)


def _run(jail: _Jail, line: str, tracer: Sequence[str] = ()) -> Completed:
    """Run a shell's command line in the jail, by a ``tracer`` that calls chroot(2) where given.

    Raises TimedOut, JailUnavailable.
    """
    reader, writer = os.pipe()
    try:
        os.set_blocking(reader, False)
        with enter.adopting():
            done = process.run(
                [*tracer, SHELL, "-c", line],
                stdin=jail.stdin,
                env=jail.env,
                timeout=jail.timeout,
                preexec=enter.entrance(jail.room, writer, chroot=not tracer),
            )
    except OSError as e:
        if e.filename != SHELL:
            raise
        # The bundle's own shell, that is: busybox can be started.
        status = 127 if e.errno == errno.ENOENT else 126
        return Completed(status, b"", f"{SHELL}: {e.strerror}".encode())
    finally:
        os.close(writer)
        with contextlib.suppress(BlockingIOError):
            report = os.read(reader, 4096)
        os.close(reader)
    if report:
        raise JailUnavailable(_forbidden(os.fsdecode(report)))
    return done


def _forbidden(report: str) -> str:
    """Say what is missing for a jail, from what the kernel answered and how it is set."""
    settings = {
        "/proc/sys/user/max_user_namespaces": "0",
        "/proc/sys/kernel/unprivileged_userns_clone": "0",
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
    }
    reasons = [f"chroot(2) needs root (CAP_SYS_CHROOT), and user namespaces are refused ({report})"]
    for path, forbidding in settings.items():
        with contextlib.suppress(OSError), open(path, encoding="ascii") as setting:
            if setting.read().strip() == forbidding:
                reasons.append(f"{path} is {forbidding}")
    return ", ".join(reasons)


def _explain(jail: _Jail, line: str, done: Completed) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find the reasons of a failure, and the files that it lacks; nothing where that fails."""
    root = jail.room.root
    seen = _trace(jail, line)
    suspects = missing.suspects(seen, root)
    programs = [SHELL, *jail.executables] if done.status in NOT_STARTED else []
    # execve(2) of a file that is there fails for lack of its interpreter.
    programs += [
        lookup.path
        for lookup in seen
        if lookup.executed and not lookup.found and os.path.exists(plant.inside(root, lookup.path))
    ]
    return missing.unstartable(programs, root), suspects


def _trace(jail: _Jail, line: str) -> list[missing.Lookup]:
    log_file = os.path.join(os.path.dirname(jail.room.root), "strace")
    try:
        tracer = [tools.find(jail.strace, "strace", "--strace"), "-f", "-qq", "-o", log_file]
        tracer += ["-e", "trace=file", "-e", "signal=none"]
        _run(jail, line, [*tracer, jail.busybox, "chroot", jail.room.root])
        with open(log_file, "rb") as trace:
            return list(missing.lookups(trace.read()))
    except (MagicpakError, OSError) as e:
        log.debug("the failed test is not traced: %s", e)
        return []

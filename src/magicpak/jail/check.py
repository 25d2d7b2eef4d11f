"""Run a command in a bundle, and judge how it ends and what it prints."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence

from magicpak import elf
from magicpak.jail import furnish, plant
from magicpak.jail.comparison import Comparison
from magicpak.jail.container import ENVIRONMENT
from magicpak.jail.enter import Room, Start
from magicpak.jail.errors import BusyboxNotStatic, CheckFailed, CheckTimedOut, OutputDiffers
from magicpak.jail.launch import NOT_FOUND, NOT_STARTED, Jail, run
from magicpak.system import tools
from magicpak.system.process import TimedOut
from magicpak.system.user import User

log = logging.getLogger(__name__)

BUSYBOX = "busybox"


def _is_static(path: str) -> bool:
    return elf.read(path).interpreter is None


def check(
    tree: str,
    executables: Sequence[str],
    *,
    command: str | None = None,
    stdin: str | None = None,
    stdout: str | None = None,
    busybox: str = BUSYBOX,
    timeout: float = 60,
    env: Mapping[str, str] = ENVIRONMENT,
    strace: str = "strace",
    user: User | None = None,
    is_static: Callable[[str], bool] = _is_static,
) -> tuple[str, ...]:
    """Run ``command``, or each of the executables, with the bundle in ``tree`` as the root.

    ``executables`` are paths of the bundle, started without a shell; ``command`` is run once, by
    the shell of ``busybox``. ``stdout`` is what it should print, but for white space at both ends;
    ``timeout`` is in seconds. ``user`` is root, as the bundle's /etc/passwd has it, where none is
    given; HOME is the user's unless ``env`` has one.

    Return the paths of the bundle whose files in ``tree`` the test has altered, sorted.

    Raises CheckFailed, CheckTimedOut, OutputDiffers; JailUnavailable, BusyboxNotStatic,
    ToolNotFound.
    """
    program = None
    # One that is named is there, whether the test needs it or not.
    if command is not None or busybox != BUSYBOX:
        program = tools.find(busybox, "busybox", "--busybox")
        if not is_static(program):
            raise BusyboxNotStatic(program)
    tree = os.path.abspath(tree)
    with plant.private(tree) as scratch, contextlib.ExitStack() as stack:
        root = os.path.join(scratch, "root")
        shared = plant.plant(tree, root)
        furnish.prepare(root)
        planted = plant.finish(tree, root, shared)
        user = user or furnish.root_user(root)
        room = Room(root, user, {**env, "HOME": env.get("HOME", user.home)})
        jail = Jail(room, os.fsencode(stdin or ""), timeout, strace, set())
        if command is None or program is None:
            for path in executables:
                start = Start(path, (path,), path, stdin is not None)
                _judge(jail, path, start, (path,), stdout)
        else:
            from magicpak.jail import shell  # noqa: PLC0415  only a command pays for it

            search = [path for path in env.get("PATH", "").split(":") if path]
            opened = shell.opened(program, root, search, executables, scratch)
            ash = stack.enter_context(opened)
            executable = executables[0] if executables else shell.NAME
            start = Start(ash.program, ash.argv(command), executable, stdin is not None)
            _judge(jail, command, start, executables, stdout)
        return planted.altered()


def _judge(
    jail: Jail, shown: str, start: Start, executables: Sequence[str], expected: str | None
) -> None:
    log.debug("test: %s", shown)
    comparison = Comparison(expected) if expected is not None else None
    try:
        done = run(jail, start, watch=comparison.add if comparison else bytes)
    except TimedOut as e:
        raise CheckTimedOut(shown, jail.timeout) from e
    log.debug("test ended: %s; stdout: %r; stderr: %r", done, done.stdout, done.stderr)
    if done.status == 0 and (comparison is None or comparison.equal):
        return
    from magicpak.jail.diagnosis import diagnose  # noqa: PLC0415  only a failure pays for it

    refused = executables if done.status in (NOT_FOUND, NOT_STARTED) else ()
    found = diagnose(jail, start, refused, done.stderr)
    if done.status == 0 and comparison is not None:
        raise OutputDiffers(comparison.expected, comparison.got, *found)
    raise CheckFailed(shown, done.status, done.stdout, done.stderr, *found)

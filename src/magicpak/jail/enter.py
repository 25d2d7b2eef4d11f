"""Enter a jail, start a program in it, and tell how that ends."""

import contextlib
import errno
import os
import signal
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, NoReturn

from magicpak.jail import bystanders, descendants, furnish, streams
from magicpak.jail.container import CAPABILITIES, LEADING_OUT, UMASK
from magicpak.jail.isolation import Isolation, isolate, pivot
from magicpak.jail.outcome import ENDED, LACKING, REFUSED, UNSTARTED, tell
from magicpak.jail.streams import Relay
from magicpak.system import kernel
from magicpak.system.user import User

UNAVAILABLE = 125
"""Exit status when the jail cannot be entered."""

TRACING = User(0, 0, (0,), "/", "root")

UNSPARED = "no seccomp filters: a test that kills all processes kills this program too"

PATIENCE = 10
"""Seconds in which a tracer has to attach."""


class Room(NamedTuple):
    """A jail, and how processes are in it."""

    root: str
    """A path of the host."""
    user: User
    env: Mapping[str, str]


class Tracer(NamedTuple):
    """A command that attaches to the process whose number is added to it."""

    argv: tuple[str, ...]
    log: str
    """Where it writes what the process does."""


class Start(NamedTuple):
    """What is started in a jail."""

    program: str | int
    """A path of the jail, or a descriptor of a busybox, of which the jail has no file."""
    argv: tuple[str, ...]
    executable: str
    """What /proc/self/exe is, as a path of the jail, where /proc cannot be mounted."""
    stdin: bool
    """Whether it has one; else it reads /dev/null."""


def entrance(
    room: Room, start: Start, report: int, tracer: Tracer | None = None
) -> Callable[[], NoReturn]:
    """Make the function by which a new process enters the jail and starts the program.

    The process itself waits until all has ended. What there is to tell goes into the pipe
    ``report``.
    """

    def enter() -> NoReturn:
        try:
            descriptors = _forget_the_caller()
            # A tracer has to be as mighty as what it traces: root, where there is one user.
            isolation = isolate(TRACING if tracer else room.user)
            if isolation.alone and (init := os.fork()):
                _wait_for(init, descriptors)
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
            if not isolation.alone:  # the first of a pid namespace gets its orphans anyway
                kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
            ready = _furnish(room.root, start, isolation, report)
            relay = None
            if not isolation.alone:
                relay = streams.relay(room.root, descriptors, stdin=start.stdin)
            # The tracer is no program of the jail.
            if inside := isolation.mounts and not tracer:
                pivot(room.root)
            if worker := os.fork():
                _keep(worker, report, descriptors, relay)
            if tracer:
                _attach(tracer)
            if not inside:
                os.chroot(room.root)
                os.chdir("/")
            capabilities = CAPABILITIES if inside else CAPABILITIES - LEADING_OUT
            if not isolation.alone and room.user.uid == 0 and not bystanders.spare():
                tell(report, LACKING, UNSPARED)
            _start(ready, room, isolation, capabilities, report)
        except OSError as e:
            place = f": {e.filename}" if e.filename else ""
            tell(report, REFUSED, f"{e.strerror}{place}")
        os._exit(UNAVAILABLE)

    return enter


def _forget_the_caller() -> list[int]:
    """Give up the signals and descriptors that no container has; return the latter."""
    for number in range(1, signal.NSIG):
        # None is for those that the C library keeps for itself.
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(UMASK)
    descriptors = [0, 1, 2]
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # that of the listing itself
            if descriptor > 2:
                os.set_inheritable(descriptor, False)
                descriptors.append(descriptor)
    return descriptors


def _wait_for(init: int, descriptors: Sequence[int]) -> NoReturn:
    """Wait outside the namespaces for their first process."""
    _close(descriptors)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.waitpid(init, 0)
    os._exit(0)


def _close(descriptors: Iterable[int]) -> None:
    # The caller waits for the end of its pipes.
    for descriptor in descriptors:
        os.close(descriptor)


def _furnish(root: str, start: Start, isolation: Isolation, report: int) -> Start:
    """Give the jail what a container has, and tell what it lacks; adapt the start to that."""
    for lacking in furnish.mount(root) if isolation.mounts else furnish.make(root):
        tell(report, LACKING, lacking)
    if isolation.mapped:
        tell(report, LACKING, furnish.ONE_USER)
    if furnish.has_proc(root):
        return start
    furnish.point_proc(root, start.executable)
    if isinstance(start.program, int):
        return start._replace(program=furnish.place_shell(root, start.program))
    return start


def _keep(worker: int, report: int, descriptors: Sequence[int], relay: Relay | None) -> NoReturn:
    """Reap all processes until the program ends, tell how, and end the others."""
    _close(each for each in descriptors if each != report)
    while True:
        pid, status = os.wait()
        if pid == worker:
            break
    tell(report, ENDED, os.waitstatus_to_exitcode(status))
    # Else this is the first process of a pid namespace, with which the kernel ends all others.
    if relay is not None:
        # What cannot be ended here, the caller tries to end, and tells.
        with contextlib.suppress(descendants.Unending):
            descendants.kill(spared=frozenset({relay.pid}))
            relay.finish()
    os._exit(0)


def _attach(tracer: Tracer) -> None:
    """Become a tracer, whose child returns from here as soon as it is traced."""
    if tracee := os.fork():
        os.execv(tracer.argv[0], [*tracer.argv, str(tracee)])  # noqa: S606 - there never is a shell
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        # A process has a tracer a moment before that sees its calls: this one for example.
        with contextlib.suppress(FileNotFoundError):
            if os.stat(tracer.log).st_size:
                return
        time.sleep(0.001)
    raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), tracer.argv[0])


def _start(
    start: Start, room: Room, isolation: Isolation, capabilities: frozenset[int], report: int
) -> NoReturn:
    """Become the program, in the root of the jail."""
    # A command that kills its process group must not hit the one who waits for it.
    os.setsid()
    if not start.stdin:
        with contextlib.suppress(FileNotFoundError):
            null = os.open("/dev/null", os.O_RDONLY)
            os.dup2(null, 0)
    _become(room.user, isolation, capabilities)
    # Cleared by a change of the user.
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.execve(start.program, start.argv, room.env)  # noqa: S606 - as above
    except OSError as e:
        tell(report, UNSTARTED, e.errno)
    os._exit(UNAVAILABLE)


def _become(user: User, isolation: Isolation, capabilities: frozenset[int]) -> None:
    """Take the capabilities, the user and its groups."""
    with contextlib.suppress(OSError):
        kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL)
        # The first that is refused is one that the kernel does not know.
        for capability in sorted(frozenset(range(64)) - capabilities):
            kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
    for descriptor in (0, 1, 2):
        # /dev/stdout is opened anew, by its owner alone.
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            with contextlib.suppress(OSError):
                os.fchown(descriptor, user.uid, -1)
    if not isolation.mapped:
        try:
            os.setgroups(user.groups)
        except OSError:
            # A user namespace may deny it even to its root, who then needs no other groups.
            if {*os.getgroups(), user.gid} != {*user.groups, user.gid}:
                raise
        os.setgid(user.gid)
        os.setuid(user.uid)

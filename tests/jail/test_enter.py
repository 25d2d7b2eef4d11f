"""A jail is entered with any privileges, shows nobody its mounts, and no process outlives it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from magicpak import jail
from magicpak.jail import descendants, enter, plant
from support.jails import NAME, Bundle, Run
from support.machine import named, nothing_mounting
from support.privileges import NOBODY, docker_build, forked, full, in_pid_namespace, nobody
from support.programs import Compile

pytestmark = pytest.mark.needs("root", "busybox", "cc")


@pytest.mark.needs("mounts", "userns")
@pytest.mark.parametrize("become", [full, nobody])
def test_proc_is_of_the_jail_where_mounts_are_permitted(
    bundle: Bundle, become: Callable[[], None]
) -> None:
    if become is nobody:
        for path in (bundle.top, bundle.tree):
            os.lchown(path, NOBODY, NOBODY)
    command = "test -e /proc/self/exe && echo out > /dev/stdout; ls -d /proc/[0-9]* | wc -l"
    # The first process of the namespace, the shell, ls and wc.
    expected = "out\n4"
    forked(become, lambda: jail.check(str(bundle.tree), ["/f"], command=command, stdout=expected))


def test_nothing_is_mounted_for_others(bundle: Bundle) -> None:
    with nothing_mounting():
        before = Path("/proc/self/mounts").read_text()
        jail.check(str(bundle.tree), [], command="sleep 0.1")
        assert Path("/proc/self/mounts").read_text() == before


def test_what_is_missing_for_a_jail_is_said(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> NoReturn:
        raise PermissionError(1, "Operation not permitted", "unshare")

    monkeypatch.setattr(enter, "isolate", refuse)
    with pytest.raises(jail.JailUnavailable) as failure:
        jail.check(str(bundle.tree), ["/f"])
    assert "CAP_SYS_CHROOT" in str(failure.value)
    assert "user namespaces are refused (Operation not permitted: unshare)" in str(failure.value)


def test_server_in_the_background_ends_with_the_command(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    # Its own session, and it keeps stdout open.
    path = bundle.add(program("server", "setsid(); sleep(1000); return 0;"), "/server")
    start = time.monotonic()
    run(path, command="server & sleep 0.1; echo done", stdout="done")
    assert time.monotonic() - start < 10


def test_daemon_that_changes_its_user_is_killed(bundle: Bundle, program: Compile) -> None:
    # Without CAP_SYS_PTRACE not even root sees such a process' root directory.
    body = f"""if (fork()) return 0;
        setsid(); prctl(PR_SET_NAME, "{NAME}-d"); if (setuid({NOBODY})) return 1;
        sleep(1000); return 0;"""
    path = bundle.add(program("daemon", body), "/daemon")
    forked(docker_build, lambda: jail.check(str(bundle.tree), [path], command="daemon; sleep 0.1"))
    assert not named(f"{NAME}-d")


def test_interrupted_test_leaves_nothing(bundle: Bundle, program: Compile) -> None:
    body = f'prctl(PR_SET_NAME, "{NAME}-e"); setsid(); sleep(1000); return 0;'
    path = bundle.add(program("endless", body), "/endless")

    def interrupted() -> None:
        signal_after = os.getpid()
        if os.fork() == 0:
            time.sleep(0.5)
            os.kill(signal_after, 2)
            os._exit(0)
        with pytest.raises(KeyboardInterrupt):
            jail.check(str(bundle.tree), [path])

    forked(docker_build, interrupted)
    assert not named(f"{NAME}-e")


@pytest.mark.needs("mounts", "userns")
@pytest.mark.parametrize("become", [full, nobody])
def test_killed_magicpak_leaves_no_process(
    bundle: Bundle, program: Compile, become: Callable[[], None]
) -> None:
    body = f'prctl(PR_SET_NAME, "{NAME}-o"); if (!fork()) setsid(); sleep(1000); return 0;'
    path = bundle.add(program("endless", body), "/endless")
    for place in (bundle.top, *bundle.top.rglob("*")):
        os.lchown(place, NOBODY, NOBODY)
    pid = os.fork()
    if pid == 0:
        become()
        jail.check(str(bundle.tree), [path])
    deadline = time.monotonic() + 10
    while len(named(f"{NAME}-o")) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    while named(f"{NAME}-o") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not named(f"{NAME}-o")
    # Nobody was left to remove it.
    for left in bundle.top.glob(".magicpak-test-*"):
        plant.remove(str(left))


@pytest.mark.needs("mounts")
@pytest.mark.parametrize("number", [9, 15])
def test_a_test_that_kills_all_processes_kills_none_outside(
    bundle: Bundle, program: Compile, number: int
) -> None:
    path = bundle.add(program("killer", f"return kill(-1, {number}) ? 3 : 0;"), "/killer")

    def check() -> None:
        docker_build()
        jail.check(str(bundle.tree), [path], strace="none")

    with pytest.raises(jail.CheckFailed) as failure:
        in_pid_namespace(check)
    assert failure.value.status == 3


@pytest.mark.needs("mounts")
@pytest.mark.parametrize("session", ["", "setsid();"])
def test_processes_that_grow_in_number_are_ended(
    bundle: Bundle, program: Compile, session: str
) -> None:
    body = f"""
        int *count = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (fork()) {{ usleep(20000); return 0; }}
        while (__sync_add_and_fetch(count, 1) < 3000) if (!fork()) {{ {session} }}
        sleep(1000); return 0;"""
    path = bundle.add(program("bomb", body), "/bomb")

    def check() -> list[str]:
        docker_build()
        jail.check(str(bundle.tree), [path], strace="none")
        return sorted(filter(str.isdecimal, os.listdir("/proc")))

    # The first process, and this.
    assert len(in_pid_namespace(check)) == 2


def test_processes_that_cannot_be_ended_are_told(
    bundle: Bundle, program: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descendants, "SECONDS", -1)
    path = bundle.add(program("daemon", "if (!fork()) sleep(3); return 0;"), "/daemon")
    with pytest.raises(jail.ProcessesLeft):
        forked(docker_build, lambda: jail.check(str(bundle.tree), [path]))

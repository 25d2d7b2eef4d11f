"""The user of a test is who runs it, as docker run --user gives it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from magicpak import jail
from magicpak.system.user import User
from support.command import COMMAND
from support.jails import Bundle
from support.privileges import NOBODY, PRIVILEGES, docker_build, forked, full, nobody
from support.programs import Compile

pytestmark = pytest.mark.needs("root", "busybox", "cc")

APP = User(1234, 2345, (2345, 77), "/home/app", "app")

SHOW = """
    gid_t groups[9]; int n = getgroups(9, groups);
    printf("%d %d %d %d %s", getuid(), geteuid(), getgid(), getegid(), getenv("HOME"));
    for (int i = 0; i < n; i++) printf(" %d", groups[i]);
    return 0;"""


def check(become: Callable[[], None], bundle: Bundle, *executables: str, **options: object) -> None:
    if become is nobody:
        for path in (bundle.top, *bundle.top.rglob("*")):
            os.lchown(path, NOBODY, NOBODY)
    forked(become, lambda: jail.check(str(bundle.tree), executables, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("become", [full, docker_build])
def test_program_has_the_user_the_groups_and_the_home(
    bundle: Bundle, program: Compile, become: Callable[[], None]
) -> None:
    path = bundle.add(program("show", SHOW), "/show")
    expected = "1234 1234 2345 2345 /home/app 77 2345"
    check(become, bundle, path, user=APP, stdout=expected)
    check(become, bundle, path, user=APP, command="show", stdout=expected)


@pytest.mark.needs("userns")
def test_without_privileges_it_has_the_user_and_no_groups(bundle: Bundle, program: Compile) -> None:
    path = bundle.add(program("show", SHOW), "/show")
    check(nobody, bundle, path, user=APP, stdout="1234 1234 2345 2345 /home/app")


@pytest.mark.parametrize("become", PRIVILEGES)
def test_home_that_is_given_counts(
    bundle: Bundle, program: Compile, become: Callable[[], None]
) -> None:
    path = bundle.add(program("home", 'puts(getenv("HOME")); return 0;'), "/home")
    env = {**jail.ENVIRONMENT, "HOME": "/given"}
    check(become, bundle, path, user=APP, env=env, stdout="/given")


@pytest.mark.parametrize("become", [full, docker_build])
def test_user_may_do_what_it_may_in_a_container(bundle: Bundle, become: Callable[[], None]) -> None:
    """Not write to root's files and directories; its output by name too."""
    bundle.write("/etc/secret", "x", 0o600)
    bundle.write("/etc/known", "known")
    (bundle.tree / "tmp").mkdir()
    (bundle.tree / "tmp").chmod(0o1777)
    (bundle.tree / "own").mkdir()
    os.chown(bundle.tree / "own", 1234, 2345)
    command = """for f in /etc/secret /x /etc/known; do (: > $f) 2>/dev/null && echo $f; done
        cat /etc/known; cat /etc/secret 2>/dev/null; touch /own/x /tmp/y /dev/shm/z && echo made
        echo lost > /dev/null; chown 0:0 /own 2>/dev/null || echo no"""
    check(become, bundle, user=APP, command=command, stdout="knownmade\nno")
    check(become, bundle, user=APP, command="echo by name > /dev/stdout", stdout="by name")


@pytest.mark.parametrize("become", PRIVILEGES)
def test_user_has_no_capabilities(
    bundle: Bundle, program: Compile, become: Callable[[], None]
) -> None:
    body = 'return chroot("/") == 0 || setuid(0) == 0 || chown("/app", 0, 0) == 0;'
    check(become, bundle, bundle.add(program("app", body), "/app"), user=APP)


@pytest.mark.needs("strace")
@pytest.mark.parametrize("become", PRIVILEGES)
def test_failed_test_of_a_user_is_explained(
    bundle: Bundle, program: Compile, become: Callable[[], None]
) -> None:
    path = bundle.add(program("app", 'return fopen("/etc/passwd", "r") == NULL;'), "/app")
    with pytest.raises(jail.CheckFailed, match="perhaps add --include /etc/passwd"):
        check(become, bundle, path, user=APP)


@pytest.mark.parametrize("become", PRIVILEGES)
def test_processes_of_a_user_end_with_the_test(
    bundle: Bundle, program: Compile, become: Callable[[], None]
) -> None:
    path = bundle.add(program("app", "if (!fork()) { setsid(); sleep(1000); } return 0;"), "/app")
    check(become, bundle, path, user=APP)
    with pytest.raises(jail.CheckTimedOut):
        check(become, bundle, path, user=APP, command="app; sleep 1000", timeout=0.3)


@pytest.mark.needs("userns", "mounts", "unshare")
def test_root_of_a_user_namespace_that_denies_setgroups_tests_too(tmp_path: Path) -> None:
    run = subprocess.run(
        ["unshare", "--user", "--map-root-user", *COMMAND,
         "--test", "--test-command", "exec true", "/bin/true", tmp_path / "out"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")

"""What a jail has of a container: devices, files, environment."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from magicpak import jail
from magicpak.jail import furnish
from magicpak.system.user import User
from support.jails import Bundle, Run
from support.privileges import NOBODY, docker_build, forked, full, nobody
from support.programs import Compile

pytestmark = pytest.mark.needs("root", "busybox", "cc")

DIFFERS = "the test differs from a container"


def test_container_has_devices_and_proc_and_no_more(run: Run, bundle: Bundle) -> None:
    command = """set -e
        echo lost > /dev/null; head -c 4 /dev/zero | od -An -tx1
        test $(head -c 8 /dev/urandom | wc -c) = 8; test -c /dev/random; test -c /dev/tty
        ! echo x > /dev/full
        touch /dev/shm/b; stat -c %a /dev/shm; pwd; ls -l /dev/stdout | sed 's/.*> //'
        test -e /proc/self/exe; echo *"""
    got = run(
        bundle.write("/f", "", 0o755),
        command=command,
        stdout="00 00 00 00\n1777\n/\n/proc/self/fd/1\ndev etc f proc sys",
    )
    assert got == ()
    assert os.listdir(bundle.tree) == ["f"]


def test_environment_is_clean(
    run: Run, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, program: Compile
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/leak")
    monkeypatch.setenv("SECRET", "leak")
    body = "for (extern char **environ; *environ; environ++) puts(*environ); return 0;"
    path = bundle.add(program("show", body.replace("extern char **environ", "")), "/bin/show")
    bundle.write("/etc/passwd", "root:x:0:0::/home/r:\n")
    shown = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    run(path, stdout=f"{shown}\nHOME=/home/r")
    run(path, command="show | sort", stdout=f"HOME=/home/r\n{shown}\nPWD=/\nSHLVL=1")


def test_environment_is_as_given(run: Run, bundle: Bundle) -> None:
    env = {"PATH": "/bin", "HOME": "/h", "LANG": "de_DE"}
    run(
        bundle.write("/bin/f", "", 0o755),
        command='echo "$PATH $HOME $LANG"',
        env=env,
        stdout="/bin /h de_DE",
    )


@pytest.mark.parametrize(
    ("passwd", "group", "expected"),
    [
        ("", "", User(0, 0, (0,), "/", "0")),
        ("daemon:x:1:1::/usr/sbin:\nroot:x:0:0:root:/root:/bin/sh\n", "root:x:0:\n",
         User(0, 0, (0,), "/root", "root")),
        ("toor:x:0:5::/t:\nroot:x:0:0::/root:\n", "", User(0, 5, (5,), "/t", "toor")),
        ("root:x:0:0:::\n", "bin:x:1:daemon,root\nwheel:x:10:root\nsys:x:3:toor\n",
         User(0, 0, (0, 1, 10), "/", "root")),
    ],
)  # fmt: skip
def test_root_is_as_the_bundle_has_it(
    tmp_path: Path, passwd: str, group: str, expected: User
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(passwd)
    (tmp_path / "etc/group").write_text(group)
    assert furnish.root_user(str(tmp_path)) == expected


@pytest.mark.parametrize("target", ["/run/resolve/stub.conf", "../run/x", "/etc/resolv.conf-"])
def test_file_that_a_runtime_gives_takes_the_place_of_the_bundles(
    run: Run, bundle: Bundle, target: str
) -> None:
    """A link leads to where it is put, inside the jail, whether that is there or not."""
    bundle.write("/etc/hosts", "1.2.3.4 elsewhere\n")
    bundle.write("/etc/hostname", "elsewhere\n")
    (bundle.tree / "etc/resolv.conf").symlink_to(target)
    before = bundle.snapshot()
    command = "grep -c elsewhere /etc/hosts /etc/hostname; cat /etc/resolv.conf"
    resolvers = Path("/etc/resolv.conf").read_text()
    altered = run(
        command=f"{command}; test $(cat /etc/hostname) = $(hostname); echo x >> /etc/hosts",
        stdout=f"/etc/hosts:0\n/etc/hostname:0\n{resolvers}",
    )
    assert altered == ()
    assert bundle.snapshot() == before


def test_devices_of_the_bundle_are_hidden_as_in_a_container(bundle: Bundle) -> None:
    bundle.write("/dev/of-the-bundle", "")
    jail.check(str(bundle.tree), [], command="ls /dev | grep -c bundle; true", stdout="0")


@pytest.mark.parametrize(
    ("become", "said"),
    [
        pytest.param(full, [], marks=pytest.mark.needs("mounts"), id="root"),
        pytest.param(docker_build, [f"{DIFFERS}: {furnish.WITHOUT_MOUNTS}"], id="chroot_alone"),
        pytest.param(nobody, [f"{DIFFERS}: {furnish.ONE_USER}"],
                     marks=pytest.mark.needs("userns"), id="nobody"),
    ],
)  # fmt: skip
def test_what_a_jail_cannot_give_is_said_once_at_info(
    bundle: Bundle, program: Compile, become: Callable[[], None], said: list[str]
) -> None:
    path = bundle.add(program("app", "return 0;"), "/app")
    if become is nobody:
        for place in (bundle.top, *bundle.top.rglob("*")):
            os.lchown(place, NOBODY, NOBODY)

    def infos() -> list[str]:
        told: list[str] = []
        handler = logging.Handler(logging.INFO)
        handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("magicpak").addHandler(handler)
        logging.getLogger("magicpak").setLevel(logging.INFO)
        jail.check(str(bundle.tree), [path, path])
        return [text for text in told if not text.startswith("test: ")]

    assert forked(become, infos) == said

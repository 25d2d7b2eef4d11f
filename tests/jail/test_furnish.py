"""What a jail has of a container, and which program a name means in it."""

from __future__ import annotations

import os

import pytest

from magicpak import jail
from magicpak.jail import furnish
from magicpak.system.tools import ToolNotFound
from support.jails import Bundle, Run, message
from support.programs import Compile

pytestmark = pytest.mark.needs("root", "busybox", "cc")


def test_container_has_devices_proc_and_temporary_directories(run: Run, bundle: Bundle) -> None:
    command = """set -e
        echo lost > /dev/null; head -c 4 /dev/zero | od -An -tx1
        test $(head -c 8 /dev/urandom | wc -c) = 8; test -c /dev/random; test -c /dev/tty
        ! echo x > /dev/full
        touch /tmp/a /dev/shm/b; stat -c %a /tmp /dev/shm; pwd; ls -l /dev/stdout | sed 's/.*> //'
        test -e /proc/self/exe"""
    got = run(
        bundle.write("/f", "", 0o755),
        command=command,
        stdout="00 00 00 00\n1777\n1777\n/\n/proc/self/fd/1",
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
    shown = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\nSHLVL=1"
    run(path, command="show | sort", stdout=f"HOME=/home/r\n{shown}")


def test_environment_is_as_given(run: Run, bundle: Bundle) -> None:
    env = {"PATH": "/bin", "HOME": "/h", "LANG": "de_DE"}
    run(
        bundle.write("/bin/f", "", 0o755),
        command='echo "$PATH $HOME $LANG"',
        env=env,
        stdout="/bin /h de_DE",
    )


@pytest.mark.parametrize(
    "name", ["ls", "test", "[", "clang-format", "echo", "env", "kill", "xargs", "ts", "[["]
)
def test_name_finds_the_bundled_program_before_an_applet(
    run: Run, bundle: Bundle, program: Compile, name: str
) -> None:
    path = bundle.add(program("mine", 'puts("mine"); return 0;'), f"/usr/bin/{name}")
    run(path, command=f"{name} x", stdout="mine")


@pytest.mark.parametrize("directory", ["/usr/bin", "/bin", "/opt/some where"])
def test_children_of_the_command_find_the_bundled_program_too(
    run: Run, bundle: Bundle, program: Compile, directory: str
) -> None:
    path = bundle.add(program("mine", 'puts("mine"); return 0;'), f"{directory}/ls")
    command = (
        "ls; echo / | xargs ls; env ls; timeout 5 ls; find /proc -maxdepth 0 -exec ls \\;; "
        "sh -c ls; (exec ls); command ls; nice ls 2>&1 | grep -v nice; echo $(ls) | cat"
    )
    run(path, command=command, stdout="mine\n" * 9)


def test_program_outside_path_is_found_by_name(run: Run, bundle: Bundle, program: Compile) -> None:
    hello = program("hello", 'puts("hello"); return 0;')
    run(bundle.add(hello, "/opt/a:b/hello"), command="hello", stdout="hello")
    run(bundle.add(hello, "/x/hello"), command="command -v hello", stdout="/x/hello")


def test_applets_are_beside_the_bundle_and_never_in_it(run: Run, bundle: Bundle) -> None:
    path = bundle.write("/bin/sed", "#!/bin/sh\necho mine\n", 0o755)
    bundle.write("/bin/busybox", "#!/bin/sh\necho not busybox\n", 0o755)
    before = bundle.snapshot()
    run(path, command="sed; busybox; echo x | tr x y", stdout="mine\nnot busybox\ny")
    assert bundle.snapshot() == before


def test_own_shell_of_the_bundle_is_used(run: Run, bundle: Bundle) -> None:
    path = bundle.add("/bin/dash", "/bin/sh")
    bundle.write("/usr/bin/test", "#!/bin/sh\necho mine\n", 0o755)
    run(path, "/usr/bin/test", command="readlink /bin/sh; /bin/ls -l /bin/ls; test", stdout=None)
    run(path, "/usr/bin/test", command="test", stdout="mine")
    text = message(run, path, command="exit 9 || [[ a ]]")
    assert "exit status: 9" in text


@pytest.mark.parametrize("link", ["usr/bin", "/usr/bin", "../../usr/bin"])
def test_bin_that_is_a_link_is_followed_inside_the_jail(
    run: Run, bundle: Bundle, link: str
) -> None:
    (bundle.tree / "bin").symlink_to(link)
    path = bundle.write("/usr/bin/mine", "#!/bin/sh\nls -d /usr/bin/sh\n", 0o755)
    run(path, command="mine", stdout="/usr/bin/sh")
    assert os.listdir(bundle.tree / "usr/bin") == ["mine"]


def test_applets_stay_in_order_when_some_are_hidden() -> None:
    names = ("[", "[[", "ls", "true", "truncate", "ts", "tt")
    table = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    content = furnish.adapt(b"ELF" + table + b"\0/proc/self/exe\0", names, {"ls", "["}, "/bin/b")
    assert content == b"ELF\0Z\0[[\0lr\0true\0truncate\0ts\0tt\0\0/bin/b\0\0\0\0\0\0\0\0\0"
    content = furnish.adapt(table, names, {"ts"}, "/bin/busybox")
    assert content is None or content.split(b"\0")[1:-1] == sorted(content.split(b"\0")[1:-1])


def test_busybox_without_a_table_of_names_is_used_with_aliases(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(furnish, "adapt", lambda *_: None)
    path = bundle.write("/usr/bin/ls", "#!/bin/sh\necho mine\n", 0o755)
    assert jail.check(str(bundle.tree), [path], command="ls", stdout="mine") == ()


def test_busybox_that_is_not_static_is_refused(bundle: Bundle) -> None:
    with pytest.raises(jail.BusyboxNotStatic, match="busybox-static"):
        jail.check(str(bundle.tree), ["/f"], is_static=lambda _: False)
    with pytest.raises(jail.BusyboxNotStatic, match="/bin/ls is dynamically linked"):
        jail.check(str(bundle.tree), ["/f"], busybox="/bin/ls")


def test_missing_busybox_is_named_with_its_package(bundle: Bundle) -> None:
    with pytest.raises(ToolNotFound, match="busybox-static"):
        jail.check(str(bundle.tree), ["/f"], busybox="no-such-busybox")

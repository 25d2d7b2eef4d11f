"""The user of a bundle: who runs it, and the tables that name it."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from magicpak import MagicpakError, Options, pack
from support.command import COMMAND, done, failed, magicpak, paths
from support.machine import free_port, running
from support.privileges import forked, nobody
from support.programs import script
from support.traces import PYTHON

DAEMON = pwd.getpwnam("daemon")
needs_root = pytest.mark.needs("strace", "root")
ROOT_LINE = "root:x:0:0:root:/root:"


def table(out: Path, name: str) -> list[str]:
    return (out / "etc" / name).read_text().splitlines()


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every user can enter, as pytest's are not."""
    place = Path(tempfile.mkdtemp(prefix="magicpak-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def test_the_bundle_gets_the_lines_of_root_and_the_user_and_of_their_groups(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done(magicpak("--user", "daemon", "/bin/true", out))
    names = [line.split(":")[0] for line in table(out, "passwd")]
    assert names == ["root", "daemon"]
    assert table(out, "passwd")[0].startswith(ROOT_LINE)
    line = ":".join(map(str, DAEMON)).replace("*", "x")
    assert table(out, "passwd")[1] == line
    groups = {line.split(":")[0] for line in table(out, "group")}
    assert groups == {"root", *(grp.getgrgid(n).gr_name for n in os.getgrouplist("daemon", 1))}
    status = (out / "etc/passwd").stat()
    assert (status.st_mode & 0o777, status.st_mtime) == (0o644, 0)


def test_a_number_without_a_line_brings_roots_alone(tmp_path: Path) -> None:
    done(magicpak("--user", "54321:54322", "/bin/true", tmp_path / "out"))
    assert [line.split(":")[0] for line in table(tmp_path / "out", "passwd")] == ["root"]
    assert table(tmp_path / "out", "group") == ["root:x:0:"]


def sysroot(tmp_path: Path, passwd: str, group: str) -> str:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text(passwd)
    (root / "etc/group").write_text(group)
    shutil.copy("/bin/busybox", root / "app")
    return str(root)


@pytest.mark.needs("busybox")
def test_a_sysroot_has_users_of_its_own_and_no_password_goes_with_them(tmp_path: Path) -> None:
    root = sysroot(
        tmp_path,
        "root:$6$abc:0:0::/:/bin/sh\nann::7:8:Ann:/a:/bin/sh\nbob:x:9:9:::\n",
        "root::0:bob\nanns:$1$x:8:\nboth:x:20:bob,ann,root\nbobs:x:9:bob\n",
    )
    done(magicpak("--sysroot", root, "--user", "ann", "/app", tmp_path / "out"))
    people = ["root:x:0:0::/:/bin/sh", "ann:x:7:8:Ann:/a:/bin/sh"]
    assert table(tmp_path / "out", "passwd") == people
    assert table(tmp_path / "out", "group") == ["root:x:0:", "anns:x:8:", "both:x:20:ann,root"]


@pytest.mark.parametrize("text", ["nobody-here", "daemon:nothing-here", "4294967295", ""])
def test_who_is_not_there_is_an_error_before_any_work(tmp_path: Path, text: str) -> None:
    text = failed(magicpak("--user", text, "/nowhere/program", tmp_path / "out"))
    assert text.startswith(("Unable to find the user of --user", "Unable to find the group of"))


def test_an_included_table_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("daemon:x:1:1::/:\n")
    out = tmp_path / "out"
    run = magicpak("--user", "daemon", "--include", "etc/passwd", "/bin/true", out, cwd=tmp_path)
    (warning,) = done(run)
    assert "/etc/passwd is bundled without a line for root" in warning
    assert table(out, "passwd") == ["daemon:x:1:1::/:"]
    assert table(out, "group")[0].startswith("root:x:0:")


def test_exclude_has_the_last_word(tmp_path: Path) -> None:
    done(magicpak("--user", "daemon", "-e", "/etc/group", "/bin/true", tmp_path / "out"))
    assert (tmp_path / "out/etc/passwd").exists()
    assert not (tmp_path / "out/etc/group").exists()


@pytest.mark.needs("strace")
def test_a_traced_table_gets_what_it_lacks(tmp_path: Path) -> None:
    done(magicpak("--user", "daemon", "--dynamic", "--dynamic-arg=-c", "--dynamic-arg",
                  "import pwd; pwd.getpwnam('daemon')", PYTHON, tmp_path / "out"))  # fmt: skip
    names = [line.split(":")[0] for line in table(tmp_path / "out", "passwd")]
    assert {"root", "daemon"} <= set(names)
    assert len(names) == len(set(names))


WHO = """\
import os, sys
print(os.getresuid(), os.getresgid(), sorted(os.getgroups()), os.environ["HOME"],
      os.environ.get("USER"), os.environ.get("LOGNAME"), file=open(sys.argv[1], "w"))
open(sys.argv[2])
"""


BARE = ("setpriv", "--bounding-set", "-sys_ptrace,-sys_admin")
"""Runs a command with what root may do in a default docker build, and what it starts too."""


def bare(*args: str | Path, **settings: str) -> list[str]:
    """Run magicpak so, and return the lines on stderr."""
    return done(
        subprocess.run(
            [*BARE, *COMMAND, *args], env=os.environ | settings, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )
    )  # fmt: skip


@needs_root
@pytest.mark.parametrize("privileges", ["full", "bare"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("daemon", (1, 1, [1], "/usr/sbin")),
        ("1:sys", (1, 3, [3], "/usr/sbin")),
        ("54321", (54321, 0, [0], "/")),
    ],
)
def test_the_traced_run_is_the_users(
    open_place: Path, privileges: str, text: str, expected: tuple[int, int, list[int], str]
) -> None:
    (open_place / "data").write_text("x")
    (open_place / "who").touch()
    (open_place / "who").chmod(0o666)
    arguments = ["-c", WHO, f"{open_place}/who", f"{open_place}/data"]
    options = [f"--dynamic-arg={argument}" for argument in arguments]
    line = ("--user", text, "--dynamic", *options, PYTHON, open_place / "out")
    names = {"USER": "root", "LOGNAME": "root"}
    told = bare(*line, **names) if privileges == "bare" else done(magicpak(*line, **names))
    # Its own record of who ran is a file that was there, and that the run has changed.
    assert [f"{open_place}/who" in warning for warning in told] == [True]
    uid, gid, groups, home = expected
    shown = (open_place / "who").read_text()
    assert shown == f"{(uid,) * 3} {(gid,) * 3} {groups} {home} None None\n"
    assert str(open_place / "data") in paths(open_place / "out")


@needs_root
def test_the_command_and_the_script_are_the_users_too(open_place: Path) -> None:
    (open_place / "who").touch()
    (open_place / "who").chmod(0o666)
    line = f"id -u >> {open_place}/who"
    done(magicpak("--user", "daemon", "--dynamic", "--dynamic-arg", "60", "--dynamic-command", line,
                  "/bin/sleep", open_place / "out"))  # fmt: skip
    done(magicpak("--user", "daemon", "--dynamic", "--dynamic-script", f"{line}; /bin/true",
                  "/bin/true", open_place / "more"))  # fmt: skip
    assert (open_place / "who").read_text() == "1\n1\n"


@needs_root
def test_a_user_who_may_not_is_told_what_the_program_says(open_place: Path) -> None:
    hidden = open_place / "hidden"
    hidden.mkdir(0o700)
    program = script(hidden / "program", "exit 0")
    text = failed(magicpak("--user", "daemon", "--dynamic", program, open_place / "out"))
    assert "cannot start" in text
    assert "Permission denied" in text


CHANGES = "import os; os.setresuid(1, 1, 1); open('/etc/hostname')"


@needs_root
def test_a_program_that_changes_its_user_out_of_sight_is_told(open_place: Path) -> None:
    arguments = ("--dynamic", "--dynamic-arg=-c", f"--dynamic-arg={CHANGES}", PYTHON)
    assert not done(magicpak(*arguments, open_place / "seen"))
    (warning,) = bare(*arguments, open_place / "unseen")
    assert f"{PYTHON}: strace could not see what" in warning
    assert warning.endswith("run all as that user by --user")


@needs_root
@pytest.mark.needs("nginx", "curl")
def test_the_workers_of_nginx_are_traced_as_their_user(open_place: Path) -> None:
    port = free_port()
    (open_place / "page").write_text("x")
    (open_place / "run").mkdir()
    (open_place / "run").chmod(0o777)
    (open_place / "nginx.conf").write_text(
        f"daemon off; pid {open_place}/run/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {open_place}/run/body; "
        f"proxy_temp_path {open_place}/run/proxy; fastcgi_temp_path {open_place}/run/fastcgi; "
        f"uwsgi_temp_path {open_place}/run/uwsgi; scgi_temp_path {open_place}/run/scgi; "
        f"server {{ listen 127.0.0.1:{port}; root {open_place}; }} }}\n"
    )
    nginx = str(shutil.which("nginx"))
    bare("--user", "www-data", "--dynamic", "--dynamic-wait-for", str(port),
         "--dynamic-command", f"curl -sf http://127.0.0.1:{port}/page",
         "--dynamic-arg=-c", f"--dynamic-arg={open_place}/nginx.conf", nginx,
         open_place / "out")  # fmt: skip
    assert str(open_place / "page") in paths(open_place / "out")
    assert any(line.startswith("www-data:") for line in table(open_place / "out", "passwd"))
    assert not running(str(open_place))


@needs_root
def test_only_root_traces_as_another_user_and_everybody_as_itself(open_place: Path) -> None:
    open_place.chmod(0o777)

    def run(user: str) -> str:
        options = Options(("/bin/true",), f"{open_place}/{user}", user=user, dynamic=True)
        try:
            pack(options)
        except MagicpakError as e:
            return str(e)
        return "done"

    text = forked(nobody, lambda: run("daemon"))
    assert text.startswith("Unable to run a program as the user daemon: this process is not root's")
    assert forked(nobody, lambda: run("nobody")) == "done"
    assert not (open_place / "daemon").exists()


@pytest.mark.needs("busybox", "root")
@pytest.mark.parametrize("privileges", ["full", "bare"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [("daemon", "1 1 1 /usr/sbin"), ("54321:7", "54321 7 7 /"), ("root", "0 0 0 /root")],
)
def test_the_test_is_the_users(tmp_path: Path, privileges: str, text: str, expected: str) -> None:
    command = "echo $(id -u) $(id -g) $(id -G) $HOME"
    line = ("--user", text, "--test", "--test-command", command, "--test-stdout", expected)
    line += ("/bin/true", str(tmp_path / "out"))
    assert not (bare(*line) if privileges == "bare" else done(magicpak(*line)))

"""Users, as docker finds them."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from magicpak.system import process
from magicpak.system.user import UnknownUser, User, UserRefused, find
from support.privileges import forked, nobody
from support.traces import PYTHON

USERS = """\
root:x:0:0:root:/root:/bin/sh
# no line
broken:x:one:1::/:/bin/sh
alice:x:1000:100:Alice,,,:/home/alice:/bin/sh
1234:x:77:77:a name like a number:/77:/bin/sh
homeless:x:5:5:::
alice:x:2000:200:a second one:/other:/bin/sh
"""
GROUPS = """\
root:x:0:
users:x:100:bob
audio:x:29:bob,alice
alicesgroup:x:30:alicex
video:x:44:alice
+::
77:x:78:
"""
ALICE = User(1000, 100, (100, 29, 44), "/home/alice", "alice")


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("alice", ALICE),
        ("1000", ALICE),
        ("alice:", ALICE),
        ("alice:audio", ALICE._replace(gid=29, groups=(29,))),
        ("alice:7", ALICE._replace(gid=7, groups=(7,))),
        ("alice:77", ALICE._replace(gid=77, groups=(77,))),
        ("root", User(0, 0, (0,), "/root", "root")),
        ("0", User(0, 0, (0,), "/root", "root")),
        ("homeless", User(5, 5, (5,), "/", "homeless")),
        ("1234", User(1234, 0, (0,), "/", "1234")),
        ("4000:video", User(4000, 44, (44,), "/", "4000")),
        ("77", User(77, 77, (77,), "/77", "1234")),
    ],
)
def test_a_user_is_found_by_name_or_number_with_its_groups(text: str, user: User) -> None:
    assert find(text, USERS, GROUPS) == user


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the user of --user ''"),
        (":audio", "the user of"),
        ("carol", "the user of --user 'carol': /etc/passwd has none"),
        ("broken", "the user of"),
        ("-1", "the user of"),
        ("2147483648", "the user of"),
        ("alice:nobodys", "the group of --user 'alice:nobodys': /etc/group has none"),
        ("alice:4294967295", "the group of"),
        ("alice:audio:video", "the group of"),
        ("\u0661", "the user of"),
    ],
)
def test_who_is_not_there_is_named_with_the_file(text: str, what: str) -> None:
    with pytest.raises(UnknownUser, match=what):
        find(text, USERS, GROUPS)


def test_without_files_numbers_alone_are_users() -> None:
    assert find("12:13", "", "") == User(12, 13, (13,), "/", "12")
    with pytest.raises(UnknownUser):
        find("root", "", "")


def test_the_environment_has_the_users_home_and_nobody_elses_name() -> None:
    env = {"HOME": "/root", "USER": "root", "LOGNAME": "root", "PATH": "/bin"}
    assert ALICE.environment(env) == {"HOME": "/home/alice", "PATH": "/bin"}


SHOW = "import os; print(os.getresuid(), os.getresgid(), os.getgroups(), os.environ['HOME'])"


@pytest.mark.needs("root")
@pytest.mark.parametrize("groups", [(65534,), (65534, 7, 8)])
def test_a_program_runs_as_another_user_and_cannot_come_back(groups: tuple[int, ...]) -> None:
    user = User(65534, 65534, groups, "/nowhere", "x")
    with process.running([PYTHON, "-c", SHOW], user=user) as program:
        assert program.wait(20) == 0
    shown = f"{(65534,) * 3} {(65534,) * 3} {sorted(groups)} /nowhere\n"
    assert program.completed().stdout.decode() == shown




def test_a_program_runs_as_the_user_who_runs_it_already() -> None:
    own = pwd.getpwuid(os.geteuid()).pw_name
    user = User(os.geteuid(), os.getegid(), (1, 2), "/nowhere", own)
    with process.running([sys.executable, "-c", SHOW], user=user) as program:
        assert program.wait(20) == 0
    assert "/nowhere" in program.completed().stdout.decode()


@pytest.mark.needs("root")
def test_only_root_runs_a_program_as_another_user() -> None:
    def refused() -> str:
        with pytest.raises(UserRefused) as e, process.running(["true"], user=ALICE):
            pass
        return str(e.value)

    text = forked(nobody, refused)
    assert text.startswith("Unable to run a program as the user alice: Operation not permitted; ")
    assert "without --user" in text


def test_what_cannot_be_started_is_not_blamed_on_the_user(tmp_path: Path) -> None:
    user = User(os.geteuid(), os.getegid(), (), "/", "me")
    with pytest.raises(FileNotFoundError), process.running([str(tmp_path / "no")], user=user):
        pass


@pytest.mark.needs("root")
def test_id_and_we_agree_on_the_groups_of_this_machines_users() -> None:
    passwd, group = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
    for name in (line.split(":")[0] for line in passwd.splitlines()):
        user = find(name, passwd, group)
        told = subprocess.run(["id", "-G", name], capture_output=True, text=True, check=True).stdout
        assert set(map(int, told.split())) == set(user.groups)
        assert int(told.split()[0]) == user.gid

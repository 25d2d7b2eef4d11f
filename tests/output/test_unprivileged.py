"""What a user without privileges can write, and is told of the rest."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from magicpak import cli
from support.command import Printed, done, failed, listing, paths
from support.privileges import NOBODY

pytestmark = pytest.mark.needs("root")


def as_nobody(*args: str, cwd: Path) -> Printed:
    """Run the command as an unprivileged user.

    In a fork, since that user may not be permitted to start this Python, nor to read its modules.
    """
    with tempfile.TemporaryFile() as stderr:
        child = os.fork()
        if child == 0:
            status = 70
            try:
                os.dup2(stderr.fileno(), 2)
                sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
                sys.argv = ["magicpak", *args]
                os.chdir(cwd)
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                cli.main()
            except SystemExit as e:
                status = int(e.code or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        stderr.seek(0)
        printed = stderr.read().decode()
    return Printed(args, os.waitstatus_to_exitcode(ended), "", printed)


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that every user can write to; those of pytest are for its own user."""
    base = Path(subprocess.run(
        ["mktemp", "-d"], capture_output=True, text=True, check=True
    ).stdout.strip())  # fmt: skip
    base.chmod(0o1777)
    yield base
    subprocess.run(["chmod", "-R", "u+rwX", base], check=False)
    shutil.rmtree(base)


def test_an_unprivileged_user_can_bundle(open_path: Path) -> None:
    run = as_nobody("-i", "/etc/passwd", "/bin/true", "out", cwd=open_path)
    assert done(run) == []
    assert {"/bin/true", "/etc/passwd"} <= paths(open_path / "out")
    assert {path.lstat().st_uid for path in (open_path / "out").rglob("*")} == {NOBODY}


def test_an_output_of_another_user_in_a_sticky_directory_is_filled(open_path: Path) -> None:
    out = open_path / "out"
    out.mkdir()
    out.chmod(0o777)
    assert done(as_nobody("/bin/true", "out", cwd=open_path)) == []
    assert "/bin/true" in paths(out)
    assert out.stat().st_uid == 0
    assert listing(open_path) == ["out"]


def test_directories_that_nobody_can_write_are_written(open_path: Path) -> None:
    for name in ("conf", "conf/sub"):
        (open_path / name).mkdir()
        os.chown(open_path / name, NOBODY, NOBODY)
    (open_path / "conf" / "sub" / "f").touch()
    (open_path / "conf" / "sub").chmod(0o555)
    (open_path / "conf").chmod(0o555)
    for out in ("new", "filled"):
        if out == "filled":
            (open_path / out).mkdir()
            (open_path / out).chmod(0o777)
        assert done(as_nobody("-i", "conf", "/bin/true", out, cwd=open_path)) == []
        assert stat.S_IMODE((open_path / out / "conf").stat().st_mode) == 0o555
        assert (open_path / out / "conf" / "sub" / "f").exists()


@pytest.mark.parametrize(("output", "reason"), [
    ("private/out", "Permission denied (os error 13)"),
    ("/root/x/out", "Permission denied (os error 13)"),
    ("closed", "Permission denied (os error 13)"),
])  # fmt: skip
def test_a_place_that_is_not_permitted_is_told(open_path: Path, output: str, reason: str) -> None:
    (open_path / "private").mkdir(mode=0o755)
    (open_path / "closed").mkdir(mode=0o700)
    message = failed(as_nobody("/bin/true", output, cwd=open_path))
    assert message.startswith(f"IO error: {reason}: ")
    assert output.split("/", maxsplit=1)[0] in message


@pytest.mark.parametrize("output", ["private/new", "private/a/b", "private", "/new-bundle"])
def test_where_a_user_may_not_write_is_told_before_any_work(open_path: Path, output: str) -> None:
    (open_path / "private").mkdir(mode=0o755)
    (open_path / "private").chmod(0o755)
    open_path.chmod(0o755)
    message = failed(as_nobody("/no/such/input", output, cwd=open_path))
    place = "/" if output.startswith("/") else f"{open_path}/private"
    assert message == (
        f"IO error: Permission denied (os error 13): {output}: this user may not write to {place}; "
        f"name an OUTPUT in a directory of your own, or run as root"
    )


@pytest.mark.parametrize("args", [("secret",), ("-i", "secret", "/bin/true")])
def test_an_unreadable_file_is_told(open_path: Path, args: tuple[str, ...]) -> None:
    (open_path / "secret").write_bytes(Path("/bin/true").read_bytes())
    (open_path / "secret").chmod(0)
    message = failed(as_nobody(*args, "out", cwd=open_path))
    assert message.startswith("IO error: Permission denied (os error 13): ")
    assert message.endswith("secret")
    assert listing(open_path) == ["secret"]

"""Writing a bundle: whole or not at all, wherever OUTPUT is."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from magicpak import Options, cli, pack
from magicpak.errors import IoError, MagicpakError
from magicpak.output import copying, destination, emit
from magicpak.output.destination import DestinationInvalid, DestinationNotEmpty
from magicpak.plan import Bundle, BundlePath, Directory, File, Link, Meta, Origin, Placed, Why
from support.command import SLOW_DISK, Printed, done, facts, failed, listing, magicpak, paths
from support.machine import mounted
from support.packing import simple
from support.privileges import NOBODY

ROOT_ONLY = pytest.mark.needs("root")
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


# What OUTPUT can be


def test_output_is_made_several_levels_deep(tmp_path: Path) -> None:
    simple(tmp_path / "a" / "b" / "out")
    assert "/bin/true" in paths(tmp_path / "a" / "b" / "out")
    assert listing(tmp_path / "a" / "b") == ["out"]


def test_an_empty_directory_is_filled_and_stays_as_it_was_made(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o2775)
    simple(out)
    assert "/bin/true" in paths(out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o2775
    assert listing(tmp_path) == ["out"]


def test_a_link_to_an_empty_directory_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    simple(tmp_path / "link")
    assert os.readlink(tmp_path / "link") == "real"
    assert "/bin/true" in paths(tmp_path / "real")


def test_a_link_to_what_is_not_there_leads_to_where_it_is_made(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("some/where")
    simple(tmp_path / "link")
    assert "/bin/true" in paths(tmp_path / "some" / "where")


def test_the_working_directory_itself_is_filled(tmp_path: Path) -> None:
    inode = tmp_path.stat().st_ino
    line = '"$0" -m magicpak /bin/true . && ls'
    run = subprocess.run(
        ["sh", "-c", line, sys.executable], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "bin" in run.stdout.split()
    assert tmp_path.stat().st_ino == inode
    assert not [name for name in listing(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize("output", ["out/", "./out", "sub/../out", "out/."])
def test_a_path_may_be_written_in_many_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    simple(output)
    assert "/bin/true" in paths(tmp_path / "out")


@pytest.mark.parametrize("path", ["file", "file/below", "file/far/below", "to-file", ""])
def test_a_file_is_an_invalid_destination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("kept")
    (tmp_path / "to-file").symlink_to("file")
    with pytest.raises(DestinationInvalid) as raised:
        simple(path)
    assert str(raised.value).startswith(f"The destination is invalid: {path or chr(39) * 2}")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_directory_with_entries_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(DestinationNotEmpty) as raised:
        simple(tmp_path)
    assert str(raised.value).startswith(f"The destination is not empty: {tmp_path}")
    assert listing(tmp_path) == ["kept"]


def test_a_circular_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(MagicpakError):
        simple(tmp_path / "loop")
    assert listing(tmp_path) == ["loop"]


def test_no_parents_are_left_where_the_job_fails(tmp_path: Path) -> None:
    with pytest.raises(MagicpakError):
        pack(Options(("/bin/true",), str(tmp_path / "a" / "b"), compress=True, upx="/no/upx"))
    assert listing(tmp_path) == []


# Mount points and other file systems


@ROOT_ONLY
def test_a_mount_point_is_filled(tmp_path: Path) -> None:
    for how in (["-t", "tmpfs", "tmpfs"], ["--bind", str(tmp_path / "source")]):
        (tmp_path / "source").mkdir(exist_ok=True)
        out = tmp_path / "out put"
        with mounted(out, *how):
            simple(out)
            assert "/bin/true" in paths(out)
            assert not [name for name in listing(out) if name.startswith(".")]
        assert listing(tmp_path) == ["out put", "source"]


@ROOT_ONLY
def test_output_on_another_file_system_is_made_there(tmp_path: Path) -> None:
    with mounted(tmp_path / "other", "-t", "tmpfs", "tmpfs"):
        simple(tmp_path / "other" / "a" / "out")
        assert listing(tmp_path / "other") == ["a"]
        assert "/bin/true" in paths(tmp_path / "other" / "a" / "out")


@ROOT_ONLY
def test_what_a_killed_run_left_in_a_mount_point_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with mounted(out, "-t", "tmpfs", "tmpfs"):
        stage = out / ".magicpak-dead0000"
        (stage / "bundle" / "bin").mkdir(parents=True)
        simple(out)
        assert not stage.exists()
        assert "/bin/true" in paths(out)


def test_what_a_living_run_has_in_output_is_not_touched(tmp_path: Path) -> None:
    stage = tmp_path / ".magicpak-alive000"
    (stage / "bundle").mkdir(parents=True)
    with destination.locked(str(stage)), pytest.raises(DestinationNotEmpty):
        simple(tmp_path)
    assert (stage / "bundle").is_dir()


def test_what_only_looks_like_a_stage_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / ".magicpak-mine").mkdir()
    (tmp_path / ".magicpak-mine" / "notes").touch()
    with pytest.raises(DestinationNotEmpty):
        simple(tmp_path)
    assert listing(tmp_path / ".magicpak-mine") == ["notes"]


@ROOT_ONLY
@pytest.mark.parametrize("output", ["ro/out", "ro/a/b", "ro"])
def test_a_read_only_place_is_told(tmp_path: Path, output: str) -> None:
    with mounted(tmp_path / "ro", "-t", "tmpfs", "-o", "ro", "tmpfs"):
        message = failed(magicpak("/bin/true", output, cwd=tmp_path))
    assert message.startswith("IO error: Read-only file system (os error 30): ")
    assert str(tmp_path / "ro") in message


def test_a_path_that_is_too_long_is_told_and_nothing_stays(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    # As most users have it: fewer descriptors than there are levels to remove.
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
    try:
        message = failed(magicpak("-r", "x/" * 3000, "/bin/true", "out", cwd=tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert message.startswith("IO error: File name too long (os error 36): out/x/")
    assert list(tmp_path.iterdir()) == []


@ROOT_ONLY
def test_a_full_disk_is_told_and_leaves_output_as_it_was(tmp_path: Path) -> None:
    small = tmp_path / "small"
    (tmp_path / "large").write_bytes(os.urandom(3 << 20))
    for output in (small, small / "out", small / "a" / "out"):
        with mounted(small, "-t", "tmpfs", "-o", "size=2m", "tmpfs"):
            (small / "out").mkdir(exist_ok=output.name == "out")
            if output == small:
                (small / "out").rmdir()
            before = facts(small)
            message = failed(magicpak("-i", tmp_path / "large", "/bin/true", output))
            assert message.startswith("IO error: No space left on device (os error 28): ")
            assert str(output) in message
            assert facts(small).keys() == before.keys()


@ROOT_ONLY
@pytest.mark.needs("busybox")
def test_a_disk_that_has_no_room_for_the_test_is_named(tmp_path: Path) -> None:
    report = pack(Options(("/bin/true",), str(tmp_path / "measured")))
    room = f"size={report.size + (500 << 10)}"  # less than a busybox
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", room, "tmpfs"):
        message = failed(magicpak("--test", "/bin/true", tmp_path / "small" / "out"))
        start = "IO error: No space left on device (os error 28): "
        assert message.startswith(f"{start}{tmp_path}/small/")
        assert list((tmp_path / "small").iterdir()) == []


# Unprivileged


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


@ROOT_ONLY
def test_an_unprivileged_user_can_bundle(open_path: Path) -> None:
    run = as_nobody("-i", "/etc/passwd", "/bin/true", "out", cwd=open_path)
    assert done(run) == []
    assert {"/bin/true", "/etc/passwd"} <= paths(open_path / "out")
    assert {path.lstat().st_uid for path in (open_path / "out").rglob("*")} == {NOBODY}


@ROOT_ONLY
def test_an_output_of_another_user_in_a_sticky_directory_is_filled(open_path: Path) -> None:
    out = open_path / "out"
    out.mkdir()
    out.chmod(0o777)
    assert done(as_nobody("/bin/true", "out", cwd=open_path)) == []
    assert "/bin/true" in paths(out)
    assert out.stat().st_uid == 0
    assert listing(open_path) == ["out"]


@ROOT_ONLY
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


@ROOT_ONLY
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


@ROOT_ONLY
@pytest.mark.parametrize("args", [("secret",), ("-i", "secret", "/bin/true")])
def test_an_unreadable_file_is_told(open_path: Path, args: tuple[str, ...]) -> None:
    (open_path / "secret").write_bytes(Path("/bin/true").read_bytes())
    (open_path / "secret").chmod(0)
    message = failed(as_nobody(*args, "out", cwd=open_path))
    assert message.startswith("IO error: Permission denied (os error 13): ")
    assert message.endswith("secret")
    assert listing(open_path) == ["secret"]


def test_without_a_temporary_directory_the_error_is_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.mkdtemp", nowhere)
    with pytest.raises(IoError, match="No usable temporary directory"):
        simple(tmp_path / "out")


# The same again


def test_two_runs_write_the_same_tree(tmp_path: Path) -> None:
    (tmp_path / "conf" / "sub").mkdir(parents=True)
    (tmp_path / "conf" / "f").write_text("x")
    (tmp_path / "conf" / "l").symlink_to("f")
    trees = []
    for name in ("one", "two"):
        out = tmp_path / name
        simple(out, include=(str(tmp_path / "conf"),), mkdir=("/tmp", "/new"))
        trees.append(facts(out))
        time.sleep(0.02)
    assert trees[0] == trees[1]


def test_source_date_epoch_clamps_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, at in (("old", 100), ("new", 10_000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5000")
    out = tmp_path / "out"
    simple(out, include=(str(tmp_path / "old"), str(tmp_path / "new")), mkdir=("/made",))
    root = out / str(tmp_path).lstrip("/")
    assert (root / "old").stat().st_mtime == 100
    assert (root / "new").stat().st_mtime == 5000
    assert max(path.lstat().st_mtime for path in (out, *out.rglob("*"))) == 5000


@pytest.mark.parametrize("text", ["abc", "-1", "1e9", "\N{ARABIC-INDIC DIGIT THREE}"])
def test_a_source_date_epoch_that_is_no_time_is_told(tmp_path: Path, text: str) -> None:
    lines = done(magicpak("/bin/true", tmp_path / "out", SOURCE_DATE_EPOCH=text))
    assert lines == [
        f"warning: SOURCE_DATE_EPOCH={text} has no effect: it is no number of seconds"
    ]


@pytest.mark.parametrize("existing", [False, True])
def test_eight_runs_side_by_side_do_not_disturb_each_other(
    tmp_path: Path, existing: bool
) -> None:
    if existing:
        (tmp_path / "outs").mkdir()
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "magicpak", "/bin/true", tmp_path / "outs" / str(number)],
            stderr=subprocess.PIPE,
        )
        for number in range(8)
    ]
    for run in runs:
        _, stderr = run.communicate(timeout=60)
        assert (run.returncode, stderr) == (0, b"")
    trees = [facts(tmp_path / "outs" / str(number)) for number in range(8)]
    assert all(tree == trees[0] for tree in trees)
    assert len(listing(tmp_path / "outs")) == 8


# Endings


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A file that takes a second to copy to a slow disk."""
    path = tmp_path / "big"
    path.write_bytes(bytes(50 << 20))
    return path


def started(tmp_path: Path, *args: str | Path, **settings: str) -> subprocess.Popen[bytes]:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    env = os.environ | {"TMPDIR": str(scratch)} | settings
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_DISK, *args], cwd=tmp_path, env=env,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def staged_in(directory: Path) -> list[Path]:
    return list(directory.glob(".magicpak-*"))


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGKILL])
@pytest.mark.parametrize("existing", [True, False])
def test_a_signal_while_copying_leaves_output_as_it_was(
    tmp_path: Path, big: Path, number: signal.Signals, existing: bool
) -> None:
    out = tmp_path / "to" / "out"
    if existing:
        out.mkdir(parents=True)
    run = started(tmp_path, "-i", big, "/bin/true", out)
    wait_for(lambda: staged_in(tmp_path if not existing else out.parent))
    run.send_signal(number)
    _, stderr = run.communicate(timeout=30)
    assert out.exists() == existing
    assert not existing or listing(out) == []
    if number == signal.SIGKILL:
        assert run.returncode == -signal.SIGKILL
        return
    assert run.returncode == 128 + number
    assert stderr.decode().splitlines()[-1] == f"error: ended by {number.name}"
    assert listing(tmp_path) == ["big", "scratch", "to"] if existing else ["big", "scratch"]
    assert listing(tmp_path / "scratch") == []


@pytest.mark.needs("cc")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_a_tool_runs_leaves_no_process_and_no_file(
    tmp_path: Path, number: signal.Signals
) -> None:
    tool = tmp_path / "slow-upx"
    tool.write_text('#!/bin/sh\ntouch "$STARTED"\nsleep 12.345 &\nwait\n')
    tool.chmod(0o755)
    run = started(
        tmp_path, "-c", "--upx", "./slow-upx", "/bin/true", "out", STARTED=f"{tmp_path}/started"
    )
    wait_for((tmp_path / "started").exists)
    run.send_signal(number)
    run.communicate(timeout=30)
    assert run.returncode == 128 + number
    assert listing(tmp_path) == ["scratch", "slow-upx", "started"]
    assert listing(tmp_path / "scratch") == []
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")
                if path.exists()]  # fmt: skip
    assert not [command for command in commands if str(tmp_path).encode() in command]


def test_a_second_signal_does_not_stop_the_cleaning_up(tmp_path: Path, big: Path) -> None:
    run = started(tmp_path, "-i", big, "/bin/true", "out")
    wait_for(lambda: staged_in(tmp_path))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        run.send_signal(number)
    run.communicate(timeout=30)
    assert run.returncode in (128 + signal.SIGTERM, 128 + signal.SIGINT)
    assert listing(tmp_path) == ["big", "scratch"]


def test_signals_that_the_caller_ignores_stay_ignored(tmp_path: Path, big: Path) -> None:
    line = 'trap "" HUP INT; exec "$0" -c "$2" -i "$1" /bin/true out'
    run = subprocess.Popen(["sh", "-c", line, sys.executable, big, SLOW_DISK], cwd=tmp_path)
    wait_for(lambda: staged_in(tmp_path))
    run.send_signal(signal.SIGHUP)
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 0
    assert "/bin/true" in paths(tmp_path / "out")


# Copying


def test_holes_stay_holes(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with open(sparse, "wb") as file:
        file.write(b"begin")
        file.seek(64 << 20)
        file.write(b"middle")
        file.truncate(512 << 20)
    simple(tmp_path / "out", include=(str(sparse),))
    copy = tmp_path / "out" / str(sparse).lstrip("/")
    assert copy.stat().st_size == 512 << 20
    assert copy.stat().st_blocks * 512 < 1 << 20
    with open(copy, "rb") as file:
        assert file.read(5) == b"begin"
        file.seek(64 << 20)
        assert file.read(10) == b"middle\0\0\0\0"


@pytest.mark.parametrize("size", [0, 1, 4096, (1 << 20) + 1, (3 << 20) + 17])
def test_files_are_copied_also_where_the_kernel_cannot_do_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    content = os.urandom(size)
    (tmp_path / "f").write_bytes(content)
    for copy_file_range in (os.copy_file_range, refuse, lambda *_: 0):
        monkeypatch.setattr(os, "copy_file_range", copy_file_range)
        counts: list[int] = []
        with open(tmp_path / "g", "wb") as out:
            copying.copy(str(tmp_path / "f"), out.fileno(), counts.append)
        assert (tmp_path / "g").read_bytes() == content
        assert sum(counts) == size


# Steps that only another process or a test in the jail can bring about


def small_plan() -> Bundle:
    meta = Meta(0o555, os.geteuid(), os.getegid())
    content = {"content": b"as planned", "size": 10}
    entries = {
        "/d": Directory(meta),
        "/d/one": File("", (0, 0), meta=meta, **content),  # type: ignore[arg-type]
        "/d/two": File("", (0, 0), meta=meta, **content),  # type: ignore[arg-type]
        "/l": Link("d/one", meta),
    }
    origin = Origin(Why.INPUT)
    return Bundle().add(Placed(BundlePath(p), entry, origin) for p, entry in entries.items())


def no_progress(_count: int) -> None:
    """Show nothing."""


def test_what_a_test_has_altered_is_written_once_more(tmp_path: Path) -> None:
    target = destination.destination(str(tmp_path / "out"))
    with emit.staged(small_plan(), target, no_progress) as stage:
        Path(stage.tree, "d/one").chmod(0o700)
        Path(stage.tree, "d/one").write_text("altered")
        stage.rewrite(("/d/one", "/d/two"))
        stage.commit()
    tree = facts(tmp_path / "out")
    assert tree["d/one"] == tree["d/two"]
    assert tree["d/one"][3] == (b"as planned", 2)
    assert tree["d"][0] == "dr-xr-xr-x"
    (tmp_path / "out" / "d").chmod(0o700)


def test_an_output_that_was_filled_meanwhile_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for made in (False, True):
        target = destination.destination(str(out))
        with emit.staged(small_plan(), target, no_progress) as stage:
            out.mkdir(exist_ok=made)
            (out / "theirs").touch()
            with pytest.raises(DestinationNotEmpty):
                stage.commit()
        assert listing(out) == ["theirs"]
        assert listing(tmp_path) == ["out"]
        (out / "theirs").unlink()


def test_a_fill_that_fails_half_way_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rename = os.rename

    def refuse_the_second(source: str, place: str) -> None:
        if place == str(tmp_path / "l"):
            raise OSError(errno.EIO, "Input/output error", place)
        rename(source, place)

    target = destination.destination(".")
    with emit.staged(small_plan(), target, no_progress) as stage:
        monkeypatch.setattr(os, "rename", refuse_the_second)
        with pytest.raises(IoError, match="Input/output error"):
            stage.commit()
    assert listing(tmp_path) == []

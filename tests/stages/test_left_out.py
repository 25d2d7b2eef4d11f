"""What a traced run used and is no part of an image is left out, and told, if not included."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import COMMAND, done, magicpak, paths

pytestmark = pytest.mark.needs("strace")


def traced(tmp_path: Path, *files: Path | str, options: tuple[str, ...] = ()) -> list[str]:
    """Bundle cat(1) with what it reads; return what was told."""
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    arguments = [f"--dynamic-arg={file}" for file in files]
    return done(magicpak("-d", *arguments, *options, "/bin/cat", tmp_path / "out"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    for name in (".netrc", ".npmrc", ".ssh/known_hosts", ".ssh/id_rsa", ".history", "notes"):
        (tmp_path / "home" / name).write_text("s3cr3t")
    (tmp_path / "home" / "host_key").write_text("-----BEGIN PRIVATE KEY-----\ns3cr3t\n")
    return tmp_path / "home"


def names(tmp_path: Path) -> set[str]:
    top = f"{tmp_path}/home/"
    return {path.removeprefix(top) for path in paths(tmp_path / "out") if path.startswith(top)}


def test_secrets_are_left_out_with_a_line_for_each_kind_that_names_them(
    tmp_path: Path, home: Path
) -> None:
    files = (".netrc", ".npmrc", ".ssh/known_hosts", ".history", "host_key", "notes")
    told = traced(tmp_path, *(home / name for name in files))
    assert names(tmp_path) == {"notes"}
    start = "warning: left out: files that hold"
    end = "to bundle them:"
    assert told == [
        f"{start} histories of what was typed; {end} --include {home}/.history",
        f"{start} passwords or tokens; {end} --include {home}/.netrc --include {home}/.npmrc",
        f"{start} private keys; {end} --include {home}/.ssh/known_hosts --include {home}/host_key",
    ]


@pytest.mark.parametrize(
    "patterns", ["{}/.netrc {}/host_key", "{}/.n* {}/host_*", "{}/", "{}/*", "{}/../**/home"]
)
def test_what_is_included_is_not_left_out_and_nothing_warns(
    tmp_path: Path, home: Path, patterns: str
) -> None:
    options = tuple(f"--include={pattern.format(home)}" for pattern in patterns.split())
    assert traced(tmp_path, home / ".netrc", home / "host_key", options=options) == []
    assert {".netrc", "host_key"} <= names(tmp_path)


def test_what_the_warning_says_brings_the_file_whatever_its_name(tmp_path: Path) -> None:
    odd = tmp_path / "a [b]* ?'c"
    odd.mkdir()
    (odd / ".npmrc").write_text("x")
    (told,) = traced(tmp_path, odd / ".npmrc")
    option = told.partition("to bundle them: ")[2]
    command = " ".join(COMMAND)
    again = f"{command} -d {option} --dynamic-arg=\"$1\" /bin/cat \"$2\""
    out = tmp_path / "again"
    run = subprocess.run(
        ["sh", "-c", again, "sh", odd / ".npmrc", out], capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    assert (out / str(odd / ".npmrc")[1:]).read_text() == "x"


def test_a_directory_of_secrets_is_included_with_a_part_of_it(tmp_path: Path, home: Path) -> None:
    options = ("-i", f"{home}/.ssh/known_hosts", "--dynamic-allow-failure")
    told = traced(tmp_path, home / ".ssh", home / ".ssh/known_hosts", options=options)
    assert [line for line in told if "left out" in line] == []
    assert names(tmp_path) == {".ssh/known_hosts"}


def test_of_many_files_a_warning_names_some(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    files = [tmp_path / ".ssh" / f"{number:03}" for number in range(50)]
    for file in files:
        file.write_text("x")
    (told,) = traced(tmp_path, *files)
    assert told.count("--include") == 20
    assert told.endswith(" and 30 more")


@pytest.fixture
def loose() -> Iterator[Path]:
    path = Path(f"/tmp/magicpak-test-{os.getpid()}.txt")
    path.write_text("x")
    yield path
    path.unlink(missing_ok=True)


def test_what_lies_loose_in_a_temporary_directory_is_input_of_the_run(
    tmp_path: Path, loose: Path
) -> None:
    (told,) = traced(tmp_path, loose)
    assert f"--include {loose}" in told
    assert str(loose) not in paths(tmp_path / "out")
    assert traced(tmp_path, loose, options=("-i", str(loose))) == []
    assert str(loose) in paths(tmp_path / "out")


@pytest.mark.needs("mounts", "root")
def test_what_is_mounted_is_left_out_and_told(tmp_path: Path) -> None:
    for name in ("secret", "token", "plain"):
        (tmp_path / name).write_text("x")
    (tmp_path / "cache").mkdir()
    script = (
        'cd "$1"; mount --bind secret token; mount -t tmpfs none cache; echo x > cache/x;'
        ' cd /; top=$1; shift; "$@" -d --dynamic-arg="$top/token" --dynamic-arg="$top/cache/x"'
        ' --dynamic-arg="$top/plain" /bin/cat "$top/out"'
    )
    run = subprocess.run(
        ["unshare", "-m", "sh", "-ec", script, "sh", tmp_path, *COMMAND],
        capture_output=True,
        text=True,
        check=True,
    )
    (told,) = run.stderr.splitlines()
    assert told.startswith("warning: left out: files that lie on mounts")
    assert told.endswith(f": --include {tmp_path}/cache/x --include {tmp_path}/token")
    bundled = {path for path in paths(tmp_path / "out") if path.startswith(str(tmp_path))}
    assert bundled == {f"{tmp_path}/plain"}


@pytest.mark.needs("root")
def test_a_secret_of_run_is_left_out_and_told(tmp_path: Path) -> None:
    place = Path("/run/secrets")
    made = not place.exists()
    place.mkdir(exist_ok=True)
    token = place / f"magicpak-test-{os.getpid()}"
    token.write_text("x")
    try:
        (told,) = traced(tmp_path, token)
    finally:
        token.unlink()
        if made:
            place.rmdir()
    assert f"--include {token}" in told
    assert str(token) not in paths(tmp_path / "out")

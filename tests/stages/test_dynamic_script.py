"""Several programs, exercised together: ``--dynamic-script``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.command import done, failed, magicpak, paths
from support.machine import free_port, running
from support.programs import Compile, script
from support.traces import HEAD, PYTHON, needs_cc, needs_strace

READER = HEAD + (
    "int main(int n, char **v) {"
    " for (int i = 1; i < n; i++) if (open(v[i], O_RDONLY) < 0) return i;"
    ' if (getenv("THEN")) return system(getenv("THEN")); return 0; }'
)
"""A program that opens its arguments, and then runs the command THEN."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("first", "second", "helper", "tool", "shell"):
        (tmp_path / "data" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    return tmp_path / "data"


def bundled(out: Path, data: Path) -> set[str]:
    return {path.rpartition("/")[2] for path in paths(out) if path.startswith(f"{data}/")}


@needs_cc
def test_what_the_inputs_and_their_children_use_is_bundled_and_nothing_of_shell_and_tools(
    tmp_path: Path, data: Path, compile_c: Compile
) -> None:
    one, two = compile_c("one", READER), compile_c("two", READER)
    command = (
        f"set -e; cat {data}/tool; . {data}/shell 2>/dev/null || :; {one} {data}/first; "
        f"THEN='cat {data}/helper' env {two} {data}/second"
    )
    (data / "shell").write_text("true")
    out = tmp_path / "out"
    warnings = done(magicpak("--dynamic", "--dynamic-script", command, one, two, out))
    assert not warnings
    assert bundled(out, data) == {"first", "second", "helper"}
    found = paths(out)
    assert {"/bin/sh", str(one), str(two)} <= found or "/usr/bin/sh" in found
    assert any(path.endswith("/bin/cat") for path in found)  # that of two's shell
    assert not any(path.endswith("/env") for path in found)


@needs_cc
def test_a_program_counts_by_its_file_whatever_name_it_is_started_by(
    tmp_path: Path, data: Path, compile_c: Compile
) -> None:
    one = compile_c("one", READER)
    (tmp_path / "link").symlink_to("one")
    command = f"cd {tmp_path} && ./link data/first"
    done(magicpak("--dynamic", "--dynamic-script", command, one, tmp_path / "out"))
    assert bundled(tmp_path / "out", data) == {"first"}
    assert str(tmp_path / "link") not in paths(tmp_path / "out")


@needs_strace
def test_a_script_counts_by_its_interpreter_too(tmp_path: Path, data: Path) -> None:
    app = tmp_path / "app"
    app.write_text(f"#!{PYTHON}\nimport sys, colorsys; open(sys.argv[1])\n")
    app.chmod(0o755)
    command = f"{app} {data}/first && {PYTHON} {app} {data}/second"
    done(magicpak("--dynamic", "--dynamic-script", command, app, tmp_path / "out"))
    assert bundled(tmp_path / "out", data) == {"first", "second"}
    assert any(path.endswith("/colorsys.py") for path in paths(tmp_path / "out"))


@needs_cc
@pytest.mark.parametrize("pattern", ["{tmp_path}/tw?", "{tmp_path}/bin"])
def test_what_is_bundled_by_a_pattern_counts_as_well(
    tmp_path: Path, data: Path, compile_c: Compile, pattern: str
) -> None:
    one, two = compile_c("one", READER), compile_c("bin/two", READER)
    (tmp_path / "two").symlink_to(two)
    command = f"{one} {data}/first; {two} {data}/second"
    options = ("--dynamic", "--dynamic-script", command, "-i", pattern.format(tmp_path=tmp_path))
    done(magicpak(*options, one, tmp_path / "out"))
    assert bundled(tmp_path / "out", data) == {"first", "second"}


@needs_cc
def test_the_shell_counts_where_it_becomes_a_program(
    tmp_path: Path, data: Path, compile_c: Compile
) -> None:
    one = compile_c("one", READER)
    command = f"cat {data}/tool; exec {one} {data}/first"
    done(magicpak("--dynamic", "--dynamic-script", command, one, tmp_path / "out"))
    assert bundled(tmp_path / "out", data) == {"first"}


@needs_cc
def test_what_the_script_makes_is_not_bundled_and_what_it_changes_is_told(
    tmp_path: Path, data: Path, compile_c: Compile
) -> None:
    one = compile_c("one", READER)
    command = (
        f"mkdir {data}/made; echo > {data}/made/by-the-shell; cp {data}/tool {data}/by-a-tool; "
        f"echo more > {data}/second; "
        f"{one} {data}/made/by-the-shell {data}/by-a-tool {data}/second {data}/first"
    )
    lines = done(magicpak("--dynamic", "--dynamic-script", command, one, tmp_path / "out"))
    assert bundled(tmp_path / "out", data) == {"first", "second"}
    assert [f"{data}/second" in line for line in lines] == [True]
    assert not (tmp_path / "out" / f"{data}/made"[1:]).exists()


@needs_strace
def test_a_program_that_the_script_does_not_run_is_told(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = magicpak("--dynamic", "--dynamic-script", "/bin/true", "/bin/true", "/bin/cat", out)
    (warning,) = done(run)
    assert warning.startswith("warning: --dynamic-script has not run /bin/cat")


@needs_cc
def test_servers_that_the_script_leaves_behind_are_ended(
    tmp_path: Path, data: Path, compile_c: Compile
) -> None:
    one = compile_c("one", READER)
    mark = "86400.41"
    command = f"THEN='sleep {mark}' {one} {data}/first & sleep 0.5; echo done"
    for options in ([], ["--dynamic-timeout", "60"]):
        out = tmp_path / f"out{len(options)}"
        done(magicpak("--dynamic", "--dynamic-script", command, *options, one, out))
        assert bundled(out, data) == {"first"}
        assert not running(mark)


@pytest.mark.needs("strace", "redis-server", "redis-cli")
def test_a_server_and_its_client_are_bundled_together(tmp_path: Path) -> None:
    port = free_port()
    server, client = str(shutil.which("redis-server")), str(shutil.which("redis-cli"))
    (tmp_path / "redis.conf").write_text(f"port {port}\ndir {tmp_path}\n")
    command = (
        f"{server} {tmp_path}/redis.conf & until {client} -p {port} ping; do sleep 0.1; done; "
        f"{client} -p {port} set a b && {client} -p {port} save && "
        f"{client} -p {port} shutdown; wait"
    )
    out = tmp_path / "out"
    done(magicpak("--dynamic", "--dynamic-script", command, server, client, out))
    assert {server, client, str(tmp_path / "redis.conf")} <= paths(out)
    assert str(tmp_path / "dump.rdb") not in paths(out)
    assert not running(str(port))


@needs_strace
def test_a_script_that_fails_fails_the_run_unless_it_may(tmp_path: Path) -> None:
    options = ("--dynamic", "--dynamic-script", "/bin/true; echo no >&2; exit 7", "/bin/true")
    text = failed(magicpak(*options, tmp_path / "out"))
    assert text.startswith("Dynamic analysis subprocess failed: exit status: 7; stderr: no")
    (warning,) = done(magicpak(*options, "--dynamic-allow-failure", tmp_path / "out"))
    assert warning == "warning: --dynamic-script failed: exit status: 7"


@needs_strace
def test_a_script_is_ended_by_the_timeout(tmp_path: Path) -> None:
    command = "/bin/true; sleep 86400.42"
    options = ("--dynamic", "--dynamic-script", command, "--dynamic-timeout", "1")
    done(magicpak(*options, "/bin/true", tmp_path / "out"))
    assert not running("86400.42")


@pytest.mark.parametrize(
    "option",
    [
        ("--dynamic-arg", "x"),
        ("--dynamic-run", "x"),
        ("--dynamic-stdin", ""),
        ("--dynamic-command", "x"),
        ("--dynamic-wait-for", "80"),
    ],
)
def test_options_of_runs_do_not_go_with_a_script(tmp_path: Path, option: tuple[str, str]) -> None:
    out = tmp_path / "out"
    run = magicpak("--dynamic", "--dynamic-script", "x", *option, "/bin/true", out)
    assert failed(run).startswith(f"--dynamic-script does not go with {option[0]}; ")
    assert not out.exists()


@needs_strace
def test_a_script_without_a_shell_is_named(tmp_path: Path) -> None:
    strace = script(tmp_path / "strace", 'case "$*" in *-c*) echo "cannot" >&2; exit 1;; esac')
    options = ("--dynamic", "--dynamic-script", "true", "--strace", strace)
    assert "cannot start /bin/sh" in failed(magicpak(*options, "/bin/true", tmp_path / "out"))

"""The command line: every option in every form that clap, which magicpak 1.4.0 used, takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from magicpak import cli
from magicpak.options import Options
from support.command import done, failed, magicpak, paths

IN_OUT = ("app", "out")
SINGLE = {
    "--install-to": "install_to",
    "--log-level": "log_level",
    "--test-command": "test_command",
    "--test-stdin": "test_stdin",
    "--test-stdout": "test_stdout",
    "--dynamic-stdin": "dynamic_stdin",
    "--busybox": "busybox",
    "--upx": "upx",
    "--strace": "strace",
    "--cc": "cc",
    "--sysroot": "sysroot",
}
REPEATABLE = {
    "--include": "include",
    "--exclude": "exclude",
    "--mkdir": "mkdir",
    "--dynamic-arg": "dynamic_arg",
    "--dynamic-run": "dynamic_run",
    "--upx-arg": "upx_arg",
}
FLAGS = {
    "--verbose": "verbose",
    "--test": "test",
    "--dynamic": "dynamic",
    "--compress": "compress",
    "--experimental-noload-resolver": "noload_resolver",
}


@pytest.fixture(autouse=True)
def no_cc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)


def parse(*args: str) -> dict[str, Any]:
    """Return what the arguments mean."""
    return dict(cli.command.make_context("magicpak", list(args)).params)


def refused(*args: str) -> str:
    """Return why arguments are a wrong command line."""
    with pytest.raises(click.UsageError) as raised:
        parse(*args)
    return raised.value.format_message()


def value_for(option: str) -> str:
    return "Info" if option == "--log-level" else "va lue"


@pytest.mark.parametrize("option", SINGLE)
def test_a_value_follows_a_long_option_after_a_space_or_an_equals_sign(option: str) -> None:
    value = value_for(option)
    assert parse(option, value, *IN_OUT)[SINGLE[option]] == value
    assert parse(f"{option}={value}", *IN_OUT)[SINGLE[option]] == value


@pytest.mark.parametrize("option", REPEATABLE)
def test_a_repeatable_option_collects_its_values_in_order(option: str) -> None:
    parsed = parse(option, "one", *IN_OUT, f"{option}=two", option, "")
    assert parsed[REPEATABLE[option]] == ("one", "two", "")


@pytest.mark.parametrize("form", [["-rbin/"], ["-r", "bin/"], ["-r=bin/"]])
def test_a_value_follows_a_short_option_in_three_ways(form: list[str]) -> None:
    assert parse(*form, *IN_OUT)["install_to"] == "bin/"


def test_an_equals_sign_of_the_value_itself_stays() -> None:
    assert parse("-i=a=b", *IN_OUT)["include"] == ("a=b",)
    assert parse("-i==b", *IN_OUT)["include"] == ("=b",)
    assert parse("-ia=b", *IN_OUT)["include"] == ("a=b",)
    assert parse("--include==b", *IN_OUT)["include"] == ("=b",)
    assert parse("-i", "=b", *IN_OUT)["include"] == ("=b",)


def test_a_value_may_be_empty() -> None:
    assert parse("--test-stdout=", *IN_OUT)["test_stdout"] == ""
    assert parse("--test-stdout", "", *IN_OUT)["test_stdout"] == ""
    assert parse("-i=", *IN_OUT)["include"] == ("",)


@pytest.mark.parametrize(("short", "long"), [
    ("-i", "include"), ("-e", "exclude"), ("-r", "install_to"),
])  # fmt: skip
def test_short_options_with_values_mean_the_long_ones(short: str, long: str) -> None:
    assert parse(short, "x", *IN_OUT) == parse(f"--{long.replace('_', '-')}", "x", *IN_OUT)


@pytest.mark.parametrize(("short", "long"), [
    ("-v", "verbose"), ("-t", "test"), ("-d", "dynamic"), ("-c", "compress"),
])  # fmt: skip
def test_short_flags_mean_the_long_ones(short: str, long: str) -> None:
    assert parse(short, *IN_OUT) == parse(f"--{long}", *IN_OUT)
    assert parse(short, *IN_OUT)[long] is True


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_is_off_unless_given_and_takes_no_value(flag: str) -> None:
    assert parse(*IN_OUT)[FLAGS[flag]] is False
    assert parse(flag, *IN_OUT)[FLAGS[flag]] is True
    assert "does not take a value" in refused(f"{flag}=yes", *IN_OUT)


def test_short_flags_combine_also_with_an_option_at_the_end() -> None:
    parsed = parse("-tvdc", *IN_OUT)
    assert all(parsed[name] for name in ("test", "verbose", "dynamic", "compress"))
    for form in (["-tvr", "/bin/"], ["-tvr/bin/"], ["-tvr=/bin/"]):
        parsed = parse(*form, *IN_OUT)
        assert (parsed["test"], parsed["verbose"], parsed["install_to"]) == (True, True, "/bin/")


@pytest.mark.parametrize("args", [
    ("-v", "-r", "/bin/", "a", "b", "out"),
    ("a", "-v", "b", "-r/bin/", "out"),
    ("a", "b", "out", "-r", "/bin/", "-v"),
    ("-v", "-r", "/bin/", "--", "a", "b", "out"),
    ("a", "-vr=/bin/", "--", "b", "out"),
])  # fmt: skip
def test_options_go_before_between_and_after_the_positionals(args: tuple[str, ...]) -> None:
    parsed = parse(*args)
    assert (parsed["inputs"], parsed["output"]) == (("a", "b"), "out")
    assert (parsed["verbose"], parsed["install_to"]) == (True, "/bin/")


def test_two_hyphens_end_the_options() -> None:
    parsed = parse("--", "-v", "--test", "-r=x")
    assert parsed["inputs"] == ("-v", "--test")
    assert parsed["output"] == "-r=x"
    assert not parsed["verbose"]


def test_one_hyphen_is_a_name() -> None:
    assert parse("-", "out")["inputs"] == ("-",)
    assert parse("--test-stdin", "-", *IN_OUT)["test_stdin"] == "-"


@pytest.mark.parametrize("option", ["--upx-arg", "--dynamic-arg", "--dynamic-run"])
@pytest.mark.parametrize("value", ["--best", "-9", "-v", "--", "-r=x", "--test"])
def test_arguments_for_other_programs_may_begin_with_a_hyphen(option: str, value: str) -> None:
    name = REPEATABLE[option]
    for form in ([option, value], [f"{option}={value}"]):
        parsed = parse(*form, *IN_OUT)
        assert parsed[name] == (value,)
        assert parsed["inputs"] == ("app",)
        assert not parsed["verbose"]
        assert not parsed["test"]


@pytest.mark.parametrize("option", [*SINGLE, "--include", "--exclude", "--mkdir", "-i", "-r"])
def test_other_values_begin_with_a_hyphen_only_where_attached(option: str) -> None:
    assert "needs a value" in refused(option, "-v", *IN_OUT)
    if option != "--log-level":
        attached = f"{option}=-v"
        assert "-v" in str(parse(attached, *IN_OUT))


def test_a_value_is_not_taken_from_behind_the_end() -> None:
    assert "requires an argument" in refused(*IN_OUT, "--mkdir")
    assert "requires an argument" in refused(*IN_OUT, "-tr")


@pytest.mark.parametrize("option", [*SINGLE, "-r"])
def test_a_single_valued_option_given_twice_is_an_error(option: str) -> None:
    value = value_for(option)
    assert "cannot be given twice" in refused(option, value, *IN_OUT, option, value)
    assert "cannot be given twice" in refused(f"{option}={value}", f"{option}={value}", *IN_OUT)


def test_the_short_and_the_long_form_are_the_same_option() -> None:
    assert "--install-to" in refused("-ra", "--install-to", "b", *IN_OUT)


def test_what_looks_like_an_option_in_a_value_is_none() -> None:
    parsed = parse("--upx-arg", "--install-to", "--upx-arg", "--install-to=x", *IN_OUT)
    assert parsed["upx_arg"] == ("--install-to", "--install-to=x")
    assert parsed["install_to"] is None


@pytest.mark.parametrize("option", ["--incl=x", "--verb", "--no-such-option", "-x", "-tx", "-5"])
def test_options_are_neither_abbreviated_nor_made_up(option: str) -> None:
    assert "No such option" in refused(option, *IN_OUT)


@pytest.mark.parametrize("args", [("app",), ("-v", "app"), ("--", "app"), ("",)])
def test_one_argument_alone_is_an_input_without_an_output(args: tuple[str, ...]) -> None:
    assert refused(*args) == "Missing argument '<OUTPUT>'"


@pytest.mark.parametrize("args", [(), ("-v",), ("--",)])
def test_an_input_and_the_output_are_needed(args: tuple[str, ...]) -> None:
    assert refused(*args) == "Missing arguments '<INPUT>...' and '<OUTPUT>'"


@pytest.mark.parametrize("level", ["Off", "Error", "Warn", "Info", "Debug"])
def test_log_levels_are_those_of_the_contract(level: str) -> None:
    assert parse("--log-level", level, *IN_OUT)["log_level"] == level


@pytest.mark.parametrize("level", ["off", "INFO", "warn", "Warning", "Trace", ""])
def test_log_levels_are_case_sensitive(level: str) -> None:
    assert "is not one of" in refused(f"--log-level={level}", *IN_OUT)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e9", "x", ""])
@pytest.mark.parametrize("option", ["--test-timeout", "--dynamic-timeout"])
def test_a_time_is_a_positive_number(option: str, seconds: str) -> None:
    assert "not a number of seconds" in refused(f"{option}={seconds}", *IN_OUT)
    assert parse(option, "0.5", *IN_OUT)[option[2:].replace("-", "_")] == 0.5


def test_defaults_are_those_of_the_contract() -> None:
    parsed = parse(*IN_OUT)
    assert parsed["log_level"] == "Warn"
    assert [parsed[tool] for tool in ("busybox", "upx", "strace")] == ["busybox", "upx", "strace"]
    assert parsed["cc"] is None


def test_cc_comes_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "clang")
    assert parse(*IN_OUT)["cc"] == "clang"
    assert parse("--cc", "gcc", *IN_OUT)["cc"] == "gcc"


def test_an_empty_cc_in_the_environment_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "")
    assert parse(*IN_OUT)["cc"] is None


def test_every_option_is_a_field_of_options() -> None:
    parsed = parse(*IN_OUT)
    assert set(parsed) - {"verbose", "log_level"} == set(Options.__dataclass_fields__)
    defaults = Options(("app",), "out")
    assert all(parsed[name] == getattr(defaults, name) for name in Options.__dataclass_fields__)


def test_a_wrong_command_line_exits_2_and_writes_nothing(tmp_path: Path) -> None:
    wrong = [["--no-such", "/bin/true", "out"], ["/bin/true"], ["-rx", "-rx", "a", "out"], ["-i"]]
    for args in wrong:
        run = magicpak(*args, cwd=tmp_path)
        assert failed(run, 2)
        assert "Usage: " in run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["-v", "-h"], ["app", "out", "-h"]])
def test_help_goes_to_stdout(args: list[str]) -> None:
    run = magicpak(*args)
    assert (run.returncode, run.stderr) == (0, "")
    assert "--install-to" in run.stdout


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_goes_to_stdout(option: str) -> None:
    run = magicpak(option)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("magicpak ")


@pytest.mark.parametrize("level", ["Off", "Error", "Warn", "Info", "Debug"])
def test_an_error_is_told_at_every_log_level(tmp_path: Path, level: str) -> None:
    run = magicpak("--log-level", level, tmp_path / "absent", tmp_path / "out")
    assert failed(run).startswith("IO error: No such file or directory (os error 2): ")


def test_a_plain_run_says_nothing_and_verbose_wins(tmp_path: Path) -> None:
    assert done(magicpak("/bin/true", "quiet", cwd=tmp_path)) == []
    lines = done(magicpak("-v", "--log-level=Off", "/bin/true", "out", cwd=tmp_path))
    assert any(line.startswith("info: libraries: ") for line in lines)
    assert lines[-1].startswith("info: ")
    assert lines[-1].endswith(" bytes written to out")
    for level in ("Off", "Error"):
        out = tmp_path / level
        assert done(magicpak("--log-level", level, "-i", "none*", "/bin/true", out)) == []
    assert "matches nothing" in done(magicpak("-i", "none*", "/bin/true", tmp_path / "w"))[0]


def test_options_of_a_stage_that_is_not_run_have_no_effect_but_a_warning(tmp_path: Path) -> None:
    ineffective = [
        "--test-command=false", "--test-stdin=x", "--test-stdout=x", "--test-env=A=b",
        "--test-timeout=1", "--busybox=no-such",
        "--dynamic-arg=--no-such", "--dynamic-stdin=x", "--dynamic-run=x", "--dynamic-timeout=1",
        "--dynamic-command=x", "--dynamic-wait-for=1", "--dynamic-allow-failure",
        "--strace=no-such", "--upx-arg=--no-such", "--upx=no-such",
    ]  # fmt: skip
    said = done(magicpak(*ineffective, "/bin/true", tmp_path / "out"))
    assert paths(tmp_path / "out") >= {"/bin/true"}
    names = [option.partition("=")[0] for option in ineffective]
    assert [line.split()[1] for line in said] == names
    assert said[0] == "warning: --test-command has no effect without --test"
    assert "warning: --strace has no effect without --dynamic or --test" in said


def test_arguments_need_not_be_utf8(tmp_path: Path) -> None:
    name = b"pro\xffgram"
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
        file.write(Path("/bin/true").read_bytes())
    debug = ("--log-level", "Debug", name, b"--mkdir=\xfe", b"o\xfd")
    run = magicpak(*debug, cwd=tmp_path, LC_ALL="C.UTF-8")
    assert "debug: /pro\\xffgram (input pro\\xffgram)" in done(run)
    out = os.path.join(os.fsencode(tmp_path), b"o\xfd")
    assert {name, b"\xfe"} <= set(os.listdir(out))


def test_a_locale_without_utf8_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "näme").write_bytes(Path("/bin/true").read_bytes())
    run = magicpak("-v", "näme", "out", cwd=tmp_path, LC_ALL="POSIX", PYTHONCOERCECLOCALE="0")
    done(run)
    assert "/näme" in paths(tmp_path / "out")


@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_closed_or_full_standard_streams_are_no_obstacle(tmp_path: Path, closing: str) -> None:
    line = f'exec "$0" -m magicpak -v /bin/true out {closing}'
    run = subprocess.run(
        ["sh", "-c", line, sys.executable],
        cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0
    assert b"Traceback" not in run.stderr
    assert "/bin/true" in paths(tmp_path / "out")


def test_help_into_a_closed_pipe_ends_quietly() -> None:
    line = '"$0" -m magicpak --help | true'
    run = subprocess.run(["sh", "-c", line, sys.executable], capture_output=True, check=True)
    assert run.stderr == b""


def test_each_option_of_the_contract_is_in_the_help() -> None:
    shown = magicpak("--help").stdout
    for option in (*SINGLE, *REPEATABLE, *FLAGS, "--help", "--version"):
        assert f"{option} " in shown.replace("\n", " ")


@pytest.mark.parametrize(("args", "status", "streams"), [
    (("/bin/true", "out"), 0, (False, False)),
    (("--explain", "/bin/true", "out"), 0, (True, False)),
    (("--report", "-", "/bin/true", "out"), 0, (True, False)),
    (("-v", "/bin/true", "out"), 0, (False, True)),
    (("/no/such/program", "out"), 1, (False, True)),
    (("--no-such-option", "/bin/true", "out"), 2, (False, True)),
])  # fmt: skip
def test_the_exit_status_and_streams_are_those_that_the_readme_tells(
    tmp_path: Path, args: tuple[str, ...], status: int, streams: tuple[bool, bool]
) -> None:
    run = magicpak(*args, cwd=tmp_path)
    assert run.returncode == status
    assert (run.stdout != "", run.stderr != "") == streams
    assert run.stderr.startswith("error: ") == (status != 0)
    assert (tmp_path / "out").exists() == (status == 0)


ASKED = """
import sys
from magicpak.__main__ import put_off
for name in ("pdb", "os", "no_such_module"):
    put_off(name)
import os, pdb
print("bdb" in sys.modules, "no_such_module" in sys.modules, os.sep)
print(pdb.Pdb.__name__, hasattr(pdb, "nothing"), "bdb" in sys.modules)
"""


def test_a_module_that_is_put_off_is_loaded_when_it_is_asked_for_something() -> None:
    command = [sys.executable, "-c", ASKED]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["False False /", "Pdb False True"]


def test_the_command_begins_without_the_modules_that_few_runs_need() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "magicpak", "--version"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert loaded.isdisjoint({"ast", "bdb", "dis", "linecache"})
    assert {"click", "magicpak.cli"} <= loaded

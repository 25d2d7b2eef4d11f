"""What the user sees: a line for each log record; a bar on a terminal, where copying is slow."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from magicpak import console
from support.command import SLOW_DISK, done, magicpak, on_terminal


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The logger of the project, as it was before at the end."""
    logger = logging.getLogger("magicpak")
    before = (logger.level, logger.propagate, logger.handlers)
    yield logger
    logger.level, logger.propagate, logger.handlers = before
    logger.setLevel(before[0])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("level", "shown"), [
    ("Off", []),
    ("Error", ["error"]),
    ("Warn", ["error", "warning"]),
    ("Info", ["error", "info", "warning"]),
    ("Debug", ["debug", "error", "info", "warning"]),
])  # fmt: skip
def test_a_level_shows_what_is_as_grave_or_graver(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str], level: str, shown: list[str]
) -> None:
    console.set_up(console.Level(level))
    for log in (logger.debug, logger.info, logger.warning, logger.error):
        log("text %s", 1)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert sorted(printed.err.splitlines()) == [f"{label}: text 1" for label in shown]


def test_a_record_is_one_line_whatever_is_in_it(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    console.set_up(console.Level.INFO)
    logger.info("a\nb\r\x1b[31m\x9b\udcff %s [bold]", "x" * 300)
    assert capsys.readouterr().err == (
        "info: a\\nb\\r\\x1b[31m\\x9b\\xff " + "x" * 300 + " [bold]\n"
    )


def test_labels_are_coloured_only_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    console.print_error("text")
    assert capsys.readouterr().err == "error: text\n"
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    console.print_error("text")
    assert terminal.getvalue() == "\x1b[31merror\x1b[0m: text\n"


@pytest.fixture
def colourless(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says nothing of colours."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "CI"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("terminal", "settings", "coloured"),
    [
        (True, {}, True),
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": "0"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (True, {"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        (False, {}, False),
        (True, {"CI": "true"}, True),
        (True, {"CI": "true", "NO_COLOR": "1"}, False),
        (False, {"TERM": "xterm"}, False),
        (False, {"CI": "true"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": ""}, False),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "x"}, False),
    ],
)
def test_colours_are_those_that_the_environment_asks_for(
    colourless: pytest.MonkeyPatch,
    logger: logging.Logger,
    terminal: bool,
    settings: dict[str, str],
    coloured: bool,
) -> None:
    for name, value in settings.items():
        colourless.setenv(name, value)
    stderr = Terminal() if terminal else io.StringIO()
    colourless.setattr(sys, "stderr", stderr)
    console.set_up(console.Level.DEBUG)
    for log in (logger.debug, logger.info, logger.warning, logger.error):
        log("text")
    console.print_error("text")
    lines = stderr.getvalue().splitlines()
    assert [line.startswith("\x1b[") for line in lines] == [coloured] * 5
    assert ("\x1b" in stderr.getvalue()) == coloured


@pytest.mark.parametrize("settings", [("NO_COLOR=1",), ("NO_COLOR=1", "FORCE_COLOR=1")])
def test_a_bar_without_colours_is_a_bar(tmp_path: Path, settings: tuple[str, ...]) -> None:
    shown = shown_by_a_slow_copy(tmp_path, "TERM=xterm-256color", *settings)
    assert "copying" in shown
    assert not re.search(r"\x1b\[[0-9;]*(3[0-9]|4[0-9]|9[0-9])[;m]", shown)


def test_a_dumb_terminal_gets_no_bar_and_no_colour(tmp_path: Path) -> None:
    shown = shown_by_a_slow_copy(tmp_path, "TERM=dumb", "NO_COLOR=")
    assert shown.splitlines() == ["warning: --include none matches nothing"]


def test_help_and_usage_have_no_colours() -> None:
    for args in (["--help"], ["--nope"]):
        run = magicpak(*args, FORCE_COLOR="1", TERM="xterm")
        assert "\x1b" not in run.stdout
        lines = [line for line in run.stderr.splitlines() if "\x1b" in line]
        assert all(line.startswith("\x1b[31merror\x1b[0m: ") for line in lines)


def shown_by_a_slow_copy(directory: Path, *settings: str) -> str:
    """Copy for a second, with a warning; return what a terminal shows."""
    (directory / "big").write_bytes(bytes(50 << 20))
    arguments = ["-i", "none", "-i", "big", "/bin/true", "out"]
    run = [sys.executable, "-c", SLOW_DISK, *arguments]
    status, shown = on_terminal(directory, "env", *settings, *run)
    assert status == 0
    return shown


def test_stderr_that_is_closed_or_broken_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    for stderr in (None, Full()):
        monkeypatch.setattr(sys, "stderr", stderr)
        console.print_error("text")
        with console.progress(10) as advance:
            advance(10)


def test_without_a_terminal_there_is_no_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "PATIENCE", 0)
    with console.progress(10) as advance:
        advance(5)
    assert capsys.readouterr().err == ""


def test_a_quick_copy_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with console.progress(10) as advance:
        advance(5)
        advance(5)
    assert terminal.getvalue() == ""


def test_a_slow_copy_shows_a_bar_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(50 << 20))
    command = [sys.executable, "-c", SLOW_DISK, "-i", "big", "/bin/true", "out"]
    status, shown = on_terminal(tmp_path, *command)
    assert status == 0
    assert "copying" in shown
    assert "MB" in shown
    assert "\x1b[?25h" in shown  # the cursor is back


def test_logs_and_the_bar_share_the_terminal(tmp_path: Path) -> None:
    for name in ("big", "bigger"):
        (tmp_path / name).write_bytes(bytes(40 << 20))
    command = [sys.executable, "-c", SLOW_DISK, "--log-level=Debug", "-i", "big*"]
    command += ["/bin/true", "out"]
    status, shown = on_terminal(tmp_path, *command)
    assert status == 0
    for line in ("/big (included by big*)", "/bigger (included by big*)"):
        assert shown.count(line) == 1
    assert shown.rstrip().endswith("bytes written to out")


def test_a_quick_run_on_a_terminal_prints_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "magicpak", "/bin/true", "out"]
    assert on_terminal(tmp_path, *command) == (0, "")


def test_verbose_tells_each_stage_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("12345")
    (tmp_path / "l").symlink_to("f")
    lines = done(magicpak("-v", "-i", "l", "--mkdir", "/tmp", "-e", "/tm?", "-e", "f",
                          "/bin/true", "out", cwd=tmp_path))  # fmt: skip
    others = [line for line in lines if not line.startswith("info: ")]
    assert others == ["warning: --exclude f matches nothing"]
    told = [line.removeprefix("info: ") for line in lines if line.startswith("info: ")]
    account = [re.sub(r"[\d.]+ s\b", "T s", line) for line in told]
    for expected in (
        r"inputs: \+1 entries, \+[\d.]+ kB, T s",
        r"libraries: \+\d+ entries, \+[\d.]+ MB, T s",
        r"mkdir: \+1 entries, \+0 B, T s",
        r"include: \+2 entries, \+5 B, T s: l matches 1",
        r"exclude: -1 entries, \+0 B, T s: /tm\? matches 1; f matches 0",
    ):
        assert sum(bool(re.fullmatch(expected, line)) for line in account) == 1, expected
    stages = [line.partition(":")[0] for line in account[:-1]]
    assert len(stages) == len(set(stages))
    files = [p for p in (tmp_path / "out").rglob("*") if p.is_file() and not p.is_symlink()]
    size = sum(path.stat().st_size for path in files)
    assert re.fullmatch(
        r"T s( \(.*\))?; largest packages \S+ [\d.]+ .B, .*: "
        rf"{len(files)} files, {size} bytes written to out",
        account[-1],
    )


def test_debug_tells_each_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("12345")
    (tmp_path / "l").symlink_to("f")
    lines = done(magicpak("--log-level", "Debug", "-i", "l", "/bin/true", "out", cwd=tmp_path))
    for expected in (
        "/bin/true (input /bin/true)", "/f (link from /l)", "/l -> f (included by l)",
    ):  # fmt: skip
        assert f"debug: {expected}" in lines


def test_rich_is_imported_only_for_a_bar() -> None:
    code = "import sys; from magicpak import cli, console; print('rich' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.mark.needs("strace", "busybox", "root")
def test_a_terminal_shows_the_stage_that_takes_long(tmp_path: Path) -> None:
    for args, text in (
        (("-d", "--dynamic-arg=1.2", "/bin/sleep"), "tracing"),
        (("-t", "--test-command=sleep 1.2", "/bin/sleep"), "testing"),
    ):
        out = tmp_path / text
        command = (sys.executable, "-m", "magicpak", *args, out)
        status, shown = on_terminal(tmp_path, *command)
        assert status == 0
        assert text in shown
        assert "\x1b[?25h" in shown  # the cursor is there again
        assert text not in done(magicpak(*args, tmp_path / f"{text}-quiet"))


@pytest.mark.needs("busybox", "root")
def test_the_copy_is_no_longer_shown_while_the_bundle_is_tested(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(40 << 20))
    command = [sys.executable, "-c", SLOW_DISK, "-i", "big", "-t", "--test-command=sleep 1.2"]
    status, shown = on_terminal(tmp_path, *command, "/bin/sleep", "out")
    assert status == 0
    assert 0 <= shown.rindex("copying") < shown.index("testing")

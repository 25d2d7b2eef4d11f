"""``magicpak --man``, and the page that pip installs."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import click
import pytest

from magicpak.cli import command
from magicpak.manual import page
from support.command import COMMAND, magicpak

ROOT = Path(__file__).parents[1]
INSTALLED = ROOT / "src/man/magicpak.1"
MAN = {"LC_ALL": "C.UTF-8", "MANWIDTH": "500", "MAN_KEEP_FORMATTING": "", "GROFF_NO_SGR": "1"}


def options() -> list[tuple[str, str]]:
    context = command.make_context("magicpak", ["input", "output"], resilient_parsing=True)
    found = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    return [option.get_help_record(context) or ("", "") for option in found]


def words(text: str) -> str:
    """Return a text without its lines, and the marks of code that the help has."""
    return " ".join(text.replace("`", "").split())


def test_the_page_that_pip_installs_is_the_one_that_the_command_prints() -> None:
    run = magicpak("--man")
    assert (run.returncode, run.stderr) == (0, "")
    assert INSTALLED.read_text() == run.stdout, "run: magicpak --man > src/man/magicpak.1"


def test_each_page_of_the_folder_is_in_the_manual() -> None:
    pages = {path.stem for path in ROOT.glob("src/magicpak/manual/*.md")}
    assert set(page.PAGES) == pages


@pytest.mark.needs("groff")
def test_groff_finds_no_fault_with_the_page() -> None:
    run = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", INSTALLED], capture_output=True, text=True, check=True
    )
    assert run.stderr == ""


@pytest.mark.needs("man")
def test_man_shows_each_option_of_the_help_with_its_text() -> None:
    source = magicpak("--man").stdout
    run = subprocess.run(
        ["man", "-l", "-"], input=source, env={**os.environ, **MAN},
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert run.stderr == ""
    shown = words(re.sub(".\b", "", run.stdout))
    for names, text in options():
        assert f" {names} {words(text)} " in shown


def test_a_terminal_gets_plain_text() -> None:
    master, slave = pty.openpty()
    with subprocess.Popen([*COMMAND, "--man"], stdout=slave, stderr=slave) as child:
        os.close(slave)
        shown = b""
        while part := _read(master):
            shown += part
    os.close(master)
    assert child.returncode == 0
    text = shown.decode()
    assert "\x1b" not in text
    assert "\\f" not in text
    for names, help_text in options():
        assert f" {names} {words(help_text)} " in words(text)
    prose = [line for line in text.splitlines() if not line.startswith("    ")]
    assert max(map(len, prose)) <= 100


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: nobody has the other end open any more
        return b""


def test_the_manual_into_a_closed_pipe_ends_quietly() -> None:
    run = subprocess.run(
        ["sh", "-c", '"$@" --man | true', "sh", *COMMAND], capture_output=True, check=True
    )
    assert run.stderr == b""

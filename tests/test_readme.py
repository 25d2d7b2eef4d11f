"""The README says what the program does."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest

from magicpak.cli import command
from support.command import magicpak

README = Path(__file__).parents[1] / "README.md"


def test_the_option_table_is_what_help_says() -> None:
    told = re.findall(r"^\| `(-.*)` \| (.*) \|$", README.read_text(), re.MULTILINE)
    context = command.make_context("magicpak", ["input", "output"], resilient_parsing=True)
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    assert told == [option.get_help_record(context) for option in options]


def test_every_flag_in_an_example_is_an_option() -> None:
    named = {name for each in command.params for name in each.opts} | {"--help", "-h"}
    blocks = re.findall(r"^```(?:sh|dockerfile)\n(.*?)^```", README.read_text(), re.DOTALL | re.M)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    used = [
        flag
        for line in lines
        if "magicpak " in line and "FROM" not in line and "COPY" not in line
        for flag in re.findall(r"(?<=\s)--[a-z][a-z-]*", line.partition("magicpak ")[2])
    ]
    assert used
    assert set(used) <= named | {"--best", "--lzma"}


def test_every_link_to_a_file_leads_to_one() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text())
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []


@pytest.mark.needs("jq")
def test_what_jq_does_on_a_report_works(tmp_path: Path) -> None:
    text = README.read_text()
    (block,) = re.findall(r"^```sh\n(# What has changed.*?)^```", text, re.DOTALL | re.MULTILINE)
    changed, limit = re.split(r"(?=^# Fail)", block, flags=re.MULTILINE)
    magicpak("-n", "--report", "old.json", "-i", "/etc/hostname", "/bin/ls", "out", cwd=tmp_path)
    magicpak("-n", "--report", "new.json", "-i", "/etc/passwd", "/bin/ls", "out", cwd=tmp_path)

    def bash(text: str) -> subprocess.CompletedProcess[str]:
        command = ("bash", "-c", text)
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    lines = bash(changed).stdout.splitlines()
    found = {line.split("\t")[0] for line in lines if line[0] in "<>"}
    assert found == {"< /etc/hostname", "> /etc/passwd"}
    assert bash(limit).returncode == 0
    assert bash(limit.replace("50e6", "50e3")).returncode == 1

"""The README says what the program does."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest

from magicpak.cli import command
from support.command import magicpak
from support.docker_engine import Engine

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted(ROOT.glob("src/magicpak/manual/*.md"))]
"""The README, and the long explanations that it links to, which the manual has."""


def blocks(kind: str) -> list[str]:
    """Return what all pages show of a kind, as code."""
    text = "\n".join(page.read_text() for page in PAGES)
    return re.findall(rf"^```(?:{kind})\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < 300


def test_the_readme_links_to_each_long_explanation_and_each_recipe() -> None:
    links = re.findall(r"\]\(((?:example|src)/[^)]+)\)", README.read_text())
    linked = {ROOT / link for link in links}
    assert linked >= {*PAGES[1:], *ROOT.glob("example/*/Dockerfile")}


def test_no_page_takes_what_nobody_has_published() -> None:
    shown = blocks("sh|dockerfile") + [path.read_text() for path in ROOT.glob("example/*/*file")]
    taken = re.findall(r"--from=(\S+)|\b(releases/|pipx? install magicpak)", "\n".join(shown))
    assert {name or other for name, other in taken} == {"magicpak", "0"}


@pytest.mark.docker
@pytest.mark.needs("docker")
def test_what_the_readme_begins_with_works_on_a_fresh_machine(engine: Engine) -> None:
    (commands,) = [block for block in blocks("sh") if "apt-get" in block]
    checkout = (
        "cp -r /checkout/src /checkout/pyproject.toml /checkout/README.md /checkout/LICENSE* ."
    )
    run = engine.docker(
        "run", "--rm", "--network", "host", "-v", f"{ROOT}:/checkout:ro", "-w", "/copy",
        engine.base("bookworm"), "sh", "-c", f"{checkout} && {commands}",
    )  # fmt: skip
    assert re.search(r"^curl 7\.", run.stdout, re.MULTILINE)


def test_the_option_table_is_what_help_says() -> None:
    told = re.findall(r"^\| `(-.*)` \| (.*) \|$", README.read_text(), re.MULTILINE)
    context = command.make_context("magicpak", ["input", "output"], resilient_parsing=True)
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    assert told == [option.get_help_record(context) for option in options]


def test_every_flag_in_an_example_is_an_option() -> None:
    named = {name for each in command.params for name in each.opts} | {"--help", "-h"}
    lines = "\n".join(blocks("sh|dockerfile")).replace("\\\n", " ").splitlines()
    used = [
        flag
        for line in lines
        if "magicpak " in line and "FROM" not in line and "COPY" not in line
        for flag in re.findall(r"(?<=\s)--[a-z][a-z-]*", line.partition("magicpak ")[2])
    ]
    assert used
    assert set(used) <= named | {"--best", "--lzma"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.needs("jq")
def test_what_jq_does_on_a_report_works(tmp_path: Path) -> None:
    (block,) = [block for block in blocks("sh") if block.startswith("# What has changed")]
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

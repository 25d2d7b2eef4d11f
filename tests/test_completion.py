"""Shells complete options, the values of some, and files, for the command and the single file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.command import magicpak

BASH = """
eval "$(_MAGICPAK_COMPLETE=bash_source magicpak)"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_magicpak_completion magicpak
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = '_MAGICPAK_COMPLETE=fish_source magicpak | source; complete -C "$argv"'
ZSH = """
autoload -Uz compinit && compinit -u -D
eval "$(_MAGICPAK_COMPLETE=zsh_source magicpak)"
compadd() { print -l -- ${(P)@[-1]}; }
_describe() { print -l -- ${(P)3}; }
_path_files() { print files; }
words=("$@") CURRENT=$#
_magicpak_completion
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which magicpak is the command that is tested."""
    (tmp_path / "bin").mkdir()
    installed = Path(sys.executable).with_name("magicpak")
    (tmp_path / "bin/magicpak").symlink_to(os.environ.get("MAGICPAK_COMMAND") or installed)
    return f"{tmp_path}/bin:{os.environ['PATH']}"


def completed(path: str, shell: str, *words: str) -> set[str]:
    """Return what a real shell offers for the last of some words."""
    lines = {
        "bash": ["bash", "-c", BASH, "bash", *words],
        "zsh": ["zsh", "-f", "-c", ZSH, "zsh", *words],
        "fish": ["fish", "--no-config", "-c", FISH, " ".join(words)],
    }
    run = subprocess.run(
        lines[shell], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return {line.replace("\t", ":").partition(":")[0] for line in run.stdout.splitlines() if line}


@pytest.mark.parametrize("shell", [
    pytest.param(name, marks=pytest.mark.needs(name)) for name in ("bash", "zsh", "fish")
])  # fmt: skip
def test_a_shell_completes_options_and_names(path: str, shell: str) -> None:
    assert {"--with", "--without"} <= completed(path, shell, "magicpak", "--wi")
    assert completed(path, shell, "magicpak", "--with", "aut") == {"auto"}
    assert {"nss", "nginx"} <= completed(path, shell, "magicpak", "--with", "n")
    assert completed(path, shell, "magicpak", "--without", "package") == set()
    assert completed(path, shell, "magicpak", "--log-level", "D") == {"Debug"}
    assert "package-db" in completed(path, shell, "magicpak", "-i", "x", "--with", "pack")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("-i", "/et"), "file"), (("--sysroot", "/et"), "dir"), (("/bin/ls", "/et"), "file"),
        (("--report", ""), "file"), (("--strace", ""), "file"), (("--mkdir", "/"), "dir"),
    ],
)  # fmt: skip
def test_files_and_directories_are_the_shells_part(words: tuple[str, ...], kind: str) -> None:
    line = " ".join(("magicpak", *words))
    settings = {"_MAGICPAK_COMPLETE": "bash_complete", "COMP_CWORD": str(len(words))}
    run = magicpak(COMP_WORDS=line, **settings)
    assert run.stdout == f"{kind},{words[-1]}\n"


def test_the_help_tells_how_each_shell_is_told() -> None:
    shown = magicpak("--help").stdout
    for shell in ("bash", "zsh", "fish"):
        assert f"{shell}_source" in shown

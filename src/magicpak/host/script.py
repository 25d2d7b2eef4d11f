"""Find the program that the kernel runs for a file that begins with ``#!`` (execve(2))."""

from __future__ import annotations

import logging
import os
import re
import shlex
from collections.abc import Callable

from magicpak.errors import MagicpakError

log = logging.getLogger(__name__)

HEAD = 256
"""Bytes of the first line that the kernel reads (BINPRM_BUF_SIZE)."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The usual PATH in a container."""
DEPTH = 5
"""The limit of nested script interpreters; beyond it execve(2) fails with ELOOP."""


class ScriptFailed(MagicpakError):
    """A script's interpreter cannot be found."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"The script cannot run: {self.path}: {self.reason}"


def interpreters(
    path: str, head: bytes, exists: Callable[[str], bool], search: str
) -> tuple[str, ...] | None:
    """List the programs that run a script: its interpreter and, if that is env(1), what env runs.

    Returns None for a file that is no script. ``search`` is the PATH that env searches. Raises
    ScriptFailed if a program is not found.
    """
    if not head.startswith(b"#!"):
        return None
    line = os.fsdecode(head[2:HEAD].split(b"\n")[0]).strip(" \t\r")
    program, *rest = re.split(r"[ \t]+", line, maxsplit=1)
    if not program:
        raise ScriptFailed(path, "its '#!' names no interpreter")
    if not exists(program):
        raise ScriptFailed(path, f"its interpreter {program} is not found; install it")
    if program.rpartition("/")[2] != "env":
        return (program,)
    return program, _run_by_env(path, " ".join(rest), exists, search)


def _run_by_env(path: str, text: str, exists: Callable[[str], bool], search: str) -> str:
    name = _operand(text)
    if name is None:
        raise ScriptFailed(path, "its '#!' names no program for env to run")
    places = [name] if "/" in name else [f"{place}/{name}" for place in search.split(":") if place]
    for place in places:
        if exists(place):
            if "/" not in name and os.path.dirname(place) not in PATH.split(":"):
                log.warning("%s is run by %s: add its directory to PATH in the image", path, place)
            return place
    raise ScriptFailed(path, f"its interpreter {name} is not on PATH; install it")


def _operand(text: str) -> str | None:
    """Return the program in the arguments of env(1), after its options and assignments."""
    text = re.sub(r"^-(?:\w*S|-split-string(?:=|\s))", "", text)
    try:
        words = iter(shlex.split(text))
    except ValueError:  # a quote that is not closed
        words = iter(text.split())
    for word in words:
        if re.fullmatch(r"-\w*[uC]|--unset|--chdir", word):
            next(words, None)  # the option's argument
        elif not word.startswith("-") and "=" not in word:
            return word
    return None

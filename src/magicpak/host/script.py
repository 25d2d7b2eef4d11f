"""Scripts: which program the kernel runs for a file that begins with ``#!`` (execve(2))."""

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
"""Where a container looks for programs."""
DEPTH = 5
"""Scripts that may run one another; then the kernel gives up with ELOOP."""


class ScriptFailed(MagicpakError):
    """A script's interpreter cannot be found."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"The script cannot run: {self.path}: {self.reason}"


def interpreters(
    path: str, head: bytes, exists: Callable[[str], bool], search: str
) -> tuple[str, ...] | None:
    """List the programs that run a script: its interpreter, and what env(1) runs where it is env.

    Returns None for what is no script. ``search`` is the PATH in which env looks. Raises
    ScriptFailed when a program is not there.
    """
    if not head.startswith(b"#!"):
        return None
    line = os.fsdecode(head[2:HEAD].split(b"\n")[0]).strip(" \t\r")
    program, *rest = re.split(r"[ \t]+", line, maxsplit=1)
    if not program:
        raise ScriptFailed(path, "its '#!' names no interpreter")
    if not exists(program):
        raise ScriptFailed(path, f"its interpreter {program} is not there; install it")
    if program.rpartition("/")[2] != "env":
        return (program,)
    return program, _run_by_env(path, " ".join(rest), exists, search)


def _run_by_env(path: str, text: str, exists: Callable[[str], bool], search: str) -> str:
    name = _operand(text)
    if name is None:
        raise ScriptFailed(path, "its '#!' lets env run nothing")
    places = [name] if "/" in name else [f"{place}/{name}" for place in search.split(":") if place]
    for place in places:
        if exists(place):
            if "/" not in name and os.path.dirname(place) not in PATH.split(":"):
                log.warning("%s is run by %s: PATH has to name that in the image", path, place)
            return place
    raise ScriptFailed(path, f"its interpreter {name} is not on PATH; install it")


def _operand(text: str) -> str | None:
    """Return the program among the arguments of env(1): after its options and assignments."""
    text = re.sub(r"^-(?:\w*S|-split-string(?:=|\s))", "", text)
    try:
        words = iter(shlex.split(text))
    except ValueError:  # a quote that is not closed
        words = iter(text.split())
    for word in words:
        if re.fullmatch(r"-\w*[uC]|--unset|--chdir", word):
            next(words, None)  # what it takes
        elif not word.startswith("-") and "=" not in word:
            return word
    return None

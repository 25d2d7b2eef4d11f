"""Find the programs that the kernel runs for a file that begins with ``#!`` (execve(2))."""

import logging
import os
import re
import shlex
from collections.abc import Callable, Sequence
from typing import NamedTuple

from magicpak.errors import MagicpakError, printable

log = logging.getLogger(__name__)

LINE = 256
"""Bytes of the file in which the kernel finds the first line (BINPRM_BUF_SIZE)."""
HEAD = 16 << 10
"""Bytes of a script to read: room for a first line, and for paths in the lines after it."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The usual PATH in a container."""
DEPTH = 5
"""The limit of nested script interpreters; beyond it execve(2) fails with ELOOP."""

SHELLS = frozenset(
    {"ash", "bash", "dash", "ksh", "ksh93", "lksh", "mksh", "posh", "rbash", "sh", "yash", "zsh"}
)

UNSEEN = (
    (rb"\xef\xbb\xbf\s*#!", "a byte order mark precedes its '#!'; save it without one"),
    (rb"\xff\xfe#\0!\0|\xfe\xff\0#\0!", "it is UTF-16; save it as UTF-8"),
    (rb"\s+#!", "its '#!' is not at the start of the file; move it there"),
)
"""Contents that the kernel does not recognize as a script, and what to do."""

IGNORES_CR = ("perl", "ruby")
"""Interpreters that ignore a carriage return after their argument."""

Obstacle = Callable[[str], str]
"""Tells why the program at a path cannot be run; an empty string if it can."""


class ScriptFailed(MagicpakError):
    """A script's interpreter cannot be found or run."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"The script cannot run: {self.path}: {self.reason}"


class Line(NamedTuple):
    """The first line of a script: its interpreter, and the only argument that the kernel passes."""

    interpreter: str
    argument: str
    cut: bool = False
    """Whether the line is longer than what the kernel reads."""


def first_line(path: str, head: bytes) -> Line | None:
    """Read the first line of a script as the kernel does (binfmt_script.c); None if it is none.

    Raises ScriptFailed if the kernel, or the interpreter, fails for such a line.
    """
    if not head.startswith(b"#!"):
        for pattern, reason in UNSEEN:
            if not head.startswith(b"\x7fELF") and re.match(pattern, head):
                raise ScriptFailed(path, reason)
        return None
    text, end, _ = head[:LINE].partition(b"\n")
    cut = not end and len(head) >= LINE
    match = re.fullmatch(rb"#![ \t]*([^ \t\0]*)([ \t\0]?)[ \t]*([^\0]*?)[ \t]*(?:\0.*)?",
                         text[: LINE - 1], re.DOTALL)  # fmt: skip
    program, separator, argument = match.groups() if match else (b"", b"", b"")
    if cut and not separator:
        raise ScriptFailed(
            path, f"its first line is longer than the {LINE - 1} bytes that the kernel reads"
        )
    if not program:
        raise ScriptFailed(path, "its '#!' names no interpreter")
    given = b"" if separator == b"\0" else argument
    line = Line(os.fsdecode(program), os.fsdecode(given), cut)
    _refuse_carriage_return(path, line)
    return line


def _refuse_carriage_return(path: str, line: Line) -> None:
    """Raise ScriptFailed if a program gets the carriage return of a line that ends with CRLF."""
    name = line.interpreter.rpartition("/")[2]
    if line.interpreter.endswith("\r"):
        who, gets = "the kernel looks for", line.interpreter
    elif name == "env" and line.argument.endswith("\r") and _split(line.argument) is None:
        who, gets = "env looks for", line.argument
    elif name != "env" and line.argument.endswith("\r") and not name.startswith(IGNORES_CR):
        who, gets = f"{name} gets the argument", line.argument
    else:
        return
    raise ScriptFailed(
        path,
        f"its first line ends with CRLF, so that {who} '{printable(gets)}'; save it with LF line "
        rf"ends (sed -i 's/\r$//' {shlex.quote(path)})",
    )


def interpreters(
    path: str, head: bytes, obstacle: Obstacle, search: str
) -> tuple[str, ...] | None:
    """List the programs that run a script: its interpreter and, if that is env(1), what env runs.

    Returns None for a file that is no script. ``search`` is the PATH that env searches. Raises
    ScriptFailed if a program is not found.
    """
    line = first_line(path, head)
    if line is None:
        return None
    if line.cut:
        log.warning("%s: the kernel reads only %d bytes of its first line", path, LINE - 1)
    program, *by_env = named(path, line)
    program = find(path, program, obstacle)
    if not program.startswith("/"):
        log.warning("%s is run by %s, which is relative to the working directory", path, program)
    return (program, *(find(path, name, obstacle, search) for name in by_env))


def named(path: str, line: Line) -> tuple[str, ...]:
    """List the programs that a first line names: the interpreter, and what env(1) runs.

    Raises ScriptFailed.
    """
    if not is_env(line.interpreter):
        return (line.interpreter,)
    return line.interpreter, _run_by_env(path, line.argument)


def is_shell(program: str) -> bool:
    """Tell by the name whether a program is a shell."""
    return program.rpartition("/")[2] in SHELLS


def is_env(program: str) -> bool:
    """Tell by the name whether a program is env(1)."""
    return program.rpartition("/")[2] == "env"


def find(path: str, name: str, obstacle: Obstacle, search: str | None = None) -> str:
    """Find a program that runs a script: a path, or a name on the PATH ``search`` if given.

    Raises ScriptFailed.
    """
    if "/" in name or search is None:
        if reason := obstacle(name):
            raise ScriptFailed(path, f"its interpreter {name} {reason}")
        return name
    for directory in filter(None, search.split(":")):
        place = f"{directory}/{name}"
        if not obstacle(place):
            if directory not in PATH.split(":"):
                log.warning("%s is run by %s: add its directory to PATH in the image", path, place)
            return place
    raise ScriptFailed(path, f"its interpreter {name} is not on PATH; install it")


def _run_by_env(path: str, argument: str) -> str:
    """Return the program that env(1) runs; the kernel passes it one argument, spaces included."""
    words = _split(argument)
    if words is None and re.search(r"\s", argument):
        raise ScriptFailed(
            path,
            f"the kernel passes '{argument}' to env as one argument; write "
            f"#!/usr/bin/env -S {argument}",
        )
    program = operand([argument] if words is None else words)
    if not program:
        raise ScriptFailed(path, "its '#!' names no program for env to run")
    return program


def _split(argument: str) -> list[str] | None:
    """Split an argument as ``env -S`` does; None without ``-S``."""
    option = re.match(r"-(?:\w*S|-split-string(?:=|\s))", argument)
    if option is None:
        return None
    text = argument[option.end() :]
    try:
        return shlex.split(text)
    except ValueError:  # a quote that is not closed
        return text.split()


def operand(arguments: Sequence[str]) -> str | None:
    """Return the program in the arguments of env(1), after its options and assignments."""
    words = iter(arguments)
    for word in words:
        if re.fullmatch(r"-\w*[uC]|--unset|--chdir", word):
            next(words, None)  # the option's argument
        elif not word.startswith("-") and "=" not in word:
            return word
    return None

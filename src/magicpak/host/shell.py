"""Find the programs that a shell script names, by reading it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from magicpak.host.script import is_env, is_shell, operand
from magicpak.host.shell_words import DIRECTORY, ITSELF, Script

BUILTINS = frozenset(
    """
    . : [ [[ alias bg bind break builtin caller case cd command compgen complete compopt continue
    declare dirs disown echo enable esac eval exec exit export false fc fg for function getopts hash
    help history in jobs kill let local logout mapfile popd print printf pushd pwd read readarray
    readonly return select set shift shopt source suspend test time times trap true type typeset
    ulimit umask unalias unset wait whence
    """.split()  # noqa: SIM905  as text it can be read
)
"""Commands that a shell executes without a program."""

PREFIXES = {
    "chpst": ("/ubemdopfcrtknPn", 0), "command": ("", 0), "env": ("uCS", 0), "exec": ("a", 0),
    "gosu": ("", 1), "ionice": ("cnp", 0), "nice": ("n", 0), "nohup": ("", 0), "setpriv": ("", 0),
    "setsid": ("", 0), "stdbuf": ("ioe", 0), "su-exec": ("", 1), "sudo": ("CDghpRrTtUu", 0),
    "time": ("fo", 0), "timeout": ("ks", 1), "tini": ("ep", 0), "xargs": ("adEILnPs", 0),
}  # fmt: skip
"""Commands that run their argument: the options with a value, and the number of operands before."""

NESTED = 3
"""Levels of scripts in scripts (eval, trap, sh -c) that are read."""

NO_COMMANDS = frozenset({":", "export", "set", "true", "unset"})
"""Commands that may precede a handover."""

_ASSIGNMENT = re.compile(r"\w+(?:\[[^]]*\])?\+?=")
_PATH = re.compile(r"[^\0-\2]+")
_NAME = re.compile(r"[\w./+@:,%][\w./+@:,%-]*")


def commands(text: str) -> tuple[str, ...]:
    """List the commands that a script names literally, except for functions and builtins."""
    names: set[str] = set()
    functions: set[str] = set()
    texts = [text]
    for _ in range(NESTED):
        scripts = [Script(each) for each in texts]
        found = [command.words for script in scripts for command in script.commands]
        names.update(name for words in found for name in _called(words))
        functions.update(*(script.functions for script in scripts))
        texts = [code for words in found if (code := _code(words))]
    return tuple(sorted(filter(_NAME.fullmatch, names - functions - BUILTINS)))


def handover(text: str, directory: str) -> tuple[str, ...]:
    """List the programs by which a script in ``directory`` has itself run, before all else.

    So do scripts in two languages, ``exec tclsh "$0" "$@"``, and those of pip where the path is too
    long for ``#!``: ``'''exec' "/path/python" "$0" "$@"``. If a script finds the program beside
    itself, the commands that find it are listed too.
    """
    helpers: list[str] = []
    for words, nested in Script(text).commands:
        name, *rest = _without_assignments(words) or (":",)
        if nested:
            helpers.append(name)
        elif name == "eval":  # Perl's: eval 'exec perl -S $0 ${1+"$@"}'
            if rest and (found := handover(rest[0], directory)):
                return found
        elif name == "exec" and ITSELF in rest:
            return _programs(_after_options(rest, *PREFIXES["exec"]), helpers, directory)
        elif name not in NO_COMMANDS:
            break
    return ()


def _programs(words: Sequence[str], helpers: Sequence[str], directory: str) -> tuple[str, ...]:
    """List the programs of a call: the first word, what env(1) runs, and what finds the first."""
    program, *arguments = words or ("",)
    found = [program.replace(DIRECTORY, directory)]
    if is_env(program):
        found.append(operand(arguments) or "")
    if DIRECTORY in program:
        found += helpers
    if not all(map(_PATH.fullmatch, found)):
        return ()  # only a run shows it
    return tuple(dict.fromkeys(found))


def _called(words: Sequence[str]) -> Iterator[str]:
    """Yield the name of a simple command, and of those that it runs as its arguments."""
    while words := _without_assignments(words):
        name, *rest = words
        yield name
        prefix = PREFIXES.get(name.rpartition("/")[2])
        if prefix is None or (name == "command" and rest[:1] in (["-v"], ["-V"])):
            return
        words = _after_options(rest, *prefix)


def _code(words: Sequence[str]) -> str:
    """Return the argument of a simple command that is a script; else an empty string."""
    name, *rest = words
    if name in ("eval", "trap"):
        return rest[0] if rest else ""
    if is_shell(name) and "-c" in rest[:-1]:
        return rest[rest.index("-c") + 1]
    return ""


def _without_assignments(words: Sequence[str]) -> Sequence[str]:
    count = next((n for n, word in enumerate(words) if not _ASSIGNMENT.match(word)), len(words))
    return words[count:]


def _after_options(words: Sequence[str], letters: str, operands: int) -> tuple[str, ...]:
    """Skip the options with their values, and a number of operands."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        option = words[at]
        at += 2 if len(option) == 2 and option[1] in letters else 1
        if option == "--":
            break
    return tuple(words[at + operands :])

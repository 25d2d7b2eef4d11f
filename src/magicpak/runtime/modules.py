"""Find the modules that a script uses, by reading it and them; nothing is run."""

import os
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from magicpak.host import Host
from magicpak.plan import Origin, Why
from magicpak.runtime.languages import LANGUAGES, Language
from magicpak.runtime.request import found
from magicpak.runtime.ruled import Match
from magicpak.runtime.rules import Rule

MOST = 2000
"""Modules that are read for one script."""
LONGEST = 1 << 20
"""Bytes of a script that are read."""


SOURCES = (".py", ".pm", ".js", ".mjs", ".cjs", ".rb", ".lua", ".php", ".tcl", ".sh")


class Module(NamedTuple):
    """A module on the host, and the script or module that names it."""

    path: str
    """Its file, or the directory of a package that is brought whole."""
    name: str
    named_by: str
    paths: Sequence[str]
    """All that comes with it, itself included."""

    @property
    def origin(self) -> Origin:
        """Return the reason to bring it."""
        return Origin(Why.DATA, f"{self.named_by} uses {self.name}")


def modules(
    host: Host, script: str, interpreter: str, along: Callable[[str, Language], Sequence[str]]
) -> Iterator[Module]:
    """Yield the modules of a script that do not come with its interpreter.

    ``along`` lists what comes with the module at a path: its package, and those that it needs. A
    module without any is read as the script is.
    """
    program, language = host.real(interpreter), language_of(host, interpreter)
    match = language and language.program.fullmatch(posixpath.basename(program))
    if language is None or match is None:
        return
    group = next(filter(None, match.groups()), "")
    filled = Match(Rule(language.name), program, group).patterns(language.directories)
    known: dict[str, str] = {}
    pending = [script]
    for reader in pending:
        at = posixpath.dirname(host.real(reader))
        directories = [text.replace("{script}", at) for text in filled]
        for name in _named(language, host, reader):
            if name in known or len(known) > MOST:
                continue
            path = _find(language, host, directories, name)
            known[name] = path
            if path and not language.core.fullmatch(path):
                paths = along(path, language)
                yield Module(path, name, reader, paths or [path])
                if not paths:
                    pending += (each for each in _sources(host, path) if each not in pending)


def language_of(host: Host, interpreter: str) -> Language | None:
    """Return the language of the scripts that a program runs."""
    name = posixpath.basename(host.real(interpreter))
    return next((each for each in LANGUAGES if each.program.fullmatch(name)), None)


def text_of(host: Host, path: str) -> str:
    """Read a script or module; one that cannot be read is empty: writing it raises the error."""
    try:
        return os.fsdecode(host.content(path)[:LONGEST])
    except (OSError, ValueError):
        return ""


def _named(language: Language, host: Host, path: str) -> list[str]:
    """List the names of the modules in a text, with slashes."""
    text = text_of(host, path)
    names = dict[str, None]()
    for match in language.statement.finditer(text):
        for part in next(filter(None, match.groups()), "").split(","):
            words = part.split()
            name = words[0].strip(".") if words and language.whole else "".join(words[:1])
            name = name.replace(language.separator, "/")
            if language.whole:
                name = name.partition("/")[0]
            if name:
                names[name] = None
    return list(names)


def _find(language: Language, host: Host, directories: list[str], name: str) -> str:
    for directory in directories:
        for form in language.files:
            path = f"{directory.rstrip('/')}/{form.replace('{m}', name)}"
            path = next(iter(found(host, [path])), "") if "*" in path else path
            if path and host.status(path) is not None:
                package = form.endswith(("/__init__.py", "/package.json"))
                return host.place(posixpath.dirname(path) if package else path)
    return ""


def _sources(host: Host, path: str) -> list[str]:
    """List the files that are read in turn: those of a directory, all but its tests."""
    if host.directory_identity(path) is None:
        return [path] if path.endswith(SOURCES) else []
    sources = found(host, [f"{path}/**/*{end}" for end in SOURCES])
    return [each for each in sources if "/test" not in each and "/node_modules/" not in each]


def venv(host: Host, interpreter: str) -> str | None:
    """Return the virtual environment that a Python belongs to (venv, PEP 405)."""
    directory = posixpath.dirname(posixpath.dirname(interpreter))
    return directory if host.status(f"{directory}/pyvenv.cfg") is not None else None


def distribution(host: Host, path: str) -> list[str]:
    """List what was installed with a Python module, and with what that requires, by its metadata.

    See "Recording installed projects" of the Python packaging specifications.
    """
    directory, _, module = path.rpartition("/")
    records = found(host, [f"{directory}/*.dist-info/RECORD"])
    tops = {record: _tops(host, record) for record in records}
    wanted = [record for record, names in tops.items() if module in names]
    by_name = {_project(record): record for record in tops}
    for record in wanted:
        metadata = text_of(host, f"{posixpath.dirname(record)}/METADATA")
        required = re.findall(r"^Requires-Dist: ([\w.-]+)(?!.*\bextra\b)", metadata, re.MULTILINE)
        others = (by_name.get(_normalized(name)) for name in required)
        wanted += (each for each in others if each is not None and each not in wanted)
    listed = dict.fromkeys(f"{directory}/{top}" for record in wanted for top in tops[record])
    return [each for each in listed if host.status(each) is not None]


def _tops(host: Host, record: str) -> list[str]:
    lines = text_of(host, record).splitlines()
    names = {line.partition(",")[0].partition("/")[0] for line in lines}
    return sorted(names - {"..", "__pycache__", ""})


def _project(record: str) -> str:
    return _normalized(posixpath.basename(posixpath.dirname(record)).partition("-")[0])


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

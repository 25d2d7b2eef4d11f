"""Bring the modules, commands and files that an input names if it is a script."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from magicpak.host.programs import obstacle
from magicpak.plan import Bundle, Origin, Placed, Why
from magicpak.runtime.languages import Language
from magicpak.runtime.modules import distribution, language_of, modules, text_of, venv
from magicpak.stages import hints
from magicpak.stages.libraries import with_libraries
from magicpak.stages.own_files import PATH, named, own, written_to
from magicpak.stages.run import Input, Run
from magicpak.stages.search import Search, Step

PROGRAM = re.compile(r"(?<![\w./-])/(?:usr/(?:local/)?)?s?bin/[\w.+-]*\w")


def steps(search: Search, script: Input) -> Iterator[Step]:
    """Yield the steps that bring what a script names."""
    host, path = search.run.host, script.path
    texts = PATH.findall(text_of(host, path))
    paths = list(named(host, host.real(path), texts))
    yield search.step((path, "state"), lambda *_: written_to(host, path, texts))
    yield Step((path, "names"), functools.partial(own, search, paths))
    yield search.step((path,), _script, path, script.programs[-1][0])
    yield Step((path, "commands"), functools.partial(_commands, search.run, path))


def _script(search: Search, script: str, interpreter: str) -> Iterator[Placed]:
    host = search.run.host
    environment = venv(host, interpreter)
    if environment is not None:
        origin = Origin(Why.DATA, f"the virtual environment of {script}")
        yield from host.entries(environment, host.place(environment), origin, tree=True)
    language = language_of(host, interpreter)
    if language is not None and search.inventory.owner(host.real(script)) is not None:
        origin = Origin(Why.DATA, f"of the package of {script}, and what it depends on")
        for path in _with_module(search, host.real(script), language):
            yield from host.entries(path, host.place(path), origin)
    along = functools.partial(_with_module, search)
    for module in modules(host, script, interpreter, along):
        if environment is None or not module.path.startswith(f"{environment}/"):
            for path in module.paths:
                yield from host.entries(path, host.place(path), module.origin, tree=True)


def _with_module(search: Search, path: str, language: Language) -> list[str]:
    """List the files of the package of a module, and of those of its language that it depends on.

    Of the distribution, or of Python's.
    """
    host, inventory = search.run.host, search.inventory
    package = inventory.owner(path)
    if package is None:
        return distribution(host, path)
    wanted = [package]
    for each in wanted:
        others = (x for x in inventory.dependencies(each) if language.packages.fullmatch(x.name))
        wanted += (other for other in others if other not in wanted)
    paths = (path for each in wanted for path in inventory.run_time_files(each))
    return [each for each in paths if host.status(each) is not None]


def _commands(run: Run, script: str, bundle: Bundle) -> Bundle:
    """Bring the commands that a shell script names, and the programs that any script names."""
    texts = PROGRAM.findall(text_of(run.host, script))
    programs = [path for path in dict.fromkeys(texts) if not obstacle(run.host, path)]
    placed = [
        found
        for path in dict.fromkeys((*hints.commands(run, bundle, script), *programs))
        for found in run.host.entries(
            path, run.host.place(path), Origin(Why.DATA, f"{script} runs {path}")
        )
    ]
    return with_libraries(run, placed, bundle)

"""Add what programs open by themselves at run time: ``--with``."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from magicpak.host import Host
from magicpak.host.programs import obstacle
from magicpak.inventory import Inventory
from magicpak.plan import Bundle, Origin, Placed, Why
from magicpak.runtime import evidence, literal, ruled
from magicpak.runtime.accounts import accounts
from magicpak.runtime.asked import Asked
from magicpak.runtime.bring import BRING
from magicpak.runtime.languages import Language
from magicpak.runtime.modules import distribution, modules, text_of, venv
from magicpak.runtime.request import DataNotFound, Request
from magicpak.runtime.rules import RULES
from magicpak.runtime.subject import Reader, Subject
from magicpak.stages import hints, packages, user
from magicpak.stages.evidence import subjects
from magicpak.stages.libraries import with_libraries
from magicpak.stages.run import Run, tables

log = logging.getLogger(__name__)


class Step(NamedTuple):
    """One addition to the bundle, made once."""

    key: object
    take: Callable[[Bundle], Bundle]


class Search(NamedTuple):
    """What the steps of one run share."""

    run: Run
    asked: Asked
    reader: Reader
    inventory: Inventory

    def wanted(self, name: str) -> bool:
        """Tell whether evidence for a kind or a rule is to be followed."""
        return self.asked.auto and name not in self.asked.without

    def step(self, key: object, entries: Callable[..., Iterable[Placed]], *about: Any) -> Step:
        """Return the step that adds what a function yields for this search and what it is about."""
        return Step(
            key, lambda bundle: with_libraries(self.run, list(entries(self, *about)), bundle)
        )


def add(run: Run, bundle: Bundle, asked: Asked) -> Bundle:
    """Add the data asked for, or with ``auto`` what evidence calls for, and what that calls for.

    Raises DataNotFound, IoError.
    """
    search = Search(run, asked, Reader(run.host), Inventory(run.host))
    # What a program brings may have programs and libraries with needs of their own. Kinds come
    # last: what they bring depends on the objects that are there by then.
    ways = (_by_rule, _by_script, _by_name, _by_kind)
    taken: set[object] = set()
    while True:
        objects = subjects(run)
        found = ([step for step in way(search, objects) if step.key not in taken] for way in ways)
        steps = next(filter(None, found), None)
        if steps is None:
            return bundle
        for key, take in steps:
            if key not in taken:
                taken.add(key)
                bundle = take(bundle)


def _by_rule(search: Search, objects: Sequence[Subject]) -> Iterator[Step]:
    """Apply the rules that match an object, and those that are asked for by name."""
    rules = search.asked.rules
    for match in ruled.matches(objects):
        name = match.rule.name
        if name in rules or search.wanted(name):
            yield search.step((name, match.path), _ruled, match)
    for rule in RULES:
        if rule.name in rules:
            match = ruled.Match(rule, ruled.NOWHERE, "")
            yield search.step((rule.name, match.path), _ruled, match)


def _ruled(search: Search, match: ruled.Match) -> Iterator[Placed]:
    log.info("%s", match.origin)
    yield from ruled.files(match, search.run.host)
    for name in match.rule.packages.split():
        for package in search.inventory.find(name):
            paths = search.inventory.run_time_files(package)
            yield from packages.entries(search.run.host, paths, match.origin)


def _by_name(search: Search, objects: Sequence[Subject]) -> Iterator[Step]:
    """Bring the libraries and files that objects name, and that are theirs."""
    reader = search.reader
    named: list[Named] = []
    for subject in objects if search.asked.auto else ():
        if subject.libc:
            continue
        names, drivers = literal.libraries(subject, reader)
        if drivers:
            yield search.step((*drivers,), _told, drivers, subject.path)
        if names:
            yield search.step((subject.elf.identity,), _loaded, subject, names)
        if subject.near:
            named += _named(search.run.host, subject.real, reader.mentions(subject).paths)
    if named:
        yield Step(frozenset(named), functools.partial(_own, search, dict.fromkeys(named)))


def _told(_search: Search, drivers: Iterable[str], path: str) -> Iterator[Placed]:
    names = ", ".join(drivers)
    log.info("%s loads %s, which belong to the driver of the machine that runs it", path, names)
    return iter(())


def _loaded(search: Search, subject: Subject, names: Iterable[str]) -> Iterator[Placed]:
    return search.run.resolver.loaded_by_name(subject.path, subject.elf, names)


class Named(NamedTuple):
    """A path of the host that an object or a script names."""

    by: str
    path: str


def _named(host: Host, by: str, texts: Iterable[str]) -> Iterator[Named]:
    """Yield the paths among texts that are here; some are below the prefix of the program."""
    for path in literal.paths(texts, ruled.prefix(by)):
        if host.status(path) is not None:
            yield Named(by, path)


def _own(search: Search, named: Iterable[Named], bundle: Bundle) -> Bundle:
    """Bring of the paths that are named what is of the own source package of who names it.

    What no package has belongs to an object that none has either.
    """
    host, placed = search.run.host, list[tuple[str, Placed]]()
    for by, path in named:
        if bundle.resolve(path) is None:
            origin = Origin(Why.DATA, f"{by} names {path}")
            found = host.entries(path, host.place(path), origin, tree=True)
            placed += ((by, each) for each in found)
    if not placed:
        return bundle
    sources = search.inventory.sources({each.path for _, each in placed} | {by for by, _ in placed})
    own = [each for by, each in placed if sources.get(each.path) == sources.get(by)]
    return with_libraries(search.run, own, bundle)


def _by_script(search: Search, _objects: Sequence[Subject]) -> Iterator[Step]:
    """Bring the modules and commands that the inputs name, if they are scripts."""
    run = search.run
    for each in run.inputs if search.asked.auto else ():
        script, *run_by = each.programs
        if script[1] is None:
            texts = literal.PATH.findall(text_of(run.host, each.path))
            named = list(_named(run.host, run.host.real(each.path), texts))
            yield Step((each.path, "names"), functools.partial(_own, search, named))
            yield search.step((each.path,), _script, each.path, run_by[-1][0])
            yield Step((each.path, "commands"), functools.partial(_commands, run, each.path))


def _script(search: Search, script: str, interpreter: str) -> Iterator[Placed]:
    host = search.run.host
    environment = venv(host, interpreter)
    if environment is not None:
        origin = Origin(Why.DATA, f"the virtual environment of {script}")
        yield from host.entries(environment, host.place(environment), origin, tree=True)
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
    named = literal.PROGRAM.findall(text_of(run.host, script))
    programs = [path for path in dict.fromkeys(named) if not obstacle(run.host, path)]
    placed = [
        found
        for path in dict.fromkeys((*hints.commands(run, bundle, script), *programs))
        for found in run.host.entries(
            path, run.host.place(path), Origin(Why.DATA, f"{script} runs {path}")
        )
    ]
    return with_libraries(run, placed, bundle)


def _by_kind(search: Search, objects: Sequence[Subject]) -> Iterator[Step]:
    """Bring the kinds that are asked for, and those that evidence calls for."""
    asked = search.asked
    for name, values in asked.kinds.items():
        yield _kind(search, objects, name, values, f"--with {name}")
    if not asked.auto:
        return
    for match in ruled.matches(objects):
        for text in match.rule.kinds.split():
            name, _, given = text.partition("=")
            if search.wanted(name):
                chosen = tuple(filter(None, given.split(",")))
                yield _kind(search, objects, name, chosen, str(match.origin))
    for sign in evidence.signs(objects, search.reader, thorough=True):
        if sign.kind.automatic and search.wanted(sign.kind.name):
            yield _kind(search, objects, sign.kind.name, (), str(sign))


def _kind(
    search: Search, objects: Sequence[Subject], name: str, values: tuple[str, ...], reason: str
) -> Step:
    """Return the step that brings a kind. What only evidence asks for may be absent."""
    run, origin = search.run, Origin(Why.DATA, f"{name}: {reason}")

    def take(bundle: Bundle) -> Bundle:
        log.info("%s", origin)
        request = Request(
            name, values, origin, run.host, bundle, objects, search.reader, run.options.busybox
        )
        try:
            if name == "users":
                people, groups = accounts(request, *tables(run.host), named=search.asked.auto)
                lines = {user.PASSWD: people, user.GROUP: groups}
                return user.with_lines(run.host, bundle, lines, origin)
            return with_libraries(run, list(BRING[name](request)), bundle)
        except DataNotFound as e:
            if name in search.asked.kinds:
                raise
            log.warning("%s", e)
            return bundle

    return Step((name, values), take)

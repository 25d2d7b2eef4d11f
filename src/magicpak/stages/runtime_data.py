"""Add what programs open by themselves at run time: ``--with``."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Iterator, Sequence

from magicpak.loader.resolve import Root
from magicpak.plan import Bundle, Origin, Placed, Why
from magicpak.runtime import called, evidence, literal, ruled
from magicpak.runtime.accounts import accounts
from magicpak.runtime.asked import Asked
from magicpak.runtime.bring import BRING
from magicpak.runtime.request import DataNotFound, Request
from magicpak.runtime.rules import RULES
from magicpak.runtime.subject import Subject
from magicpak.stages import own_files, packages, user
from magicpak.stages.evidence import subjects
from magicpak.stages.libraries import with_libraries
from magicpak.stages.run import Run, tables
from magicpak.stages.search import Search, Step
from magicpak.system import signals

log = logging.getLogger(__name__)


def add(run: Run, bundle: Bundle, asked: Asked) -> Bundle:
    """Add the data asked for, or with ``auto`` what evidence calls for, and what that calls for.

    Raises DataNotFound, IoError.
    """
    search = Search(run, asked)
    taken: set[object] = set()
    known: list[Root] | None = None
    # What a program brings may have programs and libraries with needs of their own.
    while known != (roots := [*run.resolver.roots.values()]):
        known, objects = roots, subjects(run, search.real)
        for way in WAYS:
            for key, take in list(way(search, objects)):
                if key not in taken:
                    taken.add(key)
                    bundle = take(bundle)
            if known != [*run.resolver.roots.values()]:
                break
    return bundle


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
    search.run.notes.append(str(match.origin))
    yield from ruled.files(match, search.run.host)
    for name in match.rule.packages.split():
        for package in search.inventory.find(name):
            paths = search.inventory.run_time_files(package)
            yield from packages.entries(search.run.host, paths, match.origin)


def _by_package(search: Search, objects: Sequence[Subject]) -> Iterator[Step]:
    """Bring configuration and data of the packages of the inputs that have some of their own."""
    host = search.run.host
    ruled_by = {match.path for match in ruled.matches(objects) if match.rule.files}
    for each in search.run.inputs if search.asked.auto else ():
        (path, elf), real = each.programs[0], host.real(each.path)
        alike = (found for name in (path, real) for found in called.by_name(host, name))
        if elf is None or real in ruled_by or any(alike):
            whole = real not in ruled_by
            yield Step((path, "package"), functools.partial(_package, search, path, whole))


def _package(search: Search, program: str, whole: bool, bundle: Bundle) -> Bundle:
    placed = list(own_files.of_package(search, program, whole=whole))
    placed += own_files.configured(search, placed, bundle)
    return with_libraries(search.run, placed, bundle)


def _by_script(search: Search, _objects: Sequence[Subject]) -> Iterator[Step]:
    """Bring what the inputs name, if they are scripts."""
    inputs = search.run.inputs if search.asked.auto else ()
    for script in (each for each in inputs if each.programs[0][1] is None):
        with signals.held():  # an import may lose the exception of a signal
            from magicpak.stages import scripts  # noqa: PLC0415  most inputs are programs
        yield from scripts.steps(search, script)


def _by_name(search: Search, objects: Sequence[Subject]) -> Iterator[Step]:
    """Bring the libraries and files that objects name, and that are theirs."""
    host, reader = search.run.host, search.reader
    ruled_by = {match.path for match in ruled.matches(objects) if match.rule.files}
    paths: list[own_files.Named] = []
    for subject in search.new(objects) if search.asked.auto else ():
        if subject.libc:
            continue
        names, drivers = literal.libraries(subject, reader)
        if drivers:
            yield search.step((*drivers,), _told, drivers, subject.path)
        if names:
            yield search.step((subject.elf.identity,), _loaded, subject, names)
        if subject.near:
            mentioned = reader.mentions(subject).paths
            alike = () if subject.real in ruled_by else called.by_name(host, subject.real)
            paths += own_files.named(
                host, subject.real, (*mentioned, *alike),
                "" if subject.is_program else subject.program,
            )  # fmt: skip
            if subject.is_program and literal.written_to(mentioned):
                yield search.step((subject.path, "state"), _written_to, subject.path, mentioned)
    if paths:
        yield Step(frozenset(paths), functools.partial(own_files.own, search, paths))


def _written_to(search: Search, program: str, texts: Iterable[str]) -> Iterator[Placed]:
    return own_files.written_to(search.run.host, program, texts)


def _told(_search: Search, drivers: Iterable[str], path: str) -> Iterator[Placed]:
    names = ", ".join(drivers)
    log.info("%s loads %s, which belong to the driver of the machine that runs it", path, names)
    return iter(())


def _loaded(search: Search, subject: Subject, names: Iterable[str]) -> Iterator[Placed]:
    return search.run.resolver.loaded_by_name(subject.path, subject.elf, names)


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
        run.notes.append(str(origin))
        request = Request(
            name, values, origin, run.host, bundle, objects, search.reader, run.options.busybox
        )
        try:
            if name == "users":
                people, groups = accounts(request, *tables(run.host), named=search.asked.auto)
                lines = {user.PASSWD: people, user.GROUP: groups}
                return user.with_lines(run.host, bundle, lines, origin)
            placed = list(BRING[name](request))
            if name == "locale" and values:
                placed += own_files.translations(search, objects, values, origin)
            return with_libraries(run, placed, bundle)
        except DataNotFound as e:
            if name in search.asked.kinds:
                raise
            log.warning("%s", e)
            return bundle

    return Step((name, values), take)


# Kinds come last: what they bring depends on the objects that are there by then.
WAYS = (_by_rule, _by_package, _by_script, _by_name, _by_kind)
"""The ways to find what is lacking, the next one where those before have nothing more."""

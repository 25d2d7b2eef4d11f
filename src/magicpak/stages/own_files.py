"""Find the files that belong to a program: what it names, and its configuration."""

import contextlib
import functools
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from magicpak.elf import MalformedExecutable
from magicpak.errors import IoError
from magicpak.host import Host
from magicpak.host.programs import obstacle, programs
from magicpak.host.script import ScriptFailed, is_shell
from magicpak.plan import Bundle, Directory, File, Origin, Placed, Why
from magicpak.runtime import called, literal, ruled
from magicpak.runtime.subject import Subject
from magicpak.stages.libraries import with_libraries
from magicpak.stages.search import Search
from magicpak.system import signals

if TYPE_CHECKING:
    from magicpak.inventory import Inventory, Package

log = logging.getLogger(__name__)

PATH = re.compile(r"/(?:etc|usr|opt|var|srv|run)/[\w./+@~-]*\w")
"""In the text of a script or configuration."""
ANY_MACHINE = ("all", "noarch")
"""Architectures of packages that have data only."""
LONGEST = 1 << 20
"""Bytes of a configuration that are read."""


class Named(NamedTuple):
    """A path of the host that an object, a script or a configuration names."""

    by: str
    path: str
    program: str
    """The program that it belongs to, or the same as ``by``."""

    @property
    def by_program(self) -> bool:
        """Whether a program or its configuration names it, rather than a library."""
        return self.program == self.by


def named(host: Host, by: str, texts: Iterable[str], program: str = "") -> Iterator[Named]:
    """Yield the paths among texts that are here; some are below the prefix of the program."""
    for path in literal.paths(texts, ruled.prefix(by)):
        if host.status(path) is not None:
            yield Named(by, path, program or by)


def owned(search: Search, paths: Iterable[Named], bundle: Bundle) -> list[Placed]:
    """List what of the paths belongs to who names them, and what configuration of it names in turn.

    What no package has belongs to an object that none has either.
    """
    found: dict[str, Placed] = {}
    host, pending = search.run.host, list(dict.fromkeys(paths))
    known = set(pending)
    while pending:
        placed = [each for each in _owned(search, pending, bundle)
                  if each.path not in found]  # fmt: skip
        found |= {each.path: each for each in placed}
        run = {each.path for each in pending if each.by.startswith("/etc/")} & found.keys()
        found |= {each.path: each for path in sorted(run) for each in _interpreters(host, path)}
        pending = [each for each in _configured(host, placed) if each not in known]
        known.update(pending)
        for path, names in _texts(host, placed):
            found |= {each.path: each for each in written_to(host, path, names)}
    return list(found.values())


def _interpreters(host: Host, path: str) -> Iterator[Placed]:
    """Yield the interpreters of a script that a configuration names, but for a shell."""
    if obstacle(host, path):
        return
    with contextlib.suppress(ScriptFailed, MalformedExecutable, IoError):
        for program, _ in list(programs(host, path))[1:]:
            if not is_shell(program):
                yield from host.entries(program, host.place(program), Origin(Why.INTERPRETER, path))


def translations(
    search: Search, objects: Iterable[Subject], languages: Collection[str], origin: Origin
) -> Iterator[Placed]:
    """Yield the message catalogues of the packages of objects, of those of the same source too."""
    host, inventory = search.run.host, search.inventory
    packages = dict.fromkeys(inventory.owners({each.real for each in objects}).values())
    near = [each for package in packages for each in inventory.dependencies(package)
            if _source(each) == _source(package)]  # fmt: skip
    for package in dict.fromkeys((*packages, *near)):
        for path in inventory.run_time_files(package, languages):
            if called.CATALOGUE.match(path) and host.status(path) is not None:
                yield from host.entries(path, host.place(path), origin)


def configured(
    search: Search, placed: Iterable[Placed], bundle: Bundle
) -> Iterator[Placed]:
    """Yield what the files of a configuration name: of their own package, and to write to."""
    host, placed = search.run.host, list(placed)
    yield from owned(search, _configured(host, placed), bundle)
    for path, names in _texts(host, placed):
        yield from written_to(host, path, names)


def _configured(host: Host, placed: Iterable[Placed]) -> Iterator[Named]:
    for path, names in _texts(host, placed):
        yield from named(host, path, names)


def _texts(host: Host, placed: Iterable[Placed]) -> Iterator[tuple[str, list[str]]]:
    """Yield each file of a configuration with the paths that it names."""
    for path, entry, _ in placed:
        if isinstance(entry, File) and path.startswith("/etc/"):
            try:
                text = os.fsdecode(host.content(path)[:LONGEST])
            except (OSError, ValueError):
                continue  # writing it raises the error
            yield path, PATH.findall(text)


def _owned(
    search: Search, paths: Iterable[Named], bundle: Bundle
) -> list[Placed]:
    host, placed = search.run.host, list[tuple[Named, Placed]]()
    for each in paths:
        there = bundle.resolve(each.path)
        if there is None or bundle.get(there) is None:  # a directory, because of what lies in it
            origin = Origin(Why.DATA, f"{each.by} names {each.path}")
            found = host.entries(each.path, host.place(each.path), origin, tree=True)
            placed += ((each, entry) for entry in found)
    if not placed:
        return []
    places: set[str] = {entry.path for _, entry in placed}
    places |= {name for each, _ in placed for name in (each.by, each.program)}
    places |= {above for path in places for above in _above(path)}
    owners = search.inventory.owners(places)
    own = {each: _own(each, owners, search.inventory) for each in {each for each, _ in placed}}
    brought: dict[str, Placed] = {}
    for each, entry in placed:
        # What a link of /etc leads to: the alternatives, or what is enabled.
        linked = entry.origin.why is Why.LINK and entry.origin.of.startswith("/etc/")
        chosen = linked and entry.origin.of in brought and not isinstance(entry.entry, Directory)
        others = entry.path != each.path and called.for_others(entry.path)
        if (own[each](entry.path) or chosen) and not others and not _is_held_back(host, entry):
            brought[entry.path] = entry
    return list(brought.values())


def _is_held_back(host: Host, placed: Placed) -> bool:
    """Tell whether a file of /etc holds a secret of this machine, or cannot be read."""
    in_etc = placed.path.startswith("/etc/") and isinstance(placed.entry, File)
    return in_etc and _is_secret(host, placed.path)


@functools.lru_cache
def _is_secret(host: Host, path: str) -> bool:
    """Look at a file, and tell once why it is held back."""
    with signals.held():  # an import may lose the exception of a signal
        from magicpak.trace import secrets  # noqa: PLC0415  few programs have configuration
    holds = secrets.by_name(path)
    try:
        if holds is None:
            with open(host.opened(path), "rb") as file:
                holds = secrets.by_content(path, file)
    except OSError as e:
        log.warning("%s is left out: %s", path, e.strerror)
        return True
    if holds is not None:
        log.warning("%s is left out: it holds %s; or add --include to bring it", path, holds)
    return holds is not None


def own(search: Search, paths: Iterable[Named], bundle: Bundle) -> Bundle:
    """Bring what ``owned`` lists."""
    return with_libraries(search.run, owned(search, paths, bundle), bundle)


def _own(
    named: Named, owners: "Mapping[str, Package]", inventory: "Inventory"
) -> Callable[[str], bool]:
    """Return what tells whether a path belongs to who names it, or names one above it.

    Its package has it, or that of its program, or one that these depend on; to a program also
    belong data and configuration that the same source package made. What was made when it was
    installed is theirs too: a file that is named, in a directory of their own, and configuration.
    """
    mine = owners.get(named.by)
    if mine is None:
        return lambda path: path not in owners
    makers = {mine, owners.get(named.program, mine)}
    packages = makers.union(*map(inventory.dependencies, makers))
    sources = {_source(each) for each in packages} if named.by_program else set()

    def own(path: str) -> bool:
        its = owners.get(path)
        if its is None and (path == named.path or path.startswith("/etc/")):
            its = next((owners[above] for above in _above(path) if above in owners), None)
        if its is None or its in packages:
            return its is not None
        is_data = path.startswith("/etc/") or its.architecture in ANY_MACHINE
        return is_data and _source(its) in sources

    return own


def _above(path: str) -> Iterator[str]:
    """Yield the directories that a path is in, but for those that are of many packages."""
    parts = path.split("/")[:-1]
    return ("/".join(parts[:end]) for end in range(len(parts), 2, -1))


def _source(package: "Package") -> str:
    return package.source or package.name


def written_to(host: Host, by: str, texts: Iterable[str]) -> Iterator[Placed]:
    """Yield directories for logs, pid files and the like, empty: named, or of a named file."""
    known = set[str]()
    for path in literal.written_to(texts):
        for place in (path, path.rpartition("/")[0]):
            if host.directory_identity(place) is not None:
                if place not in known:
                    known.add(place)
                    origin = Origin(Why.DATA, f"{by} names {path}")
                    yield from host.entries(place, host.place(place), origin)
                break


def of_package(search: Search, program: str, *, whole: bool) -> Iterator[Placed]:
    """Yield the configuration that the package of a program has, and its directories in /var.

    With ``whole``, also its data, but for that of packages with many programs. Packages of the same
    source that it depends on count too.
    """
    host, inventory = search.run.host, search.inventory
    owners = inventory.owners((program, host.real(program)))
    for package in dict.fromkeys(owners.values()):
        others = inventory.dependencies(package)
        near = [each for each in others if _source(each) == _source(package)]
        for each in (package, *near):
            paths = inventory.run_time_files(each)
            many = len([path for path in paths if called.PROGRAM.match(path)]) > called.MANY
            tops = ("/etc/", "/usr/") if whole and not many else ("/etc/",)
            chosen = (path for path in paths if path.startswith(tops))
            origin = Origin(Why.DATA, f"of the package {each}, as is {program}")
            for path in (*chosen, *filter(called.STATE.fullmatch, inventory.files(each))):
                is_directory = host.directory_identity(path) is not None
                wanted = is_directory == bool(called.STATE.fullmatch(path))
                if wanted and not called.for_others(path):
                    entries = host.entries(path, host.place(path), origin)
                    yield from (entry for entry in entries if not _is_held_back(host, entry))

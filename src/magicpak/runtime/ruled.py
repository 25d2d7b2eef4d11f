"""Apply the table of rules to objects."""

import functools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from magicpak.host import Host
from magicpak.plan import Origin, Placed, Why
from magicpak.runtime.request import found
from magicpak.runtime.rules import RULES, Rule
from magicpak.runtime.subject import Subject

BINARIES = r"(/.*)?/(?:s?bin|lib\w*|libexec|games)(?:/[\w]+-linux-[\w]+)?$"

SPECIAL = frozenset("\\.([?*+|")
NOWHERE = "/usr/bin/-"
"""What stands for the program of a rule that is asked for by its name."""


def prefix(path: str) -> str:
    """Return the directory above the bin or lib of an object, as configure(1) names it."""
    directory = path.rpartition("/")[0]
    above = re.fullmatch(BINARIES, directory)
    return (above[1] or "") if above else directory.rpartition("/")[0]


class Match(NamedTuple):
    """A rule, and the object that it is about."""

    rule: Rule
    path: str
    """Of the host, links followed."""
    group: str
    """What the first group of the pattern matched."""
    subject: Subject | None = None

    @property
    def name(self) -> str:
        """The name of the object."""
        return self.path.rpartition("/")[2]

    @property
    def origin(self) -> Origin:
        """Return the reason of what it brings."""
        return Origin(Why.RULE, f"{self.rule.name}: {self.path}")

    def patterns(self, text: str) -> list[str]:
        """Fill the places in patterns of the rule."""
        directory = self.path.rpartition("/")[0]
        loaded = self.subject.path.rpartition("/")[0] if self.subject else directory
        values = {"{dir}": directory, "{loaded}": loaded, "{prefix}": prefix(self.path),
                  "{1}": self.group or "*"}  # fmt: skip
        return [
            functools.reduce(lambda word, pair: word.replace(*pair), values.items(), word)
            for word in text.split()
        ]


def matches(subjects: Iterable[Subject]) -> Iterator[Match]:
    """Yield the rules for objects: for a program by its name, for a library at any distance."""
    for subject in subjects:
        for rule, group in _rules(_names(subject), program=subject.elf.runs):
            yield Match(rule, subject.real, group, subject)


def used(subjects: Iterable[Subject]) -> Iterator[Subject]:
    """Leave out the libraries that a program loads only on request (``Rule.instead``)."""
    idle: dict[str, set[str]] = {}
    for subject in subjects:
        rules = [rule for rule, _ in _rules(_names(subject), program=subject.elf.runs)]
        if subject.is_program:
            idle[subject.program] = {name for rule in rules for name in rule.instead.split()}
        if idle.get(subject.program, set()).isdisjoint(rule.name for rule in rules):
            yield subject


def _names(subject: Subject) -> tuple[str, ...]:
    return _base(subject.real), subject.name, subject.elf.soname or subject.name


@functools.cache
def _rules(names: tuple[str, ...], *, program: bool) -> tuple[tuple[Rule, str], ...]:
    """List the rules for an object of these names, and what the first group matched."""
    found = []
    for rule, pattern, starts in _patterns(program=program):
        # To compile all patterns takes longer than all else that a small program needs.
        matches = (re.fullmatch(pattern, name) for name in names if name.startswith(starts))
        match = next(filter(None, matches), None)
        if match is not None:
            found.append((rule, next(filter(None, match.groups()), "")))
    return tuple(found)


@functools.cache
def _patterns(*, program: bool) -> list[tuple[Rule, str, tuple[str, ...]]]:
    """List the rules for programs or libraries, their patterns and how what matches begins."""
    found = ((rule, rule.program if program else rule.library) for rule in RULES)
    return [(rule, pattern, _starts(pattern)) for rule, pattern in found if pattern]


def _starts(pattern: str) -> tuple[str, ...]:
    """Return the plain texts with which what a pattern matches may begin."""
    ways = [pattern] if "(" in pattern else pattern.split("|")
    ends = (next((at for at, c in enumerate(way) if c in SPECIAL), None) for way in ways)
    return tuple(way[:end] for way, end in zip(ways, ends, strict=True))


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def files(match: Match, host: Host) -> Iterator[Placed]:
    """Yield the entries of the files that a rule names."""
    rule = match.rule
    but = re.compile(rule.but or "(?!)")
    for path in found(host, match.patterns(rule.files)):
        for placed in host.entries(path, host.place(path), match.origin, tree=True):
            if not but.fullmatch(placed.path):
                yield placed
    for path in found(host, match.patterns(rule.empty)):
        yield from host.entries(path, host.place(path), match.origin)
    first = next(iter(found(host, match.patterns(rule.first))), None)
    if first is not None:
        yield from host.entries(first, host.place(first), match.origin)

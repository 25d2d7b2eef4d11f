"""Tell what run-time data the programs will look for in vain, and which option brings it."""

import functools
import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from magicpak.plan import Bundle
from magicpak.runtime import evidence, ruled
from magicpak.runtime.asked import Asked
from magicpak.runtime.kinds import KINDS, Says
from magicpak.runtime.request import found
from magicpak.runtime.subject import Subject
from magicpak.stages.evidence import subjects
from magicpak.stages.run import Run

log = logging.getLogger(__name__)


class Lack(NamedTuple):
    """Something that the bundle lacks."""

    program: str
    does: str
    """What the program does with it, and the evidence."""
    option: str
    """The value of ``--with`` that brings it."""
    level: int
    """Of ``logging``."""


def tell(run: Run, bundle: Bundle) -> Bundle:
    """Tell it in one line for each program: as a warning where an input would fail."""
    if run.options.dynamic and not log.isEnabledFor(logging.INFO):
        return bundle  # nothing would be told: see _lack
    lacks: dict[tuple[str, str], Lack] = {}
    for lack in _lacks(run, bundle):
        lacks.setdefault((lack.program, lack.option), lack)
    by_program: defaultdict[str, list[Lack]] = defaultdict(list)
    for lack in lacks.values():
        by_program[lack.program].append(lack)
    for level in (logging.WARNING, logging.INFO):
        for program, every in by_program.items():
            here = [lack for lack in every if lack.level == level]
            if here:
                log.log(level, "%s", _told(program, here))
    return bundle


def _told(program: str, lacks: list[Lack]) -> str:
    *first, last = [lack.does for lack in lacks]
    does = f"{', '.join(first)} and {last}" if first else last
    has = ("lacks what that takes", "has neither")[len(lacks) - 1] if len(lacks) < 3 else "has none"
    options = " ".join(f"--with {lack.option}" for lack in lacks)
    return f"{program} {does}: the bundle {has}; add {options}"


def _lacks(run: Run, bundle: Bundle) -> Iterator[Lack]:
    objects = subjects(run, functools.cache(run.host.real))
    there = functools.cache(functools.partial(_there, bundle))
    lack = functools.partial(_lack, _named(run), sure=not run.options.dynamic)
    asked = run.asked or Asked()
    for match in ruled.matches(objects) if not asked.auto else ():
        rule, subject = match.rule, match.subject
        if not rule.does or subject is None:
            continue
        does = rule.does + ("" if subject.elf.runs else f" ({match.name})")
        paths = found(run.host, match.patterns(rule.files))
        if paths and not any(bundle.resolve(path) for path in paths):
            yield lack(subject, does, rule.name)
        for kind in KINDS if not rule.files else ():
            if kind.name == rule.kinds and not there(kind.there):
                yield lack(subject, does, kind.name)
    thorough = log.isEnabledFor(logging.INFO)
    kinds = [
        kind
        for kind in KINDS
        if kind.name not in asked.without and not (asked.auto and kind.automatic)
    ]
    for sign in evidence.signs(objects, run.reader, kinds, thorough=thorough):
        kind = sign.kind
        if not there(kind.there):
            text = f"{kind.does} ({sign.short})"
            yield lack(sign.subject, text, kind.name, fails=kind.says is Says.FAILS)


def _there(bundle: Bundle, pattern: str) -> bool:
    regex = re.compile(pattern)
    return any(regex.fullmatch(path) for path, _ in bundle)


def _named(run: Run) -> dict[str, str]:
    """Name the input that runs each object from which a loader starts; the first for a plugin.

    What only accompanies the inputs may never run, and has no name here.
    """
    runs_by = {path: each.path for each in run.inputs for path, _ in each.programs}
    return {
        root.path: runs_by.get(root.path, "" if root.elf.runs else run.inputs[0].path)
        for root in run.resolver.roots.values()
    }


def _lack(
    named: Mapping[str, str], subject: Subject, does: str, option: str, *,
    fails: bool = True, sure: bool,
) -> Lack:  # fmt: skip
    """Blame the program of an object; evidence is not ``sure`` where a trace shows what is opened.
    """
    path = named[subject.program]
    level = logging.WARNING if fails and path and sure else logging.INFO
    return Lack((path or subject.program).rpartition("/")[2], does, option, level)

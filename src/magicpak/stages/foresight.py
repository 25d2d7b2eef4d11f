"""Tell what run-time data the programs will look for in vain, and which option brings it."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterator
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
    for level in (logging.WARNING, logging.INFO):
        for program in dict.fromkeys(lack.program for lack in lacks.values()):
            here = [x for x in lacks.values() if (x.program, x.level) == (program, level)]
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
    asked = run.asked or Asked()
    for match in ruled.matches(objects) if not asked.auto else ():
        rule, subject = match.rule, match.subject
        if not rule.does or subject is None:
            continue
        does = rule.does + ("" if subject.elf.runs else f" ({match.name})")
        paths = found(run.host, match.patterns(rule.files))
        if paths and not any(bundle.resolve(path) for path in paths):
            yield _lack(run, subject, does, rule.name)
        for kind in KINDS if not rule.files else ():
            if kind.name == rule.kinds and not there(kind.there):
                yield _lack(run, subject, does, kind.name)
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
            yield _lack(run, sign.subject, text, kind.name, fails=kind.says is Says.FAILS)


def _there(bundle: Bundle, pattern: str) -> bool:
    regex = re.compile(pattern)
    return any(regex.fullmatch(path) for path, _ in bundle)


def _lack(run: Run, subject: Subject, does: str, option: str, *, fails: bool = True) -> Lack:
    """Name the program of an object: an input for what runs it, the first input for a plugin.

    What only accompanies the inputs may never run.
    """
    runs_by = {path: each.path for each in run.inputs for path, _ in each.programs}
    root = next(r for r in run.resolver.roots.values() if r.path == subject.program)
    path = runs_by.get(subject.program, "" if root.elf.runs else run.inputs[0].path)
    # A traced run has shown what the program opens: evidence of more is weaker than that.
    sure = fails and path and not run.options.dynamic
    level = logging.WARNING if sure else logging.INFO
    return Lack((path or subject.program).rpartition("/")[2], does, option, level)

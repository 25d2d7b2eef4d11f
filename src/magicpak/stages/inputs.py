"""Add the executables, and the interpreters of scripts."""

from __future__ import annotations

from collections.abc import Iterator

from magicpak.plan import Bundle, Origin, Placed, Why
from magicpak.stages.run import Run


def place(run: Run, bundle: Bundle) -> Bundle:
    """Add the inputs. Raises PlaceTaken."""
    return bundle.add(_entries(run))


def _entries(run: Run) -> Iterator[Placed]:
    for each in run.inputs:
        origin = Origin(Why.INPUT, each.path)
        yield from run.host.entries(each.path, each.place, origin, relocated=each.relocated)
        for program, _ in each.programs[1:]:
            origin = Origin(Why.INTERPRETER, each.path)
            yield from run.host.entries(program, run.host.place(program), origin)

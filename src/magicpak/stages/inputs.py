"""Add the executables, and the interpreters of scripts."""

from __future__ import annotations

from magicpak.plan import Bundle, Origin, Why
from magicpak.stages.run import Run


def place(run: Run, bundle: Bundle) -> Bundle:
    """Add the inputs. Raises PlaceTaken."""
    for each in run.inputs:
        origin = Origin(Why.INPUT, each.path)
        bundle = bundle.add(
            run.host.entries(each.path, each.place, origin, relocated=each.relocated)
        )
        for program, _ in each.programs[1:]:
            origin = Origin(Why.INTERPRETER, each.path)
            bundle = bundle.add(run.host.entries(program, run.host.place(program), origin))
    return bundle

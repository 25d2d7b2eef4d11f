"""Tell what is in the bundle: ``--report``, ``--explain``, and the values of the library."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from magicpak.plan import Bundle, BundlePath
from magicpak.stages.run import Run
from magicpak.system import signals

if TYPE_CHECKING:
    from magicpak.report import Facts
    from magicpak.report.explanation import Explanation
    from magicpak.report.tree import Lookups


def facts(run: Run, bundle: Bundle) -> Facts:
    """Return what there is to say of a bundle."""
    with signals.held():  # an import may lose the exception of a signal
        from magicpak.report import Facts  # noqa: PLC0415  most runs are not asked
    return Facts(
        tuple(each.path for each in run.inputs),
        bundle,
        lambda plan: run.inventory().owners_in(plan),
        sysroot=run.host.sysroot,
        digest=run.digests.of if run.digests is not None else None,
        hints=tuple(run.told.hints),
        warnings=tuple(run.told.warnings),
    )


def explanation(run: Run, bundle: Bundle) -> Explanation:
    """Return the tree of why, and what is largest."""
    from magicpak.report import explanation  # noqa: PLC0415  as above

    return explanation.explanation(facts(run, bundle), lookups(run, bundle))


def lookups(run: Run, bundle: Bundle) -> Lookups:
    """Return what the loader's search has found."""
    from magicpak.report.tree import Lookups  # noqa: PLC0415  as above

    given = {each.path: each.place for each in run.inputs}
    place = functools.cache(lambda path: given.get(path) or run.host.place(path))
    # The search calls a program by its real path.
    real = {run.host.real(root.path): place(root.path) for root in run.resolver.roots.values()}
    places = {path: to for path, to in real.items() if bundle.get(place(path)) is None} | given
    rules: dict[BundlePath, str] = {}
    needs: dict[BundlePath, dict[BundlePath, None]] = {}
    missing: dict[BundlePath, dict[str, None]] = {}
    for root in run.resolver.roots.values():
        libraries = (*root.closure.libraries, *root.closure.baseline)
        named = {library.name: place(library.path) for library in libraries}
        objects = {root.path: root.elf} | {each.path: each.elf for each in libraries}
        for library in libraries:
            rules.setdefault(place(library.path), library.place.rule)
        for path, elf in objects.items():
            found = (named[name] for name in elf.needed if name in named)
            needs.setdefault(place(path), {}).update(dict.fromkeys(found))
        for failure in root.closure.failures:
            missing.setdefault(place(failure.needed_by), {})[failure.name] = None
    excluded = {
        path: next((each.text for each in run.excludes if each(path)), "a pattern above it")
        for path, _ in bundle.excluded
    }
    return Lookups(places, rules, needs, missing, excluded)

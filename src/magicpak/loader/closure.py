"""Find the closure of an executable, for this processor and for the oldest one."""

from __future__ import annotations

from collections.abc import Iterable

from magicpak.elf import Elf
from magicpak.loader.cache import directory
from magicpak.loader.finder import Finder, Known
from magicpak.loader.library import Ask, Closure, Library, View
from magicpak.loader.search import Environment, Loader
from magicpak.loader.walk import Walk


def closure(
    executable: Elf,
    path: str,
    loader: Loader,
    view: View,
    environment: Environment,
    *,
    ask: Ask | None = None,
    known: Known | None = None,
) -> Closure:
    """Find every library that the loader maps for an executable.

    ``path`` is the real path of the file (/proc/self/exe), from which ``$ORIGIN`` is derived. It is
    empty where the loader cannot know it. ``known`` is what was found for other executables, as
    long as loader, view and environment are the same, and no file changes.
    """
    finder = Finder(loader, view, environment, ask, {} if known is None else known)
    walk = Walk(finder).through(executable, path)
    variants = [library for library in walk.libraries if library.level]
    baseline: tuple[Library, ...] = ()
    if variants:
        older = Walk(finder._replace(loader=loader.plain, known={})).through(executable, path)
        baseline = _baseline(variants, walk, older)
    return Closure(
        tuple(walk.libraries),
        tuple(walk.failures),
        baseline,
        tuple(dict.fromkeys(walk.notices)),
        tuple(walk.refusals),
    )


def _baseline(variants: Iterable[Library], walk: Walk, older: Walk) -> tuple[Library, ...]:
    """Return the libraries that an older processor loads instead; none if one is missing.

    Each must be in the directory of its hwcaps variant. In the bundle the directories of
    LD_LIBRARY_PATH come last, so a plain library elsewhere would be found before the variant.
    """
    plain = {library.path for library in older.libraries}
    for library in variants:
        if f"{directory(library.path, library.level)}/{library.name}" not in plain:
            walk.warn(f"{library.path} has no baseline variant for older processors")
            return ()
    for failure in older.failures:
        walk.warn(f"on a processor without glibc-hwcaps: {failure}")
    known = {(library.name, library.path) for library in walk.libraries}
    return tuple(lib for lib in older.libraries if (lib.name, lib.path) not in known)

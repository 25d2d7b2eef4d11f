"""Find all that a loader maps for an executable, on this processor and on the oldest one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from magicpak.elf import Elf
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
) -> Closure:
    """Find every library that the loader maps for an executable.

    ``path`` is where the file itself lies (/proc/self/exe), which governs ``$ORIGIN``; empty where
    the loader cannot know it.
    """
    walk = Walk(loader, view, environment, ask).through(executable, path)
    variants = [library for library in walk.libraries if "/glibc-hwcaps/" in library.path]
    baseline: tuple[Library, ...] = ()
    if variants:
        older = Walk(loader.plain, view, environment, ask).through(executable, path)
        baseline = _baseline(variants, walk, older)
    return Closure(
        tuple(walk.libraries), tuple(walk.failures), baseline, tuple(dict.fromkeys(walk.notices))
    )


def _baseline(variants: Iterable[Library], walk: Walk, older: Walk) -> tuple[Library, ...]:
    """Return what an older processor loads instead, where all of that is there.

    Only plain files beside their variants count: one from elsewhere would be found in the bundle
    before the variant, as the directories of LD_LIBRARY_PATH come last there.
    """
    plain = {library.path for library in older.libraries}
    for library in variants:
        if re.sub("/glibc-hwcaps/[^/]+", "", library.path) not in plain:
            walk.warn(f"{library.path} has no plain variant beside it, for older processors")
            return ()
    for failure in older.failures:
        walk.warn(f"on a processor that has no use for glibc-hwcaps: {failure}")
    known = {(library.name, library.path) for library in walk.libraries}
    return tuple(lib for lib in older.libraries if (lib.name, lib.path) not in known)

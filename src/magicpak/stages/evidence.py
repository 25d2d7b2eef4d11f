"""List the objects of the bundle that evidence is read from."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from magicpak.runtime import ruled
from magicpak.runtime.kinds import names
from magicpak.runtime.subject import Subject
from magicpak.stages.run import Run

LIBC = names(
    "ld libc libm libpthread libdl librt libresolv libutil libanl libnsl libBrokenLocale"
    " libthread_db libmvec libc_malloc_debug libgcc_s libstdc++"
)
"""The C library itself and what belongs to it: its functions are what others import."""


def _is_libc(name: str) -> bool:
    """Tell whether a file is one of LIBC by its name, or a module of the name service."""
    stem = name.partition(".")[0].partition("-")[0]
    return stem != name and (stem in LIBC or stem.startswith("libnss_"))


def subjects(run: Run, real: Callable[[str], str]) -> list[Subject]:
    """List the programs and plugins, each followed by its libraries.

    ``real`` resolves the links in a path of the host.
    """
    return list(ruled.used(_subjects(run, real)))


def _subjects(run: Run, real: Callable[[str], str]) -> Iterator[Subject]:
    roots = run.resolver.roots.values()
    needed = {
        library.elf.identity
        for root in roots
        for library in root.closure.libraries
        if library.elf.identity != root.elf.identity
    }
    inputs = {elf.identity for each in run.inputs for _, elf in each.programs if elf is not None}
    seen = set()
    for root in roots:
        name = root.path.rpartition("/")[2]
        common = root.elf.identity in needed or _is_libc(name)
        if common and root.elf.identity not in inputs:
            continue  # a library that a trace, a pattern or this data brought too
        yield Subject(root.path, real(root.path), root.elf, root.path, near=True)
        paths = (root.path, real(root.path))
        for library in root.closure.libraries:
            near = library.needed_by in paths
            key = (library.elf.identity, near and root.path)
            if key in seen:
                continue
            seen.add(key)
            libc = _is_libc(library.name)
            yield Subject(
                library.path, real(library.path), library.elf, root.path, near and not libc, libc
            )

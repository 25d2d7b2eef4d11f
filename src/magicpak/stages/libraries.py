"""Add the dynamic loader and the shared libraries, for inputs and for entries of later stages."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from magicpak.elf import SMALLEST, Elf, MalformedExecutable, is_elf
from magicpak.plan import Bundle, File, Placed
from magicpak.stages.run import Run

log = logging.getLogger(__name__)


def resolve(run: Run, bundle: Bundle) -> Bundle:
    """Add the closures of the inputs. Raises LookupFailed, LookupRefused, PlaceTaken."""
    log.debug("resolve shared libraries")
    programs = (
        (path, elf) for each in run.inputs for path, elf in each.programs if elf is not None
    )
    return bundle.add(run.resolver.among(programs, must_start=True))


def with_libraries(run: Run, placed: Iterable[Placed], bundle: Bundle) -> Bundle:
    """Add entries, and the closures of the ELF objects among them."""
    files: dict[tuple[int, int], File] = {}
    bundle = bundle.add(_noted(placed, files))
    # Use host paths: the path in the bundle differs for a match of a relative pattern.
    objects = [
        (file.source.removeprefix(run.host.sysroot), elf)
        for file in files.values()
        if (elf := _object(run, file))
    ]
    return bundle.add(run.resolver.among(objects))


def _noted(placed: Iterable[Placed], files: dict[tuple[int, int], File]) -> Iterator[Placed]:
    """Pass entries on, and note the files that are large enough for an ELF file."""
    for each in placed:
        if isinstance(each.entry, File) and each.entry.size >= SMALLEST:
            files[each.entry.identity] = each.entry
        yield each


def _object(run: Run, file: File) -> Elf | None:
    """Read a file; None unless the loader can load it."""
    if not is_elf(file.source):
        return None
    try:
        elf = run.host.read_planned(file)
    except MalformedExecutable as e:
        log.warning("%s; its libraries are not bundled", e)
        return None
    return elf if elf.kind in ("ET_DYN", "ET_EXEC") else None

"""Find the files of the host that an include pattern matches."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from magicpak.patterns import Component, Include
from magicpak.sysroot import Sysroot

log = logging.getLogger(__name__)

PSEUDO = ("/proc", "/sys", "/dev")
"""File systems of the running kernel: never walked into, but for what a pattern names there."""

Identity = tuple[int, int]


def matches(files: Sysroot, pattern: Include) -> list[str]:
    """List the paths that a pattern matches, sorted; a relative one gives relative paths."""
    start = "/" if pattern.absolute else ""
    return sorted(set(_below(files, start, pattern.components)))


def _below(files: Sysroot, base: str, components: tuple[Component, ...]) -> Iterator[str]:
    if not components:
        if base and files.status(base) is not None:
            yield base
        return
    first, *rest = components
    if first.recursive:
        yield from _at_any_depth(files, base, tuple(rest), frozenset())
    elif first.literal is not None:
        yield from _below(files, _join(base, first.literal), tuple(rest))
    elif files.directory_identity(base) is not None:
        for name in _names(files, base):
            if first.matches(name):
                yield from _below(files, _join(base, name), tuple(rest))


def _at_any_depth(
    files: Sysroot, base: str, rest: tuple[Component, ...], above: frozenset[Identity]
) -> Iterator[str]:
    """Match ``**``: nothing, or a directory more; links are followed, but never in a circle."""
    identity = files.directory_identity(base)
    if identity is None or identity in above or base in PSEUDO:
        return
    yield from _below(files, base, rest)
    for name in _names(files, base):
        yield from _at_any_depth(files, _join(base, name), rest, above | {identity})


def _names(files: Sysroot, directory: str) -> list[str]:
    try:
        return files.names(directory)
    except OSError as e:
        log.warning("%s cannot be searched: %s", directory or ".", e.strerror)
        return []


def _join(base: str, name: str) -> str:
    return f"{base.rstrip('/')}/{name}" if base else name

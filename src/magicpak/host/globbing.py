"""Find the files of the host that an include pattern matches."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from magicpak.host.sysroot import Sysroot
from magicpak.plan.patterns import Component, Include

log = logging.getLogger(__name__)

PSEUDO = ("/proc", "/sys", "/dev")
"""File systems of the running kernel. They are not walked, but a pattern can name their files."""

Identity = tuple[int, int]


def matches(files: Sysroot, pattern: Include) -> list[str]:
    """List the paths that a pattern matches, sorted; a relative pattern gives relative paths."""
    paths = ["/" if pattern.absolute else ""]
    for component in pattern.components:
        # Drop duplicates: several '**' reach the same directory in many ways.
        paths = list(dict.fromkeys(p for base in paths for p in _step(files, base, component)))
    found = (path for path in paths if path and files.status(path) is not None)
    if pattern.directory:
        found = (path for path in found if files.directory_identity(path) is not None)
    return sorted(found)


def _step(files: Sysroot, base: str, component: Component) -> Iterator[str]:
    """Yield the matches of a component in a directory; a literal name may not exist."""
    if component.recursive:
        yield from _at_any_depth(files, base)
    elif component.literal is not None:
        yield _join(base, component.literal)
    elif files.directory_identity(base) is not None:
        yield from (_join(base, name) for name in _names(files, base) if component.matches(name))


def _at_any_depth(files: Sysroot, base: str) -> Iterator[str]:
    """Match ``**``: a directory and all below. Links are followed, but not in cycles."""
    above: frozenset[Identity] = frozenset()
    pending = [(base, above)]
    while pending:
        directory, above = pending.pop()
        identity = files.directory_identity(directory)
        if identity is None or identity in above or directory in PSEUDO:
            continue
        yield directory
        above |= {identity}
        pending += [(_join(directory, name), above) for name in _names(files, directory)]


def _names(files: Sysroot, directory: str) -> list[str]:
    try:
        return files.names(directory)
    except OSError as e:
        log.warning("%s cannot be searched: %s", directory or ".", e.strerror)
        return []


def _join(base: str, name: str) -> str:
    return f"{base.rstrip('/')}/{name}" if base else name

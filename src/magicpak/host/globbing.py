"""Find the files of the host that an include pattern matches."""

from __future__ import annotations

import logging
import stat
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
    """Match ``**``: a directory and those below, each once, by its own path rather than a link's.

    By every way there would be too many: their number grows factorially with directories that are
    linked to one another.
    """
    seen: set[Identity] = set()
    pending = [base]
    links: list[str] = []
    while pending or links:
        directory = pending.pop() if pending else links.pop()
        identity = files.directory_identity(directory)
        if identity is None or identity in seen or directory in PSEUDO:
            continue
        seen.add(identity)
        yield directory
        for name in _names(files, directory):
            path = _join(directory, name)
            status = files.status(path)
            if status is not None and stat.S_ISDIR(status.st_mode):
                pending.append(path)
            elif status is not None and stat.S_ISLNK(status.st_mode):
                links.append(path)


def _names(files: Sysroot, directory: str) -> list[str]:
    try:
        return files.names(directory)
    except OSError as e:
        log.warning("%s cannot be searched: %s", directory or ".", e.strerror)
        return []


def _join(base: str, name: str) -> str:
    return f"{base.rstrip('/')}/{name}" if base else name

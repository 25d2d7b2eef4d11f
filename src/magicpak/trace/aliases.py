"""By which other names a run has files: it has renamed them, linked them or bound them. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def origin(path: str, aliases: Mapping[str, str | None]) -> str | None:
    """Return where what is at a path lies, by the nearest alias at or above it.

    None where it lies nowhere on this machine, as what is on a file system that the run mounted.
    """
    at = path
    while at and at not in aliases:
        at = at.rpartition("/")[0]
    if not at:
        return path
    place = aliases[at]
    return None if place is None else (place.rstrip("/") + path[len(at) :]) or "/"

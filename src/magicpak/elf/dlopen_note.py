"""Read ``.note.dlopen``: the libraries that a file declares to load by dlopen(3) (UAPI.12).

https://uapi-group.org/specifications/specs/elf_dlopen_metadata/
"""

import itertools
import logging
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

MOST_ENTRIES = 100
"""More notes, and libraries in a note, than any file has; each is looked for everywhere."""
OWNER = b"FDO\0"
TYPE = 0x407C0C0A


class DlopenNote(NamedTuple):
    """One library that a file declares to load by dlopen(3) (UAPI.12)."""

    sonames: tuple[str, ...]
    """Alternatives, in the order in which they are tried."""
    feature: str
    priority: str
    """``required``, ``recommended`` or ``suggested``."""


def read(segment: bytes, little_endian: bool) -> Iterator[DlopenNote]:
    """Read what a note segment says of it."""
    for description in itertools.islice(_descriptions(segment, little_endian), MOST_ENTRIES):
        yield from _entries(description)


def _descriptions(data: bytes, little_endian: bool) -> Iterator[bytes]:
    """Yield the descriptions; sizes are 4-byte words in either class (gabi, "Note Section")."""
    order: Any = "little" if little_endian else "big"
    position = 0
    while position + 12 <= len(data):
        name_size, size, kind = (
            int.from_bytes(data[position + at : position + at + 4], order) for at in (0, 4, 8)
        )
        name = position + 12
        start = name + (name_size + 3) // 4 * 4
        if (data[name : name + name_size], kind) == (OWNER, TYPE):
            yield data[start : start + size]
        position = start + (size + 3) // 4 * 4


def _entries(description: bytes) -> Iterator[DlopenNote]:
    """Read the JSON array of a ``.note.dlopen``; warn if it is malformed."""
    import json  # noqa: PLC0415  few files have such a note

    try:
        left = MOST_ENTRIES
        for entry in json.loads(description.rstrip(b"\0")):
            sonames = [entry["soname"]] if isinstance(entry["soname"], str) else entry["soname"]
            left -= len(sonames)
            if left < 0:
                raise ValueError(f"it names more than {MOST_ENTRIES} libraries")
            yield DlopenNote(
                tuple(map(_name, sonames)),
                str(entry.get("feature", "")),
                str(entry.get("priority", "recommended")),
            )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as e:
        log.warning("a .note.dlopen is not well formed and is ignored: %s", e)


def _name(value: object) -> str:
    """Take a name that a file can have. Raises ValueError, UnicodeEncodeError among them."""
    name = str(value)
    if not name or b"\0" in os.fsencode(name):
        raise ValueError(f"no file can have the name {name!r}")
    return name

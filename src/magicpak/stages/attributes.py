"""Add the missing parent directories, and set reproducible times."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping

from magicpak.output.copying import opened
from magicpak.plan import Bundle, BundlePath, Entry, File
from magicpak.stages.run import Run, source_date

log = logging.getLogger(__name__)

CACHED = r"(.*/)__pycache__/([^/.]+)\.[^/]+\.pyc"
"""The path of byte code (PEP 3147); before, it was beside the source."""


def complete(run: Run, bundle: Bundle) -> Bundle:
    """Add the parent directories that have no entry, and set all times."""
    latest = _latest(os.environ)
    timed = bundle.add(run.host.parents(bundle)).timed(latest)
    return timed if latest is None else _with_byte_code(timed)


def _latest(environment: Mapping[str, str]) -> int | None:
    """Return the upper bound of times that SOURCE_DATE_EPOCH sets, in nanoseconds."""
    seconds, epoch = source_date(environment), environment.get("SOURCE_DATE_EPOCH")
    if seconds is not None:
        return seconds * 10**9
    if epoch:
        log.warning("SOURCE_DATE_EPOCH=%s is ignored: it is not a number of seconds", epoch)
    return None


def _with_byte_code(bundle: Bundle) -> Bundle:
    """Adapt Python's byte code to the times of the sources, so that it stays valid.

    It records the time of its source. If that differs, Python compiles the source again.
    """

    def adapt(path: BundlePath, entry: Entry) -> Entry:
        if not path.endswith(".pyc") or not isinstance(entry, File):
            return entry
        place = bundle.resolve(_source(path))
        item = bundle.get(place) if place else None
        source = item.entry if item else None
        if not isinstance(source, File) or source.seen in (None, source.meta.mtime):
            return entry
        offset = _record(entry, _recorded(source.seen or 0), source.size)
        if offset is None:
            return entry
        return entry._replace(patch=(offset, _recorded(source.meta.mtime)))

    return bundle.change(adapt)


def _source(path: str) -> str:
    """Return the path of the source of byte code."""
    cached = re.fullmatch(CACHED, path, re.DOTALL)
    return f"{cached[1]}{cached[2]}.py" if cached else path.removesuffix("c")


def _recorded(mtime: int) -> bytes:
    """Return a time as byte code records it."""
    return (mtime // 10**9 & 0xFFFFFFFF).to_bytes(4, "little")


def _record(file: File, time: bytes, size: int) -> int | None:
    """Return the offset at which byte code records a time of its source; None if it does not."""
    try:
        with open(opened(file), "rb") as stream:
            header = stream.read(16)
    except OSError:
        return None  # writing it raises the error
    if header[4:8] == time:
        return 4  # before Python 3.7
    # PEP 552: flags of 0, the time and the size.
    expected = bytes(4) + time + (size & 0xFFFFFFFF).to_bytes(4, "little")
    return 8 if header[4:] == expected else None

"""Give the bundle the user of ``--user``: its lines of passwd(5) and group(5), beside root's."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping

from magicpak.host import Host
from magicpak.plan import (
    Bundle,
    BundlePath,
    Entry,
    File,
    Origin,
    Why,
    generated,
)
from magicpak.stages.run import Run, tables

log = logging.getLogger(__name__)

PASSWD = BundlePath("/etc/passwd")
GROUP = BundlePath("/etc/group")


def add(run: Run, bundle: Bundle) -> Bundle:
    """Add root's lines and the user's, or those of them that a table lacks. Raises IoError."""
    if run.user is None:
        return bundle
    people, groups = run.user.lines(*tables(run.host))
    origin = Origin(Why.USER, run.user.name)
    return with_lines(run.host, bundle, {PASSWD: people, GROUP: groups}, origin)


def with_lines(
    host: Host, bundle: Bundle, tables: Mapping[BundlePath, Iterable[str]], origin: Origin
) -> Bundle:
    """Add lines to tables that are planned, or plan them; a name that is there stays as it is.

    Raises IoError.
    """
    for path, lines in tables.items():
        bundle = _with(host, bundle, path, lines, origin)
    return bundle


def _with(
    host: Host, bundle: Bundle, path: BundlePath, lines: Iterable[str], origin: Origin
) -> Bundle:
    place = bundle.resolve(path) or path
    item = bundle.get(place)
    entry = item.entry if item is not None else None
    before = host.planned_content(entry) if isinstance(entry, File) else b""
    names = {line.partition(b":")[0] for line in before.split(b"\n")}
    wanted = map(os.fsencode, lines)
    lacking = [line for line in wanted if line.partition(b":")[0] not in names]
    if not lacking:
        return bundle
    if item is None:
        return bundle.add([generated(path, _joined(lacking), origin)])
    if item.because(Why.INCLUDED, Why.INPUT):
        # It is as it was asked for.
        name = os.fsdecode(lacking[0].partition(b":")[0])
        log.warning("%s is bundled without a line for %s (%s)", path, name, origin)
        return bundle
    content = before.rstrip(b"\n") + b"\n" + _joined(lacking)

    def change(at: BundlePath, entry: Entry) -> Entry:
        if at == place and isinstance(entry, File):
            return entry.with_content(content)
        return entry

    return bundle.change(change)


def _joined(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)

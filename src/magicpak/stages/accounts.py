"""Leave people's accounts out of a traced ``/etc/passwd`` and ``/etc/group``, but those asked for.

A C library reads these files whole: a trace does not show which accounts a program asked for. It
can have asked for a number that it runs as or saw on a file, and for a name that it has from
somewhere: its arguments, itself, or a file that it reads.
"""

import contextlib
import logging
import os
import re
from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

from magicpak.host import Host
from magicpak.plan import Bundle, BundlePath, Entry, File, Why
from magicpak.stages.run import Run

log = logging.getLogger(__name__)

TABLES = ("/etc/passwd", "/etc/group")
PEOPLE = range(1000, 60001)
"""The numbers of people's accounts: UID_MIN to UID_MAX of login.defs(5)."""

_PIECE = 1 << 20
_LONGEST = 256  # LOGIN_NAME_MAX


class Account(NamedTuple):
    """A line of passwd(5) or group(5)."""

    line: str
    name: str
    number: int


def sift(run: Run, bundle: Bundle) -> Bundle:
    """Take the accounts out that no traced program can have asked for."""
    traced = [path for path in TABLES if _traced(bundle, path)]
    tables = {path: list(_accounts(run.host.content(path))) for path in traced}
    accounts = [account for table in tables.values() for account in table]
    people = {account.name for account in accounts if account.number in PEOPLE}
    if not people:
        return bundle
    numbers = {os.getuid(), os.getgid()}
    if run.user is not None:
        numbers |= {run.user.uid, *run.user.groups}
    for _, item in bundle:
        numbers |= {item.entry.meta.uid, item.entry.meta.gid}
    words = _words(run)
    known = {account.name for account in accounts if account.number in numbers}
    known |= words | {account.name for account in accounts if str(account.number) in words}
    for name in sorted(people - known):
        if _named(run.host, bundle, name):
            known.add(name)
    gone = people - known
    if not gone:
        return bundle
    for path in tables:
        log.info("%s without people that nothing bundled names: %s", path, ", ".join(sorted(gone)))

    def change(path: BundlePath, entry: Entry) -> Entry:
        if path not in tables or not isinstance(entry, File):
            return entry
        content = os.fsencode("".join(_without(gone, tables[path])))
        return entry.with_content(content)

    return bundle.change(change)


def _traced(bundle: Bundle, path: str) -> bool:
    """Tell whether a table is in the bundle because of a traced run alone."""
    item = bundle.get(BundlePath(path))
    return (
        item is not None
        and isinstance(item.entry, File)
        and all(origin.why is Why.TRACED for origin in item.origins)
    )


def _accounts(content: bytes) -> Iterator[Account]:
    for line in filter(None, os.fsdecode(content).split("\n")):
        name, *fields = line.split(":")
        number = fields[1] if len(fields) > 1 else ""
        yield Account(line, name, int(number) if number.isdecimal() else -1)


def _without(gone: Set[str], table: Iterable[Account]) -> Iterator[str]:
    """Give the lines of a table without some accounts, also as the members of a group."""
    for line, name, _ in table:
        if name in gone:
            continue
        *fields, last = line.split(":")
        if len(fields) == 3:  # of a group, which has four
            last = ",".join(member for member in last.split(",") if member not in gone)
        yield ":".join((*fields, last)) + "\n"


def _words(run: Run) -> set[str]:
    """Return what the traced runs were told by their arguments, their stdin and this user."""
    options = run.options
    texts = [*options.dynamic_arg, *options.dynamic_run, options.dynamic_stdin or ""]
    texts += [options.dynamic_command or "", options.dynamic_script or "", *os.environ.values()]
    return {word for text in texts for word in re.findall(r"[\w.-]+", text)}


def _named(host: Host, bundle: Bundle, name: str) -> bool:
    """Tell whether a name stands in a file of the bundle."""
    text = os.fsencode(name)
    word = re.compile(rb"(?<![\w-])" + re.escape(text) + rb"(?![\w-])")
    files = (item.entry for path, item in bundle if path not in TABLES)
    sources = (file.source for file in files if isinstance(file, File) and file.size)
    paths = (source.removeprefix(host.sysroot) for source in sources)
    # The search for a text is much faster than that for a pattern, and nearly always enough.
    return any(
        text in piece and word.search(piece) for path in paths for piece in _pieces(host, path)
    )


def _pieces(host: Host, path: str) -> Iterator[bytes]:
    """Read a file in pieces that overlap by more than a name is long."""
    end = b""
    with contextlib.suppress(OSError), open(host.opened(path), "rb") as file:
        while read := file.read(_PIECE):
            yield end + read
            end = read[-_LONGEST:]

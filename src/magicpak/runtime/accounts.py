"""Choose the accounts that programs look up, for passwd(5) and group(5) of the bundle."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Set

from magicpak.errors import IoError
from magicpak.plan import File
from magicpak.runtime.request import Request
from magicpak.system.user import rows

ALWAYS = ("root", "nobody")
NAME = re.compile(r"[A-Za-z_][\w.-]*\$?")
SYSTEM = range(1, 1000)
"""The numbers of the accounts of services (SYS_UID_MAX of login.defs(5))."""
WORDS = frozenset(
    {"backup", "bin", "daemon", "ftp", "games", "halt", "irc", "list", "lp", "mail", "man",
     "news", "operator", "proxy", "shutdown", "sync", "sys"}
)  # fmt: skip
"""Names that are words too: that a file has one says nothing."""
SETTING = re.compile(r"(?i)(?:user|group|owner)\w*[\s=:\"']+([\w.-]+)")
"""A setting that names an account."""
SMALL = 1 << 16
"""Bytes of a configuration that is searched for names."""

Row = list[str]


def accounts(
    request: Request, passwd: str, group: str, *, named: bool
) -> tuple[list[str], list[str]]:
    """Return the lines for root, nobody and the users asked for, and for their groups.

    With ``named``, also for the services that a program or its configuration names, and for the
    owners of entries. A user that is not here is made, if it has a number. No line has a password,
    or names a user without a line. Raises DataNotFound.
    """
    here = {row[0]: row for row in rows(passwd, 7)}
    people = {name: here.get(name) or _made(name) for name in ALWAYS}
    for value in request.values:
        row = _asked(request, value, here)
        people[row[0]] = row
    table = list(rows(group, 4))
    groups: set[str] = set()
    if named:
        services = {name: row for name, row in here.items() if int(row[2]) in SYSTEM}
        system = {row[0] for row in table if int(row[2]) in SYSTEM}
        wanted = _named(request, services.keys() | system)
        owners = {str(item.entry.meta.uid) for _, item in request.bundle}
        for name, row in services.items():
            if name in wanted or row[2] in owners:
                people.setdefault(name, row)
        gids = {str(item.entry.meta.gid) for _, item in request.bundle}
        groups = wanted & system | {row[0] for row in table if row[2] in gids}
    return (
        [":".join((name, "x", *rest)) for name, _, *rest in people.values()],
        list(_groups(people, here, table, groups)),
    )


def _made(name: str, uid: str = "65534", gid: str = "") -> Row:
    if name == "root":
        return [name, "x", "0", "0", name, "/root", "/bin/sh"]
    return [name, "x", uid, gid or uid, name, "/nonexistent", "/usr/sbin/nologin"]


def _asked(request: Request, value: str, here: Mapping[str, Row]) -> Row:
    """Read ``NAME[:UID[:GID]]``. Raises DataNotFound."""
    name, *numbers = value.split(":")
    if not NAME.fullmatch(name) or len(numbers) > 2 or not all(map(str.isdecimal, numbers)):
        raise request.missing(f"{value} is no NAME[:UID[:GID]]", "write app:1000 for example")
    if numbers:
        return _made(name, *numbers)
    if name not in here:
        raise request.missing(f"no user {name} is here", f"give it a number: {name}:1000")
    return here[name]


def _groups(
    people: Mapping[str, Row], here: Mapping[str, Row], table: list[Row], named: Set[str]
) -> Iterator[str]:
    """Yield the groups of people, and those named: a made user has one of its own name."""
    known = {row[2]: row for row in table}
    made = {row[3]: name for name, row in people.items() if row != here.get(name)}
    numbers = {row[3] for row in people.values()}
    numbers |= {row[2] for row in table if not people.keys().isdisjoint(row[3].split(","))}
    numbers |= {row[2] for row in table if row[0] in named}
    for number in sorted(numbers, key=int):
        name, _, _, members = known.get(number, (number, "x", number, ""))
        if number in made and number != "65534":
            name, members = made[number], ""
        kept = ",".join(member for member in members.split(",") if member in people)
        yield ":".join((name, "x", number, kept))


def _named(request: Request, names: Set[str]) -> set[str]:
    """Find the names among the constants of programs and in the bundle's configuration."""
    found: set[str] = set()
    sure = names - WORDS
    constants = {os.fsencode(name): name for name in sure}
    for subject in request.subjects:
        if subject.is_program and subject.elf.runs:
            for piece in request.reader.constants(subject.path):
                texts = constants.keys() & piece.split(b"\0")
                found.update(constants[text] for text in texts)
    for path, item in request.bundle:
        entry = item.entry
        settings = path.startswith(("/etc/", "/var/lib/"))
        if settings and isinstance(entry, File) and entry.size < SMALL:
            try:
                text = os.fsdecode(request.host.planned_content(entry))
            except IoError:
                continue  # writing it raises the error
            found |= sure & set(re.findall(r"[\w.-]+", text))
            found |= names & set(SETTING.findall(text))
    return found

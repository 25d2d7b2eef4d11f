"""Who a program runs as: a user by name or number, as the option --user of docker takes it."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from magicpak.errors import MagicpakError, printable

_HIGHEST = 2**31 - 1
_NUMBER = re.compile(r"\d+", re.ASCII)


class User(NamedTuple):
    """A user as credentials(7) has one, with what passwd(5) and group(5) say of it."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    """All its groups, its primary one too."""
    home: str
    name: str
    """Its number, where passwd(5) has no name for it."""

    def is_current(self) -> bool:
        """Tell whether this process runs as this user already."""
        return (self.uid, self.gid) == (os.geteuid(), os.getegid())

    def popen_settings(self) -> dict[str, Any]:
        """Return what subprocess.Popen takes to run a program as this user."""
        settings: dict[str, Any] = {"env": self.environment(os.environ)}
        if not self.is_current():
            settings |= {"user": self.uid, "group": self.gid, "extra_groups": self.groups}
        return settings

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Raise UserRefused where the body cannot start a program as this user."""
        try:
            yield
        except OSError as e:
            if e.filename is not None:  # the program cannot be executed
                raise
            raise UserRefused(self.name, e.strerror or str(e)) from e

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return an environment with the user's HOME, and without the name of another, as docker's.

        See environ(7).
        """
        kept = {name: value for name, value in env.items() if name not in ("USER", "LOGNAME")}
        return {**kept, "HOME": self.home}


    def lines(self, passwd: str, group: str) -> tuple[list[str], list[str]]:
        """Return the lines of root and the user, and of their groups, with nobody else in them.

        No line has a password.
        """
        wanted = (("root", 0), (self.name, self.uid))
        people = [row for row in rows(passwd, 7) if (row[0], int(row[2])) in wanted]
        names = {row[0] for row in people}
        numbers = {0, *self.groups, *(int(row[3]) for row in people)}
        groups = [
            (name, number, ",".join(one for one in members.split(",") if one in names))
            for name, _, number, members in rows(group, 4)
            if int(number) in numbers
        ]
        return (
            [":".join((name, "x", *rest)) for name, _, *rest in people],
            [":".join((name, "x", *rest)) for name, *rest in groups],
        )


class UserRefused(MagicpakError):
    """This process may not run a program as another user."""

    name: str
    reason: str

    def __str__(self) -> str:
        return (
            f"Unable to run a program as the user {printable(self.name)}: {self.reason}; only "
            "root may do that (CAP_SETUID, CAP_SETGID): run magicpak as root, or without --user"
        )


class UnknownUser(MagicpakError):
    """There is no user, or no group, of that name or number."""

    text: str
    what: str
    """``user`` or ``group``."""
    path: str
    """The file that has none."""

    def __str__(self) -> str:
        return (
            f"Unable to find the {self.what} of --user '{printable(self.text)}': {self.path} has "
            "none of that name; give NAME or UID, and after a colon the group's name or GID"
        )


def find(text: str, passwd: str, group: str) -> User:
    """Look up ``NAME|UID[:GROUP|GID]`` in the content of passwd(5) and group(5).

    A number need not be there: without a line, the group is root's and the home ``/``. The groups
    are the user's own and those that list it, or the given one alone. Raises UnknownUser.
    """
    who, _, which = text.partition(":")
    known = next((row for row in rows(passwd, 7) if _is(row, who)), None)
    number = _number(who)
    if known is None and number is None:
        raise UnknownUser(text, "user", "/etc/passwd")
    name, uid, gid, home = str(number), number or 0, 0, "/"
    if known is not None:
        name, uid, gid, home = known[0], int(known[2]), int(known[3]), known[5] or "/"
    if which:
        gid = _group(text, which, group)
        return User(uid, gid, (gid,), home, name)
    listing = (row for row in rows(group, 4) if known and name in row[3].split(","))
    groups = dict.fromkeys((gid, *(int(row[2]) for row in listing)))
    return User(uid, gid, tuple(groups), home, name)


def _group(text: str, which: str, group: str) -> int:
    known = next((int(row[2]) for row in rows(group, 4) if _is(row, which)), _number(which))
    if known is None:
        raise UnknownUser(text, "group", "/etc/group")
    return known


def _is(row: list[str], text: str) -> bool:
    """Tell whether a line is that of a name, or of a number; a number is never a name."""
    number = _number(text)
    return row[0] == text if number is None else int(row[2]) == number


def _number(text: str) -> int | None:
    number = int(text) if _NUMBER.fullmatch(text) else None
    return number if number is None or number <= _HIGHEST else None


def rows(content: str, fields: int) -> Iterator[list[str]]:
    """Return the lines that have so many fields, with numbers where they belong."""
    for line in content.split("\n"):
        row = line.split(":")
        numbers = row[2:4] if fields == 7 else row[2:3]
        if len(row) == fields and row[0] and all(map(_NUMBER.fullmatch, numbers)):
            yield row

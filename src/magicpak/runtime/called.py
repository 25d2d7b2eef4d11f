"""Tell by its path whether a file is for a program: it is called alike, or not for others."""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Iterable, Iterator, Sequence

from magicpak.host import Host
from magicpak.runtime import ruled

ETC = (
    r"init default cron logrotate apparmor bash_completion systemd profile skel ufw insserv rc\w"
    " tmpfiles sysctl modprobe udev dbus-1 modules-load xdg NetworkManager network ppp resolvconf"
    r" dhcp kernel grub apt dpkg pam\.d emacs xml sgml gss ld\.so"
)
"""Directories of /etc, with anything after a dot."""
LIB = (
    r"python3[^/]*/__pycache__ systemd udev tmpfiles\.d sysusers\.d sysctl\.d modprobe\.d mime"
    r" [^/]+\.so[^/]* \w+-linux-\w+/[^/]+\.so[^/]*"
)
SHARE = (
    "applications icons pixmaps metainfo appdata menu mime dbus-1 polkit-1 xsessions vim emacs"
    r" apport fish/vendor\w* zsh/vendor\w* doc-base man info locale"
)
CATALOGUE = re.compile(r"/usr/share/locale(?:-langpack)?/")
PROGRAM = re.compile(r"/(?:usr/)?(?:s?bin|games)/")
MANY = 12
"""Programs of a package that is a collection: what else it has says little of one of them."""
STATE = re.compile(r"/(?:run|var/(?:lib|log|cache|spool|run))/.*")
STEM = re.compile(r"(?:lib)?([A-Za-z][\w+-]*?[A-Za-z+]{2})(?:[-_.]?\d[\w.]*)?(?:\.so.*)?")
"""The name of a program or library, without version; so are its directories called."""
REST = re.compile(r"[-._\d]|rc$|$")
PARENTS = ("/etc", "/usr/share", "/usr/lib", "/usr/libexec")


@functools.cache
def _for_others() -> re.Pattern[str]:
    # Not before it is used: to compile it takes milliseconds.
    return re.compile(
        rf"/etc/(?:{ETC.replace(' ', '|')})(?:[./].*)?/.*|/s?bin/.*|/lib(?:64)?/.*"
        rf"|/usr/(?:s?bin|games|local|include|lib/(?:{LIB.replace(' ', '|')})"
        rf"|share/(?:{SHARE.replace(' ', '|')}))(?:/.*)?"
    )


def for_others(path: str) -> bool:
    """Tell whether what packages put there is for others, or comes where something needs it."""
    return _for_others().fullmatch(path) is not None


def by_name(host: Host, real: str) -> Iterator[str]:
    """Yield the directories and files of configuration that are called as a program or library."""
    directory, _, name = real.rpartition("/")
    match = STEM.fullmatch(name)
    if match is None:
        return
    stems = (match[1], match[1].removesuffix("d"), match[1].partition("-")[0])
    prefix = ruled.prefix(real)
    beside = () if PROGRAM.match(real) else (directory,)
    for parent in dict.fromkeys((*PARENTS, f"{prefix}/share", f"{prefix}/lib", *beside)):
        for each in _called(_listed(host, parent), dict.fromkeys(stems)):
            path = f"{parent}/{each}"
            if parent == "/etc" or host.directory_identity(path) is not None:
                yield path


def _called(names: Sequence[str], stems: Iterable[str]) -> list[str]:
    """List which of sorted names begin with a stem that ends there."""
    found = set()
    for stem in stems:
        for at in range(bisect.bisect_left(names, stem), len(names)):
            if not names[at].startswith(stem):
                break
            if REST.match(names[at], len(stem)):
                found.add(names[at])
    return sorted(found)


@functools.lru_cache
def _listed(host: Host, directory: str) -> tuple[str, ...]:
    try:
        return tuple(host.names(directory))  # sorted
    except OSError:
        return ()

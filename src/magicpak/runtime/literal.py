"""Find the libraries and files that objects name literally, and that belong to them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from magicpak.runtime.subject import Reader, Subject

PATH = re.compile(r"/(?:etc|usr|opt|var|srv)/[\w./+@~-]*\w")
"""In the text of a script."""
PROGRAM = re.compile(r"(?<![\w./-])/(?:usr/(?:local/)?)?s?bin/[\w.+-]*\w")
"""A program, in the text of a script."""
OPENERS = frozenset({"dlopen", "dlmopen", "g_module_open", "lt_dlopen", "lt_dlopenext"})
NAME = re.compile(r"(?:(?:\$ORIGIN|\$\{ORIGIN\}|\.\.?|)/(?:[\w.+-]+/)*)?[\w+-][\w.+-]*\.so[\d.]*")
"""A path, or a name without one; what a format makes of a name cannot be known."""
DRIVERS = re.compile(
    r"(?:.*/)?(?:libcuda|libnv|libnvidia|libcudart|libGLX_nvidia|libamdhip|libhsa)[\w.-]*"
)
"""Libraries of a driver, which has to be that of the machine where the image runs."""

GENERIC = re.compile(
    r"/(?:usr|usr/local|opt|var|etc|run|srv|lib\w*|s?bin|tmp|dev)(?:/(?:share|lib\w*|s?bin|etc|libexec|"
    r"include|games|run|lock|log|cache|tmp|spool|mail|opt|local|src|home|proc|sys|shm|null|pts|tty"
    r"|[\w]+-linux-[\w]+|locale|doc|man|info|icons|fonts|pixmaps|X11|terminfo|zoneinfo|mime|applications"
    r"|debug|modules|firmware|aclocal|charset.alias|tls|x86_64|haswell))*/?"
)
"""Directories that many programs share, and what has a kind of its own."""
ELSEWHERE = re.compile(
    r"/(?:dev|proc|sys|run|tmp|var/(?:run|lock|log|cache|tmp|spool)|usr/share/(?:locale|doc|man|info|zoneinfo"
    r"|terminfo)|usr/(?:lib|share)/debug|usr/src|usr/include|usr/lib/(?:gcc|ssl|locale)|etc/(?:selinux|passwd|group|shadow|gshadow"
    r"|hosts|resolv\.conf|nsswitch\.conf|services|protocols|localtime|fstab|mtab|hostname|ld\.so.*|ssl|pki"
    r"|shells|sudoers.*|ssh/ssh_host_.*|machine-id|utmp|motd|securetty|mailcap|terminfo"
    r"|host\.conf|gai\.conf|networks|ethers|hosts\.(?:allow|deny|equiv)|aliases|crontab|cron.*|inittab"
    r"|login\.defs|profile.*|environment|rc.*|init\.d.*))(?:/.*)?"
)
"""Paths that evidence of another kind is about, that the container provides, or that are secret."""


def libraries(subject: Subject, reader: Reader) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List the names that an object may pass to dlopen(3), and apart from them those of drivers."""
    if not reader.imports(subject) & OPENERS:
        return (), ()
    own = {*subject.elf.needed, subject.elf.soname}
    names = [
        name
        for name in sorted(reader.mentions(subject).libraries)
        if NAME.fullmatch(name) and name.rpartition("/")[2] not in own
    ]
    drivers = tuple(filter(DRIVERS.fullmatch, names))
    return tuple(name for name in names if name not in drivers), drivers


def paths(named: Iterable[str], prefix: str) -> tuple[str, ...]:
    """List the files and directories of texts that look like paths, but for those of many programs.

    One that is relative is below the prefix.
    """
    found = {(path if path.startswith("/") else f"{prefix}/{path}").rstrip("/") for path in named}
    return tuple(
        path
        for path in sorted(found)
        if path.count("/") > 1 and not GENERIC.fullmatch(path) and not ELSEWHERE.fullmatch(path)
    )

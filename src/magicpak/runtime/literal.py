"""Find the libraries and files that objects name literally, and that belong to them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from magicpak.runtime.kinds import names
from magicpak.runtime.subject import Reader, Subject

OPENERS = frozenset({"dlopen", "dlmopen", "g_module_open", "lt_dlopen", "lt_dlopenext"})
NAME = re.compile(r"(?:(?:\$ORIGIN|\$\{ORIGIN\}|\.\.?|)/(?:[\w.+-]+/)*)?[\w+-][\w.+-]*\.so[\d.]*")
"""A path, or a name without one; what a format makes of a name cannot be known."""
DRIVERS = re.compile(
    r"(?:.*/)?(?:libcuda|libnv|libnvidia|libcudart|libGLX_nvidia|libamdhip|libhsa)[\w.-]*"
)
"""Libraries of a driver, which has to be that of the machine where the image runs."""

SELDOM = names("libsepol.so.1 libsepol.so.2")
"""Libraries that others name for a few of their functions: libselinux loads libsepol where a policy
is loaded. They count where a program itself names them."""

SHARED = names(
    "usr local opt var etc run srv bin sbin lib lib32 lib64 libx32 libexec tmp dev share include "
    "games lock log cache spool mail src home proc sys shm null pts tty locale doc man info icons "
    "fonts pixmaps X11 terminfo zoneinfo mime applications debug modules firmware aclocal "
    "charset.alias tls x86_64 haswell"
)
"""The names of directories that many programs share, and of what has a kind of its own."""
TRIPLET = re.compile(r"\w+-linux-\w+")
ELSEWHERE = tuple(names(
    "/bin/sh/ /bin/dash/ /bin/bash/ /usr/bin/sh/ /usr/bin/dash/ /usr/bin/bash/ "
    "/lib/systemd/ /usr/lib/systemd/ "
    "/dev/ /proc/ /sys/ /run/ /tmp/ /var/run/ /var/lock/ /var/log/ /var/cache/ /var/tmp/ "
    "/var/spool/ /usr/share/locale/ /usr/share/doc/ /usr/share/man/ /usr/share/info/ "
    "/usr/share/zoneinfo/ /usr/share/terminfo/ /usr/lib/debug/ /usr/share/debug/ /usr/src/ "
    "/usr/include/ /usr/lib/gcc/ /usr/lib/ssl/ /usr/lib/locale/ /etc/selinux/ /etc/passwd/ "
    "/etc/group/ /etc/shadow/ /etc/gshadow/ /etc/hosts/ /etc/hosts. /etc/resolv.conf/ "
    "/etc/nsswitch.conf/ /etc/services/ /etc/protocols/ /etc/localtime/ /etc/fstab/ /etc/mtab/ "
    "/etc/hostname/ /etc/ld.so. /etc/ssl/ /etc/pki/ /etc/shells/ /etc/sudoers /etc/ssh/ssh_host_ "
    "/etc/machine-id/ /etc/utmp/ /etc/motd/ /etc/securetty/ /etc/mailcap/ /etc/terminfo/ "
    "/etc/host.conf/ /etc/gai.conf/ /etc/networks/ /etc/ethers/ /etc/aliases/ /etc/cron "
    "/etc/inittab/ /etc/login.defs/ /etc/profile /etc/environment/ /etc/rc /etc/init.d"
))
"""How paths begin, with a slash at their end, that evidence of another kind is about, that the
container provides, or that are secret."""


STATE = re.compile(r"/(?:run|var/(?:run|log|lib|cache|spool|lock))(?:/.*)?")
"""Where programs write to, in directories that have to be there."""


def libraries(subject: Subject, reader: Reader) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List the names that an object may pass to dlopen(3), and apart from them those of drivers."""
    if not reader.imports(subject) & OPENERS:
        return (), ()
    own = {*subject.elf.needed, subject.elf.soname, *(() if subject.is_program else SELDOM)}
    found = [
        name
        for name in sorted(reader.mentions(subject).libraries)
        if NAME.fullmatch(name) and name.rpartition("/")[2] not in own
    ]
    drivers = tuple(filter(DRIVERS.fullmatch, found))
    return tuple(name for name in found if name not in drivers), drivers


def paths(named: Iterable[str], prefix: str) -> tuple[str, ...]:
    """List the files and directories of texts that look like paths, but for those of many programs.

    One that is relative is below the prefix.
    """
    found = {(path if path.startswith("/") else f"{prefix}/{path}").rstrip("/") for path in named}
    return tuple(path for path in sorted(found) if _is_own(posixpath.normpath(path)))


def _is_own(path: str) -> bool:
    """Tell whether what a path is called says whose it is."""
    return path.count("/") > 1 and not _is_shared(path) and not f"{path}/".startswith(ELSEWHERE)


def written_to(named: Iterable[str]) -> tuple[str, ...]:
    """List the directories for logs, pid files and the like, of texts that look like paths."""
    return tuple(sorted({path.rstrip("/") for path in named if STATE.fullmatch(path)}))


def _is_shared(path: str) -> bool:
    return all(name in SHARED or TRIPLET.fullmatch(name) for name in path[1:].split("/"))

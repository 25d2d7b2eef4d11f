"""What a container runtime gives an image FROM scratch, as ``docker run`` does: tables alone."""

from collections.abc import Mapping
from typing import NamedTuple

from magicpak.system.kernel import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_STRICTATIME

ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}
"""But for HOME, which depends on the user; the HOSTNAME that Docker adds, others do not."""

UMASK = 0o022

POINTS = ("/proc", "/dev", "/sys")
"""Directories that every container has."""

HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
"""What /etc/hosts begins with."""

GIVEN = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""Files that take the place of the image's, whatever that has there."""

DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
"""Names in /dev, with major and minor number (null(4), random(4), tty(4))."""

LINKS = {
    "core": "/proc/kcore",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
"""Names in /dev, with their targets."""

HARMLESS = MS_NOSUID | MS_NODEV | MS_NOEXEC


class Mount(NamedTuple):
    """A file system that a container has."""

    kind: str
    place: str
    flags: int
    data: tuple[str, ...] = ("",)
    """Its options, and those to take where a user namespace does not have the first."""
    bound: bool = False
    """Whether that of the host does where a new one is refused."""


MOUNTS = (
    Mount("proc", "/proc", HARMLESS, bound=True),
    Mount("tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, ("mode=755,size=65536k",)),
    Mount(
        "devpts",
        "/dev/pts",
        MS_NOSUID | MS_NOEXEC,
        ("newinstance,ptmxmode=0666,mode=0620,gid=5", "newinstance,ptmxmode=0666,mode=0620"),
    ),
    Mount("sysfs", "/sys", HARMLESS | MS_RDONLY, bound=True),
    Mount("mqueue", "/dev/mqueue", HARMLESS),
    Mount("tmpfs", "/dev/shm", HARMLESS, ("mode=1777,size=65536k",)),  # noqa: S108 - of the jail
)

MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
"""What is hidden in /proc and /sys: the files are empty, and so are the directories."""

READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31})
"""The capabilities that root keeps (capabilities(7)): CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL,
SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP."""

LEADING_OUT = frozenset({18, 27})
"""Those of them that lead out of a root that is no more than chroot(2): SYS_CHROOT, MKNOD."""

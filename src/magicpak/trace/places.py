"""Places whose files say something about the machine that builds, or about the run. Pure."""

from __future__ import annotations

import re

_KERNEL = ("/proc", "/sys", "/dev")
_RUN = ("/run/", "/var/run/")
_SCRATCH = ("/tmp", "/var/tmp")  # noqa: S108

_OF_THE_MACHINE = frozenset(
    (
        *("/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/etc/mtab"),
        "/etc/ld.so.preload",
        "/",
    )
)

OF_THE_SYSTEM = re.compile(r"(?:/usr)?/(?:s?bin|lib\w*)")
"""Directories that are links in some systems and not in others (merged /usr)."""

_OF_THE_SESSION = re.compile(
    r"(?:/var)?/tmp/(?:hsperfdata_|\.java_pid|systemd-private-|\.\w+-unix(?:/|\Z)|tmux-\d)"
)


def of_the_machine(path: str) -> bool:
    """Tell whether each machine has its own: of the kernel, the container's runtime, magicpak.

    And what programs keep in a temporary directory for one another.
    """
    kernel = any(path == place or path.startswith(f"{place}/") for place in _KERNEL)
    return kernel or path in _OF_THE_MACHINE or _OF_THE_SESSION.match(path) is not None


def of_run(path: str) -> bool:
    """Tell whether a path lies in /run, which no container runtime makes.

    The directories in it are a need of programs; the files tell of processes of this machine.
    """
    return path.startswith(_RUN)


def loose(path: str) -> bool:
    """Tell whether a file lies directly in a temporary directory: input or output of a run."""
    return path.rpartition("/")[0] in _SCRATCH

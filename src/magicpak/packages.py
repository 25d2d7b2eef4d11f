"""How the tools that magicpak runs are installed on this system."""

from __future__ import annotations

import os
from collections.abc import Callable

MANAGERS = {
    "apt-get": "apt-get install",
    "apk": "apk add",
    "dnf": "dnf install",
    "pacman": "pacman -S",
    "zypper": "zypper install",
}
"""The commands that install packages, by the program that a system has; the first is the usual."""

DIRECTORIES = ("/usr/bin", "/sbin")
"""Where a package manager lies."""

PACKAGES = {
    "busybox": {"": "busybox", "apt-get": "busybox-static", "apk": "busybox-static"},
    "cc": {"": "gcc", "apt-get": "gcc libc6-dev", "apk": "gcc musl-dev", "dnf": "gcc glibc-devel"},
    "strace": {"": "strace"},
    "upx": {"": "upx", "apt-get": "upx-ucl"},
}
"""The packages that have a tool, by package manager; under the empty name those of most."""


def manager(exists: Callable[[str], bool] = os.path.exists) -> str:
    """Return the package manager of this system, or the usual one where none is known."""
    paths = ((name, f"{directory}/{name}") for name in MANAGERS for directory in DIRECTORIES)
    return next((name for name, path in paths if exists(path)), "apt-get")


def installation(tool: str, by: str | None = None) -> str | None:
    """Return the command that installs a tool here; None where its package is not known."""
    by = by or manager()
    names = PACKAGES.get(tool)
    return f"{MANAGERS[by]} {names.get(by, names[''])}" if names else None

"""Find external programs, or the command that installs them on this system."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from magicpak.errors import MagicpakError

MANAGERS = {
    "apt-get": "apt-get install",
    "apk": "apk add",
    "dnf": "dnf install",
    "pacman": "pacman -S",
    "zypper": "zypper install",
}
"""The install commands by package manager; the first one is the default."""

DIRECTORIES = ("/usr/bin", "/sbin")
"""The directories of package managers."""

PACKAGES = {
    "busybox": {"": "busybox", "apt-get": "busybox-static", "apk": "busybox-static"},
    "cc": {"": "gcc", "apt-get": "gcc libc6-dev", "apk": "gcc musl-dev", "dnf": "gcc glibc-devel"},
    "strace": {"": "strace"},
    "upx": {"": "upx", "apt-get": "upx-ucl"},
}
"""The packages of each tool by package manager; the empty name is the default."""


def manager(exists: Callable[[str], bool] = os.path.exists) -> str:
    """Return the package manager of this system, or the default if none is found."""
    paths = ((name, f"{directory}/{name}") for name in MANAGERS for directory in DIRECTORIES)
    return next((name for name, path in paths if exists(path)), "apt-get")


def installation(tool: str, by: str | None = None) -> str | None:
    """Return the command that installs a tool here; None if its package is unknown."""
    by = by or manager()
    names = PACKAGES.get(tool)
    return f"{MANAGERS[by]} {names.get(by, names[''])}" if names else None


class ToolNotFound(MagicpakError):
    """An external program is not installed, or not at the path that the option names."""

    name: str
    tool: str
    option: str

    def __str__(self) -> str:
        command = installation(self.tool)
        install = f"install it ({command}) or " if command else ""
        return (
            f"Unable to locate executable '{self.name}': cannot find binary path; "
            f"{install}name it with {self.option}"
        )


def find(name: str, tool: str, option: str) -> str:
    """Find a program by name on PATH, or by path, as execvp(3) does.

    Raises ToolNotFound, whose text names the package of ``tool`` and the ``option`` for its path.
    """
    path = shutil.which(name)
    if path is None:
        raise ToolNotFound(name, tool, option)
    return path

"""Find the programs that stages run, or tell how they are installed on this system."""

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


class ToolNotFound(MagicpakError):
    """A program that a stage runs is not installed, or not where the option says."""

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

    Raises ToolNotFound, which tells how to install ``tool``, and the ``option`` to name it.
    """
    path = shutil.which(name)
    if path is None:
        raise ToolNotFound(name, tool, option)
    return path

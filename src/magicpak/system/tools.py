"""Find external programs, or the command that installs them on this system."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Sequence

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
    "busybox": {
        "": "busybox",
        "apt-get": "busybox-static", "apk": "busybox-static", "zypper": "busybox-static",
    },
    "cc": {"": "gcc", "apt-get": "gcc libc6-dev", "apk": "gcc musl-dev", "dnf": "gcc glibc-devel"},
    "strace": {"": "strace"},
    "upx": {"": "upx", "apt-get": "upx-ucl"},
}  # fmt: skip
"""The packages of each tool by package manager; the empty name is the default."""

BACKPORTED = {("bookworm", "upx-ucl")}
"""Releases of Debian, and packages that only their backports have."""

TARGETS = (
    "apt-get indextargets --no-release-info --format '$(REPO_URI)' "
    "'Created-By: Packages' 'Component: main'"
)
"""What prints the mirrors that apt-get(8) uses, before the first update too."""

OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")


def manager(exists: Callable[[str], bool] = os.path.exists) -> str:
    """Return the package manager of this system, or the default if none is found."""
    paths = ((name, f"{directory}/{name}") for name in MANAGERS for directory in DIRECTORIES)
    return next((name for name, path in paths if exists(path)), "apt-get")


def release(paths: Sequence[str] = OS_RELEASE) -> str:
    """Return VERSION_CODENAME of os-release(5), as Debian and Ubuntu set it; else nothing."""
    for path in paths:
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            name = re.search(r"^VERSION_CODENAME=[\"']?([\w-]*)", file.read(1 << 16), re.MULTILINE)
            return name[1] if name else ""
    return ""


def installation(tool: str, by: str | None = None, on: str | None = None) -> str | None:
    """Return the command that installs a tool; None if its package is unknown.

    ``by`` is the package manager and ``on`` the release: those of this system by default.
    """
    by = by or manager()
    on = release() if on is None else on
    names = PACKAGES.get(tool)
    if names is None:
        return None
    package = names.get(by, names[""])
    if by == "apt-get" and (on, package) in BACKPORTED:
        suite = f"{on}-backports"
        mirror = f"$({TARGETS} 'Release: {on}' | head -n 1)"
        return (
            f'echo "deb {mirror} {suite} main" >/etc/apt/sources.list.d/{suite}.list && '
            "apt-get update && "
            f"{MANAGERS[by]} -t {suite} {package}"
        )
    return f"{MANAGERS[by]} {package}"


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

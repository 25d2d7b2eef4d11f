"""Resolve paths on the host, or in a sysroot."""

from __future__ import annotations

import os
import stat

from magicpak.plan import LINKS_FOLLOWED, BundlePath


class Sysroot:
    """The files of the host, or of a sysroot: a directory that stands for ``/``."""

    def __init__(self, sysroot: str = "") -> None:
        """Use the files below ``sysroot``; an empty string is the host itself."""
        self.sysroot = sysroot.rstrip("/")

    def locate(self, path: str) -> str:
        """Return the location of a path on this machine; its last component is not followed."""
        if not self.sysroot:
            return path
        parent, _, name = path.rstrip("/").rpartition("/")
        return self._below(parent) + "/" + name

    def follow(self, path: str) -> str:
        """Return the location of a path on this machine, with all links followed."""
        return self._below(path) if self.sysroot else path

    def real(self, path: str) -> str:
        """Resolve all links in a path, as realpath(3) does."""
        if self.sysroot:
            return self._below(path)[len(self.sysroot) :] or "/"
        return os.path.realpath(path)

    def _below(self, path: str) -> str:
        """Follow links as if the sysroot were the root directory."""
        current: list[str] = []
        names = path.split("/")[::-1]
        followed = 0
        while names:
            name = names.pop()
            if name in ("", "."):
                continue
            if name == "..":
                del current[-1:]
                continue
            location = "/".join((self.sysroot, *current, name))
            if followed <= LINKS_FOLLOWED and os.path.islink(location):
                followed += 1
                text = os.readlink(location)
                if text.startswith("/"):
                    current = []
                names += text.split("/")[::-1]
            else:
                current.append(name)
        return "/".join((self.sysroot, *current))

    def status(self, path: str) -> os.stat_result | None:
        """Return lstat(2) of a path; None where it fails."""
        try:
            return os.lstat(self.locate(path))
        except (OSError, ValueError):
            return None

    def directory_identity(self, path: str) -> tuple[int, int] | None:
        """Return device and inode of a directory, links followed; None for anything else."""
        try:
            status = os.stat(self.follow(path or "."))
        except (OSError, ValueError):
            return None
        return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None

    def names(self, directory: str) -> list[str]:
        """List the names in a directory, sorted; an empty string is the working directory.

        Raises OSError.
        """
        return sorted(os.listdir(self.follow(directory or ".")))

    def place(self, path: str) -> BundlePath:
        """Return the path in the bundle of a host path: the same path below the bundle's root.

        ``..`` is physical: after a link to a directory, it is the parent of the link's target.
        """
        if ".." not in path.split("/"):
            return BundlePath(path)
        names: list[str] = []
        lead = "/" if path.startswith("/") else ""
        for name in path.split("/"):
            if name != "..":
                names += [name] if name not in ("", ".") else []
                continue
            so_far = lead + "/".join(names)
            if names and self._is_link(so_far):
                lead, names = "/", self.real(so_far).strip("/").split("/")
            names = names[:-1] if names and names[-1] != ".." else [*names, ".."]
        return BundlePath("/".join(names))

    def _is_link(self, path: str) -> bool:
        status = self.status(path)
        return status is not None and stat.S_ISLNK(status.st_mode)

"""Look at and open the host's files, or those below a directory that stands for its ``/``."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from magicpak.plan import LINKS_FOLLOWED, BundlePath
from magicpak.system.files import read_regular

if TYPE_CHECKING:
    from magicpak.system.beneath import Beneath

READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""Not blocking: a FIFO must not stop the run."""


class Sysroot:
    """The files of the host, or of a sysroot: a directory that stands for ``/``."""

    def __init__(self, sysroot: str = "") -> None:
        """Use the files below ``sysroot``; an empty string is the host itself."""
        self.sysroot = sysroot.rstrip("/")
        self._beneath: Beneath | None = None
        if self.sysroot:
            from magicpak.system.beneath import Beneath  # noqa: PLC0415  it loads ctypes

            self._beneath = Beneath(self.sysroot)

    def opened(self, path: str, flags: int = READ) -> int:
        """Open a file, and return the descriptor. Raises OSError, ValueError for a NUL."""
        if self._beneath is None:
            return os.open(path, flags)
        return self._beneath.opened(path, flags)

    def content(self, path: str) -> bytes:
        """Read a regular file of moderate size, a configuration. Raises OSError."""
        return read_regular(self.opened(path), path)

    def look(self, path: str, *, follow: bool) -> os.stat_result:
        """Call stat(2), or lstat(2) without ``follow``. Raises OSError, ValueError for a NUL."""
        if self._beneath is None:
            return os.stat(path, follow_symlinks=follow)
        fd = self._beneath.opened(path, os.O_PATH | (0 if follow else os.O_NOFOLLOW))
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def failure(self, path: str) -> int:
        """Return the errno with which stat(2) fails at a path; 0 if there is something."""
        try:
            self.look(path, follow=True)
        except OSError as e:
            return e.errno or errno.EIO
        except ValueError:
            return errno.ENOENT
        return 0

    def link_text(self, path: str) -> str:
        """Call readlink(2). Raises OSError."""
        if self._beneath is None:
            return os.readlink(path)
        fd = self._beneath.opened(path, os.O_PATH | os.O_NOFOLLOW)
        try:
            return os.readlink("", dir_fd=fd)
        finally:
            os.close(fd)

    def locate(self, path: str) -> str:
        """Return where a path lies on this machine; its last component is not followed.

        Such a path is for telling, and for opening what is then compared by its inode. Raises
        OSError for a circle of links.
        """
        if self._beneath is None:
            return path
        parent, _, name = path.rstrip("/").rpartition("/")
        return self.sysroot + self._beneath.resolved(parent).rstrip("/") + "/" + name

    def real(self, path: str) -> str:
        """Return the path without links on its way, as realpath(3)."""
        if self._beneath is None:
            return os.path.realpath(path)
        try:
            return self._beneath.resolved(path)
        except OSError:
            return path  # looking at it, and opening it, tells why

    def status(self, path: str) -> os.stat_result | None:
        """Return lstat(2) of a path; None where it fails."""
        try:
            return self.look(path, follow=False)
        except (OSError, ValueError):
            return None

    def directory_identity(self, path: str) -> tuple[int, int] | None:
        """Return device and inode of a directory, links followed; None for anything else."""
        try:
            status = self.look(path or ".", follow=True)
        except (OSError, ValueError):
            return None
        return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None

    def names(self, directory: str) -> list[str]:
        """List the names in a directory, sorted; an empty string is the working directory.

        Raises OSError.
        """
        if self._beneath is None:
            return sorted(os.listdir(directory or "."))
        fd = self._beneath.opened(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)

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

    def end_of_links(self, path: str) -> str:
        """Follow a link to the file at its end; links to the directories on the way stay."""
        for _ in range(LINKS_FOLLOWED):
            if not self._is_link(path):
                break
            path = os.path.join(os.path.dirname(path), self.link_text(path))
        return path

    def _is_link(self, path: str) -> bool:
        status = self.status(path)
        return status is not None and stat.S_ISLNK(status.st_mode)

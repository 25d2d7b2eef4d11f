"""Open files below a directory as if that were the root: no link and no ``..`` leads out of it.

Every step goes by descriptor, so that a directory which is replaced by a link meanwhile does not
lead out either: openat2(2) with RESOLVE_IN_ROOT, or a walk with O_NOFOLLOW where the kernel (before
5.6) or a seccomp filter does not permit it.
"""

from __future__ import annotations

import errno
import os
import stat

from magicpak.system import kernel

LINKS_FOLLOWED = 40
"""As many as Linux follows (path_resolution(7))."""
LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
REFUSED = (errno.ENOSYS, errno.EPERM, errno.EINVAL)
"""What openat2(2) answers where it is not known or not permitted."""


class Beneath:
    """A directory that stands for ``/``."""

    def __init__(self, directory: str) -> None:
        """Open the directory. Raises OSError."""
        self._root = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._by_kernel = True

    def __del__(self) -> None:
        root = getattr(self, "_root", None)
        if root is not None:
            os.close(root)

    def opened(self, path: str, flags: int) -> int:
        """Open a path as after chroot(2), and return the descriptor. Raises OSError."""
        if self._by_kernel:
            try:
                return kernel.openat2(self._root, path or ".", flags | os.O_CLOEXEC)
            except OSError as e:
                if e.errno not in (*REFUSED, errno.EAGAIN):
                    raise OSError(e.errno, os.strerror(e.errno or 0), path) from None
                # EAGAIN: something was renamed while the kernel followed "..".
                self._by_kernel = e.errno == errno.EAGAIN
        with _Walk(self._root, path, follow=not flags & os.O_NOFOLLOW) as walk:
            if walk.missing:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            return walk.reopened(flags)

    def resolved(self, path: str) -> str:
        """Return a path without links on its way, as realpath(3); what is not there stays as it is.

        Raises OSError for a circle of links.
        """
        with _Walk(self._root, path, follow=True) as walk:
            return "/" + "/".join((*walk.names, *walk.missing))


class _Walk:
    """The way to a path, from the root on: a descriptor for each directory passed."""

    def __init__(self, root: int, path: str, *, follow: bool) -> None:
        self.names: list[str] = []
        self.missing: list[str] = []
        self._root = root
        self._opened: list[int] = []
        self._pending = path.split("/")[::-1]
        self._followed = 0
        self._path = path
        try:
            while self._pending:
                self._step(self._pending.pop(), follow)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> _Walk:
        return self

    def __exit__(self, *_: object) -> None:
        while self._opened:
            os.close(self._opened.pop())

    def _step(self, name: str, follow: bool) -> None:
        if name in ("", "."):
            return
        if name == "..":
            if self.missing:
                self.missing.pop()
            elif self.names:
                self.names.pop()
                os.close(self._opened.pop())
            return
        if self.missing:
            self.missing.append(name)
            return
        try:
            fd = os.open(name, LOOK, dir_fd=self._opened[-1] if self._opened else self._root)
        except OSError as e:
            if e.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise OSError(e.errno, os.strerror(e.errno or 0), self._path) from None
            self.missing.append(name)
            return
        if stat.S_ISLNK(os.fstat(fd).st_mode) and (follow or self._pending):
            try:
                self._follow(os.readlink("", dir_fd=fd))
            finally:
                os.close(fd)
            return
        self.names.append(name)
        self._opened.append(fd)

    def _follow(self, text: str) -> None:
        self._followed += 1
        if self._followed > LINKS_FOLLOWED:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._path)
        if text.startswith("/"):
            self.names.clear()
            self.__exit__()
        self._pending += text.split("/")[::-1]

    def reopened(self, flags: int) -> int:
        """Open where the walk has ended. Raises OSError."""
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC
        if not self.names:
            return os.open(".", flags, dir_fd=self._root)
        parent = self._opened[-2] if len(self._opened) > 1 else self._root
        return os.open(self.names[-1], flags, dir_fd=parent)

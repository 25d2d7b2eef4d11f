"""Write a bundle, whole or not at all. No other module writes below OUTPUT."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from magicpak.errors import IoError
from magicpak.output import journal
from magicpak.output.copying import Progress, copy, opened
from magicpak.output.destination import Destination, DestinationNotEmpty
from magicpak.output.journal import TREE, move
from magicpak.plan import Bundle, BundlePath, Directory, Entry, File, Item, Link, Meta
from magicpak.system.workdir import is_private, private

if TYPE_CHECKING:
    from magicpak.output.hashing import Digests

log = logging.getLogger(__name__)

PREFIX = ".magicpak-"
"""How the names of staging directories begin."""
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
CAPABILITY = "security.capability"
REFUSED = (errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP, errno.ENODATA)
TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


class Stage:
    """A bundle in a staging directory, to be moved to OUTPUT."""

    def __init__(
        self,
        path: str,
        bundle: Bundle,
        target: Destination,
        progress: Progress,
        digests: Digests | None = None,
    ) -> None:
        """Take ``path``, an empty staging directory; ``write`` fills it.

        With ``digests``, files are hashed while they are copied.
        """
        self.tree = os.path.join(path, TREE)
        self._bundle = bundle
        self._target = target
        self._progress = progress
        self._digests = digests
        self._privileged = os.geteuid() == 0
        self._owner: tuple[int, int] | None = None
        """The user and group ids of a new file here."""
        self._unkept: set[str] = set()
        self._path = ""
        """The entry being written, for errors."""

    def write(self) -> None:
        """Write every entry of the bundle. Raises IoError."""
        written: dict[object, str] = {}
        listed = log.isEnabledFor(logging.DEBUG)
        with self._errors_below_output():
            os.mkdir(self.tree, 0o700)
            status = os.lstat(self.tree)
            self._owner = (status.st_uid, status.st_gid)
            for path, item in self._bundle:
                self._path = path
                self._write_entry(path, item.entry, written)
                if listed and not isinstance(item.entry, Directory):
                    log.debug("%s", _line(path, item))
        self._keep_directories()
        for what in sorted(self._unkept):
            log.warning("%s is not kept: this user cannot set it here", what)

    def rewrite(self, paths: tuple[str, ...]) -> None:
        """Rewrite the files that a test has altered. Raises IoError."""
        altered = [(path, item) for path in paths if (item := self._bundle.get(BundlePath(path)))]
        written: dict[object, str] = {}
        with self._errors_below_output():
            for path, item in altered:
                self._path = path
                os.chmod(os.path.dirname(self._at(path)), 0o700)
                os.unlink(self._at(path))
                self._write_entry(path, item.entry, written)
        if altered:
            self._keep_directories()

    def commit(self) -> None:
        """Move the bundle to OUTPUT. Raises IoError, DestinationNotEmpty."""
        target = self._target
        with self._errors_below_output():
            if target.existing is None:
                self._rename(_missing_parents(target.path))
            elif target.fill or not self._replace(target.existing):
                self._fill()

    def _replace(self, existing: os.stat_result) -> bool:
        """Put the tree in the place of the empty directory; False where that one has to stay."""
        # By descriptor: once it is renamed, its path may be made to lead elsewhere.
        fd = os.open(self.tree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            try:
                self._rename([])
            except OSError as e:
                log.debug("%s is filled, since it cannot be replaced: %s", self._target.path, e)
                return False
            if self._privileged:
                os.fchown(fd, existing.st_uid, existing.st_gid)
            os.fchmod(fd, stat.S_IMODE(existing.st_mode))
        finally:
            os.close(fd)
        return True

    def _rename(self, parents: list[str]) -> None:
        """Make the parent directories, and rename the tree to OUTPUT."""
        made = []
        try:
            for directory in parents:
                with contextlib.suppress(FileExistsError):  # another run made it meanwhile
                    os.mkdir(directory, 0o755)
                    made.append(directory)
            os.rename(self.tree, self._target.path)
        except BaseException as e:
            for directory in reversed(made):
                with contextlib.suppress(OSError):  # another run uses it by now
                    os.rmdir(directory)
            if isinstance(e, OSError) and e.errno in TAKEN:
                raise DestinationNotEmpty(self._target.name) from e
            raise

    def _fill(self) -> None:
        """Move the content of the tree into OUTPUT, whole or not at all."""
        target = self._target.path
        status = os.stat(self.tree)
        if not all(is_private(os.path.join(target, name)) for name in os.listdir(target)):
            raise DestinationNotEmpty(self._target.name)
        names = sorted(os.listdir(self.tree))
        journal.write(os.path.dirname(self.tree), os.stat(target), names)
        moved = []
        try:
            for name in names:
                moved.append(name)
                move(os.path.join(self.tree, name), os.path.join(target, name))
        except BaseException:
            for name in moved:
                with contextlib.suppress(OSError):  # the last may not have been moved
                    move(os.path.join(target, name), os.path.join(self.tree, name))
            raise
        with contextlib.suppress(OSError):  # it may belong to another user
            os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))

    def _at(self, path: str) -> str:
        return self.tree + path

    @contextlib.contextmanager
    def _errors_below_output(self) -> Iterator[None]:
        """Name the path below OUTPUT in errors, not the path in the staging directory."""
        self._path = ""
        try:
            yield
        except OSError as e:
            place = self._target.name.rstrip("/") + self._path
            if e.filename is None or PREFIX in os.fsdecode(e.filename):
                raise IoError(e.errno or 0, e.strerror or str(e), place) from e
            raise IoError.of(e) from e

    def _write_entry(
        self, path: str, entry: Entry, written: dict[object, str]
    ) -> None:
        if isinstance(entry, Directory):
            os.mkdir(self._at(path), 0o700)
        elif isinstance(entry, Link):
            os.symlink(entry.text, self._at(path))
            self._keep(self._at(path), entry.meta, link=True)
        else:
            self._write_once(path, entry, written)

    def _write_once(self, path: str, entry: File, written: dict[object, str]) -> None:
        """Write a file, or make a hard link to the path at which it was already written."""
        first = written.setdefault(entry.stored, path)
        if first != path:
            with contextlib.suppress(OSError):  # too many links, or none on this file system
                os.link(self._at(first), self._at(path))
                return
        out = os.open(self._at(path), NEW, 0o600)
        try:
            if entry.content is None:
                source = opened(entry)
                try:
                    self._copy(entry, source, out)
                finally:
                    os.close(source)
            else:
                with open(out, "wb", closefd=False) as file:
                    file.write(entry.content)
            self._keep_open(out, entry.meta)
        finally:
            os.close(out)

    def _copy(self, entry: File, source: int, out: int) -> None:
        if self._digests is not None:
            self._digests.copy(entry, source, out, self._progress)
            return
        copy(source, out, self._progress)
        if entry.patch is not None:
            offset, content = entry.patch
            os.pwrite(out, content, offset)

    def _keep_open(self, fd: int, meta: Meta) -> None:
        """Set the attributes, the owner first: chown(2) clears set-id bits and capabilities."""
        if self._is_foreign(meta):
            self._try("owner", lambda: os.chown(fd, meta.uid, meta.gid))
        os.fchmod(fd, meta.mode)
        if meta.capability is not None:
            value = meta.capability
            self._try("file capability", lambda: os.setxattr(fd, CAPABILITY, value))
        os.utime(fd, ns=(meta.mtime, meta.mtime))

    def _keep_directories(self) -> None:
        """Set the attributes of the directories, after all their entries are written."""
        times = [item.entry.meta.mtime for path, item in self._bundle if path.count("/") == 1]
        with self._errors_below_output():
            for path, item in reversed(list(self._bundle)):
                if isinstance(item.entry, Directory):
                    self._path = path
                    self._keep(self._at(path), item.entry.meta)
            self._path = ""
            root = Meta(0o755, os.geteuid(), os.getegid(), max(times, default=0))
            self._keep(self.tree, root)

    def _keep(self, location: str, meta: Meta, *, link: bool = False) -> None:
        """Set the owner, mode and time of a directory or a link."""
        if self._is_foreign(meta):
            self._try("owner", lambda: os.lchown(location, meta.uid, meta.gid))
        if not link:
            os.chmod(location, meta.mode)
        os.utime(location, ns=(meta.mtime, meta.mtime), follow_symlinks=False)

    def _is_foreign(self, meta: Meta) -> bool:
        """Tell whether the owner must be changed, and may be."""
        return self._privileged and (meta.uid, meta.gid) != self._owner

    def _try(self, what: str, action: Callable[[], None]) -> None:
        """Set an attribute if permitted: a user namespace, for one, may not map an id."""
        try:
            action()
        except OSError as e:
            if e.errno not in REFUSED:
                raise
            self._unkept.add(what)


@contextlib.contextmanager
def staged(
    bundle: Bundle, target: Destination, progress: Progress, digests: Digests | None = None
) -> Iterator[Stage]:
    """Write a bundle to a staging directory, which is removed at the end.

    Raises IoError.
    """
    with private(target.base, PREFIX) as path:
        stage = Stage(path, bundle, target, progress, digests)
        stage.write()
        yield stage


def _missing_parents(path: str) -> list[str]:
    """List the directories above OUTPUT that do not exist, the outermost first."""
    missing = []
    parent = os.path.dirname(path)
    while not os.path.isdir(parent):
        missing.append(parent)
        parent = os.path.dirname(parent)
    return missing[::-1]


def _line(path: str, item: Item) -> str:
    leads = f" -> {item.entry.text}" if isinstance(item.entry, Link) else ""
    return f"{path}{leads} ({item.origins[0]})"

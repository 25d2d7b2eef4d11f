"""Write a bundle: whole, or not at all. Nothing else of the project writes below OUTPUT."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from magicpak.bundle import Bundle, BundlePath, Directory, File, Link, Meta
from magicpak.errors import DestinationInvalid, DestinationNotEmpty, IoError

log = logging.getLogger(__name__)

CHUNK = 64 << 20
"""Bytes copied between two reports of progress."""
CAPABILITY = "security.capability"
REFUSED = (errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP, errno.ENODATA)

Progress = Callable[[int], None]
"""Takes the number of bytes that were written since the last call."""


@dataclass(frozen=True, slots=True)
class Destination:
    """OUTPUT: what it is, and how the bundle gets there."""

    path: str
    """The directory itself, no link."""
    existing: os.stat_result | None
    base: str
    """The directory in which the bundle is staged: on the same file system."""
    fill: bool
    """Whether OUTPUT has to stay the directory it is, so that entries are moved into it."""


def destination(output: str) -> Destination:
    """Look at OUTPUT. Raises DestinationInvalid, DestinationNotEmpty, IoError."""
    if not output:
        raise DestinationInvalid(output)
    path = os.path.realpath(output)
    try:
        existing = os.stat(path)
    except FileNotFoundError:
        return Destination(path, None, _nearest_directory(path, output), fill=False)
    except NotADirectoryError as e:
        raise DestinationInvalid(output) from e
    except OSError as e:
        raise IoError.of(e, output) from e
    if not stat.S_ISDIR(existing.st_mode):
        raise DestinationInvalid(output)
    try:
        if os.listdir(path):
            raise DestinationNotEmpty(output)
    except OSError as e:
        raise IoError.of(e, output) from e
    parent = os.path.dirname(path)
    inside = _is_mount(path) or not os.access(parent, os.W_OK | os.X_OK)
    return Destination(path, existing, path if inside else parent, inside or _is_cwd(existing))


def _nearest_directory(path: str, output: str) -> str:
    parent = os.path.dirname(path)
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if not os.path.isdir(parent):
        raise DestinationInvalid(output)
    return parent


def _is_mount(path: str) -> bool:
    """Tell whether something is mounted there, a directory of the same file system included."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            points = {line.split()[4] for line in file}
    except OSError:
        return os.path.ismount(path)
    octal = "".join(f"\\{ord(c):03o}" if c in " \t\n\\" else c for c in path)
    return os.fsencode(octal) in points


def _is_cwd(status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat("."), status)
    except OSError:
        return False


class Stage:
    """A whole bundle beside OUTPUT, waiting to be moved there."""

    def __init__(self, bundle: Bundle, target: Destination, progress: Progress) -> None:
        """Make the staging directory; ``write`` fills it."""
        self.path = tempfile.mkdtemp(prefix=".magicpak-", dir=target.base)
        self.tree = os.path.join(self.path, "bundle")
        self._bundle = bundle
        self._target = target
        self._progress = progress
        self._privileged = os.geteuid() == 0
        self._unkept: set[str] = set()

    def write(self) -> None:
        """Write every entry of the bundle. Raises IoError."""
        os.mkdir(self.tree, 0o700)
        entries = list(self._bundle)
        written: dict[tuple[object, ...], str] = {}
        for path, item in entries:
            entry = item.entry
            with _told(path):
                if isinstance(entry, Directory):
                    os.mkdir(self._at(path), 0o700)
                elif isinstance(entry, Link):
                    os.symlink(entry.text, self._at(path))
                    self._keep(self._at(path), entry.meta, link=True)
                else:
                    self._write_once(path, entry, written)
        for path, item in reversed(entries):
            if isinstance(item.entry, Directory):
                with _told(path):
                    self._keep(self._at(path), item.entry.meta)
        self._keep(self.tree, self._root_meta())
        for what in sorted(self._unkept):
            log.warning("%s could not be kept: this user may not set it here", what)

    def rewrite(self, paths: tuple[str, ...]) -> None:
        """Write files once more, which a test has altered. Raises IoError."""
        for path in paths:
            item = self._bundle.get(BundlePath(path))
            if item is not None and isinstance(item.entry, File):
                with _told(path):
                    os.unlink(self._at(path))
                    self._write_file(self._at(path), item.entry)

    def commit(self) -> None:
        """Move the bundle to OUTPUT. Raises IoError, DestinationNotEmpty."""
        target = self._target
        with _told(target.path):
            if target.existing is None:
                made = _make_parents(target.path)
                try:
                    os.rename(self.tree, target.path)
                except OSError:
                    for directory in reversed(made):
                        os.rmdir(directory)
                    raise
            elif target.fill:
                for name in os.listdir(self.tree):
                    os.rename(os.path.join(self.tree, name), os.path.join(target.path, name))
            else:
                self._replace(target.existing)

    def _replace(self, existing: os.stat_result) -> None:
        os.chmod(self.tree, stat.S_IMODE(existing.st_mode))
        if self._privileged:
            os.chown(self.tree, existing.st_uid, existing.st_gid)
        try:
            os.rename(self.tree, self._target.path)
        except OSError as e:
            if e.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise DestinationNotEmpty(self._target.path) from e
            raise

    def discard(self) -> None:
        """Remove what is staged, whatever the modes of its directories."""
        for directory, _, _ in os.walk(self.path):
            with contextlib.suppress(OSError):
                os.chmod(directory, 0o700)
        shutil.rmtree(self.path, ignore_errors=True)

    def _at(self, path: str) -> str:
        return self.tree + path

    def _root_meta(self) -> Meta:
        times = [item.entry.meta.mtime for path, item in self._bundle if path.count("/") == 1]
        owner = self._target.existing
        uid, gid = (owner.st_uid, owner.st_gid) if owner else (os.geteuid(), os.getegid())
        return Meta(0o755, uid, gid, max(times, default=0))

    def _write_once(
        self, path: str, entry: File, written: dict[tuple[object, ...], str]
    ) -> None:
        """Write a file, or link it to the path under which it was written already."""
        key = (entry.identity, entry.packed, entry.content)
        first = written.setdefault(key, path)
        if first != path:
            with contextlib.suppress(OSError):  # too many links, or none on this file system
                os.link(self._at(first), self._at(path))
                log.info("%s: the same file as %s", path, first)
                return
        self._write_file(self._at(path), entry)
        log.info("%s", path)

    def _write_file(self, location: str, entry: File) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        out = os.open(location, flags, 0o600)
        try:
            if entry.content is not None:
                with open(out, "wb", closefd=False) as file:
                    file.write(entry.content)
            else:
                self._copy(entry.packed or entry.source, out)
            self._keep_open(out, entry.meta)
        finally:
            os.close(out)

    def _copy(self, source: str, out: int) -> None:
        fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(fd)
            if status.st_blocks * 512 < status.st_size:
                os.ftruncate(out, status.st_size)
                ranges = _data_ranges(fd, status.st_size)
            else:
                ranges = iter(((0, status.st_size),))
            for start, end in ranges:
                _copy_range(fd, out, start, end, self._progress)
        finally:
            os.close(fd)

    def _keep_open(self, fd: int, meta: Meta) -> None:
        """Give a file its owner, mode, capability and time; a change of owner clears bits."""
        if self._privileged:
            self._try("owner", lambda: os.chown(fd, meta.uid, meta.gid))
        os.fchmod(fd, meta.mode)
        if meta.capability is not None:
            value = meta.capability
            self._try("file capability", lambda: os.setxattr(fd, CAPABILITY, value))
        os.utime(fd, ns=(meta.mtime, meta.mtime))

    def _keep(self, location: str, meta: Meta, *, link: bool = False) -> None:
        """Give a directory or a link its owner, mode and time."""
        if self._privileged:
            self._try("owner", lambda: os.chown(location, meta.uid, meta.gid, follow_symlinks=False))
        if not link:
            os.chmod(location, meta.mode)
        os.utime(location, ns=(meta.mtime, meta.mtime), follow_symlinks=False)

    def _try(self, what: str, action: Callable[[], None]) -> None:
        """Keep what this user may set here: ids that a namespace does not map stay behind."""
        try:
            action()
        except OSError as e:
            if e.errno not in REFUSED:
                raise
            self._unkept.add(what)


@contextlib.contextmanager
def staged(bundle: Bundle, target: Destination, progress: Progress) -> Iterator[Stage]:
    """Write a bundle beside OUTPUT, and remove it at the end unless it was committed."""
    try:
        stage = Stage(bundle, target, progress)
    except OSError as e:
        raise IoError.of(e, target.base) from e
    try:
        stage.write()
        yield stage
    finally:
        stage.discard()


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """Name the path of the bundle in an error, rather than that of the staging directory."""
    try:
        yield
    except OSError as e:
        if e.filename is None or ".magicpak-" in os.fsdecode(e.filename):
            raise IoError(e.errno or 0, e.strerror or str(e), path) from e
        raise IoError.of(e) from e


def _make_parents(path: str) -> list[str]:
    """Make the directories above OUTPUT; return those made, the outermost first."""
    missing = []
    parent = os.path.dirname(path)
    while not os.path.isdir(parent):
        missing.append(parent)
        parent = os.path.dirname(parent)
    for directory in reversed(missing):
        os.mkdir(directory, 0o755)
    return missing[::-1]


def _data_ranges(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """List what is no hole in a file (lseek(2), SEEK_DATA)."""
    position = 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:
                return  # a hole up to the end
            start = position
        position = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, position


def _copy_range(source: int, out: int, start: int, end: int, progress: Progress) -> None:
    """Copy bytes within the kernel; by read and write where it cannot."""
    while start < end:
        wanted = min(CHUNK, end - start)
        try:
            count = os.copy_file_range(source, out, wanted, start, start)
        except OSError as e:
            if e.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
                raise
            count = os.pwrite(out, os.pread(source, min(wanted, 1 << 20), start), start)
        if count == 0:
            return  # it has become shorter meanwhile
        progress(count)
        start += count

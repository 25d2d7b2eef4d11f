"""Read the host's files, and make entries of the bundle from host paths."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from magicpak import elf as elf_reader
from magicpak.elf import Elf
from magicpak.errors import IoError
from magicpak.host.globbing import PSEUDO
from magicpak.host.sysroot import READ, Sysroot
from magicpak.plan import (
    LINKS_FOLLOWED,
    Bundle,
    BundlePath,
    Directory,
    Entry,
    File,
    Link,
    Meta,
    Origin,
    Placed,
    Why,
)
from magicpak.system import workdir
from magicpak.system.files import read_regular

if TYPE_CHECKING:
    from magicpak.elf.recorded import BuildInfo

log = logging.getLogger(__name__)

ELF = b"\x7fELF"
CAPABILITY = "security.capability"
_OF_THE_KERNEL = tuple(f"{pseudo}/" for pseudo in PSEUDO)
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.ENAMETOOLONG)
UNASKED = (Why.DATA, Why.RULE)
"""Reasons for which files are taken along as they are: a dangling link among them is no news."""


class Host(Sysroot):
    """The files of the host or of a sysroot, as entries of the bundle."""

    def __init__(self, sysroot: str = "", hidden: Collection[str] = ()) -> None:
        """Use the files below ``sysroot``.

        ``hidden`` has the paths on this machine of directories that are never bundled: OUTPUT.
        """
        super().__init__(sysroot)
        self._hidden = frozenset(map(Sysroot().directory_identity, hidden)) - {None}
        self._pseudo = frozenset(map(self.directory_identity, PSEUDO)) - {None}
        self._processes = self._device("/proc") - self._device("/")
        self._cwd = os.getcwd()
        self._elves: dict[tuple[int, int], Elf] = {}
        self._numbers: dict[int, int] = {}
        self.unread: dict[BundlePath, IoError] = {}
        """Directories whose content was asked for in vain: an error unless they are excluded."""

    def read(self, path: str) -> Elf:
        """Read an ELF file, once whatever its names. Raises IoError, MalformedExecutable."""
        try:
            return self._read(self.opened(path), path)
        except OSError as e:
            raise IoError.of(e, path) from e
        except ValueError as e:
            raise IoError(errno.EINVAL, str(e), path) from e

    def read_planned(self, file: File) -> Elf:
        """Read an ELF file of the plan. Raises IoError, MalformedExecutable."""
        if file.identity in self._elves:
            return self._elves[file.identity]
        try:
            return self._read(os.open(file.source, READ | os.O_NOFOLLOW), file.source)
        except OSError as e:
            raise IoError.of(e, file.source) from e

    def build_info(self, file: File) -> BuildInfo | None:
        """Read what an ELF file of the plan records of how it was built; None for another file.

        It is read from before the packing. Raises IoError.
        """
        try:
            fd = os.open(file.source, READ | os.O_NOFOLLOW)
            if os.pread(fd, len(ELF), 0) != ELF:
                os.close(fd)
                return None
            return elf_reader.build_info(fd, file.source)
        except elf_reader.MalformedExecutable:
            return None
        except OSError as e:
            raise IoError.of(e, file.source) from e

    def planned_content(self, file: File) -> bytes:
        """Read a file of the plan, one of moderate size. Raises IoError."""
        if file.content is not None:
            return file.content
        try:
            fd = os.open(file.source, READ | os.O_NOFOLLOW)
            return read_regular(fd, file.source)
        except OSError as e:
            raise IoError.of(e, file.source) from e

    def _read(self, fd: int, path: str) -> Elf:
        status = os.fstat(fd)
        identity = (status.st_dev, status.st_ino)
        if identity in self._elves:
            os.close(fd)
        else:
            self._elves[identity] = elf_reader.read_open(fd, path)
        return self._elves[identity]

    def elf(self, path: str) -> Elf | None:
        """Read an ELF file; None where the loader finds none. Raises MalformedExecutable."""
        try:
            return self.read(path)
        except IoError as e:
            if e.number not in ABSENT:
                raise
            return None

    def known(self, identity: tuple[int, int]) -> Elf | None:
        """Return the ELF file with this device and inode, if it was read."""
        return self._elves.get(identity)

    def entries(
        self,
        source: str,
        place: BundlePath,
        origin: Origin,
        *,
        tree: bool = False,
        relocated: bool = False,
    ) -> Iterator[Placed]:
        """Follow the links at a path, and yield an entry for each and for the final file.

        With ``tree``, add the content of a directory. With ``relocated`` (``--install-to``), make a
        relative link absolute: its target is not relocated.
        """
        level = logging.INFO if origin.why in UNASKED else logging.WARNING
        for _ in range(LINKS_FOLLOWED + 1):
            try:
                status = self.look(source, follow=False)
            except (OSError, ValueError) as e:
                reason = e.strerror if isinstance(e, OSError) else e
                log.log(level, "%s (%s) is skipped: %s", source, origin, reason)
                return
            # Its links lead to whatever a process has open, to the root directory too.
            tree = tree and status.st_dev not in self._processes
            if not stat.S_ISLNK(status.st_mode):
                yield from self._end(source, status, place, origin, tree)
                return
            text = self.link_text(source)
            following = text if text.startswith("/") else _beside(source, text)
            if relocated and not text.startswith("/"):
                text = self.place(following)
            relocated = False
            yield Placed(place, Link(text, self._meta(source, status)), origin)
            link = place
            source, place, origin = following, link.target(text), Origin(Why.LINK, link)
            # Those of proc(5) lead to what a process has open: the root of all, for one.
            if any(path.startswith(_OF_THE_KERNEL) for path in (link, place)):
                log.info("%s (%s) is skipped: the kernel provides it at run time", place, origin)
                return
        log.warning("%s (%s) is skipped: too many levels of symbolic links", source, origin)

    def _end(
        self, source: str, status: os.stat_result, place: BundlePath, origin: Origin, tree: bool
    ) -> Iterator[Placed]:
        """Yield the entry of a file or directory, and with ``tree`` all below the directory."""
        entry = self._entry(source, status)
        if entry is None:
            return
        if not isinstance(entry, Directory):
            yield Placed(place, entry, origin)
            return
        identity = (status.st_dev, status.st_ino)
        if identity in self._hidden or self._is_private(source):
            return
        yield Placed(place, entry, origin)
        if tree and identity not in self._pseudo:
            yield from self._tree(source, place, origin)

    def _device(self, path: str) -> frozenset[int]:
        identity = self.directory_identity(path)
        return frozenset() if identity is None else frozenset({identity[0]})

    def _is_private(self, source: str) -> bool:
        """Tell whether a directory holds what this run or another one writes."""
        name = source.rpartition("/")[2]
        return name.startswith(workdir.PREFIXES) and workdir.is_private(self.locate(source))

    def _entry(self, source: str, status: os.stat_result) -> Entry | None:
        if stat.S_ISREG(status.st_mode):
            return self._file(source, status)
        if stat.S_ISDIR(status.st_mode):
            return Directory(self._meta(source, status), dated=True)
        log.warning("%s is skipped: it is not a file, a directory or a symbolic link", source)
        return None

    def _file(self, source: str, status: os.stat_result, place: str = "") -> File:
        location = self.locate(source)
        if not location.startswith("/"):
            location = f"{self._cwd}/{location}"
        if location == place:
            location = place  # one string for both: there may be very many
        identity = (self._number(status.st_dev), status.st_ino)
        meta = self._meta(source, status)
        return File(location, identity, status.st_size, meta, seen=status.st_mtime_ns)

    def _tree(self, source: str, place: BundlePath, origin: Origin) -> Iterator[Placed]:
        """Walk a directory, and the targets of its links except for the directories above it."""
        pending = [(source, place, origin)]
        walked = {place}
        while pending:
            directory, at, why = pending.pop()
            for name in self._listed(directory, at):
                child, place = f"{directory.rstrip('/')}/{name}", at.child(name)
                status = self.status(child)
                if status is not None and stat.S_ISREG(status.st_mode):  # most are
                    yield Placed(place, self._file(child, status, place), why)
                    continue
                for found in self.entries(child, place, why):
                    yield found
                    path, entry, reason = found
                    if not isinstance(entry, Directory) or path == "/":
                        continue
                    linked = reason != why
                    inner = self.real(child) if linked else child
                    known = path in walked or (linked and path in at.parents())
                    if not known and inner not in PSEUDO:
                        walked.add(path)
                        pending.append((inner, path, reason))

    def _listed(self, directory: str, place: BundlePath) -> list[str]:
        try:
            return self.names(directory)
        except FileNotFoundError:  # removed after its parent was listed
            log.warning("%s is skipped: it no longer exists", directory)
        except OSError as e:
            self.unread[place] = IoError.of(e, directory, f"leave it out by --exclude '{place}'")
        return []

    def _number(self, number: int) -> int:
        """Return a number that many files share, always the same object."""
        return self._numbers.setdefault(number, number)

    def _meta(self, source: str, status: os.stat_result) -> Meta:
        capability = None
        if stat.S_ISREG(status.st_mode) and status.st_mode & 0o111:
            try:
                capability = self._capability(source)
            except OSError:
                capability = None  # not set, or not supported
        mode = self._number(stat.S_IMODE(status.st_mode))
        return Meta(mode, status.st_uid, status.st_gid, status.st_mtime_ns, capability)

    def _capability(self, source: str) -> bytes:
        """Read ``security.capability``. Raises OSError where the file has none."""
        if not self.sysroot:
            return os.getxattr(source, CAPABILITY, follow_symlinks=False)
        fd = self.opened(source, READ | os.O_NOFOLLOW)
        try:
            return os.getxattr(fd, CAPABILITY)
        finally:
            os.close(fd)

    def parents(self, bundle: Bundle) -> Iterator[Placed]:
        """Yield an entry for each parent directory without one, like the host's at that path."""
        for path in bundle.scaffold():
            yield Placed(path, self.directory(path), Origin(Why.PARENT))

    def directory(self, path: BundlePath) -> Directory:
        """Return the entry of a directory: with the host's mode and owner, else 0755 and root."""
        try:
            status = self.look(path, follow=True)
        except OSError:
            return Directory(Meta(0o755))
        if not stat.S_ISDIR(status.st_mode):
            return Directory(Meta(0o755))
        return Directory(self._meta(path, status))


def _beside(source: str, text: str) -> str:
    """Return the path of a relative link's target; ``..`` stays, to be resolved physically."""
    return os.path.join(os.path.dirname(source), text)

"""Look at the host's files: from host paths to entries of the bundle."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterator

from magicpak import elf, patterns
from magicpak.bundle import (
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
from magicpak.errors import IoError

log = logging.getLogger(__name__)

CAPABILITY = "security.capability"
PSEUDO = ("/proc", "/sys", "/dev")
"""Never walked into: file systems of the running kernel."""
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.ENAMETOOLONG)


class Host:
    """The host's files, or those below a sysroot that stands for ``/``."""

    def __init__(self, sysroot: str = "", hidden: str | None = None) -> None:
        """Look at the files below ``sysroot``; ``hidden`` is never walked into (it is OUTPUT)."""
        self.sysroot = sysroot.rstrip("/")
        self._hidden = hidden
        self._elves: dict[tuple[int, int], elf.Elf] = {}

    def locate(self, path: str) -> str:
        """Return where a path lies on this machine; its last component is not followed."""
        if not self.sysroot:
            return path
        parent, _, name = path.rstrip("/").rpartition("/")
        return self._below(parent) + "/" + name

    def follow(self, path: str) -> str:
        """Return where a path lies on this machine, with all links followed."""
        return self._below(path) if self.sysroot else path

    def real(self, path: str) -> str:
        """Return the path without links on its way, as realpath(3)."""
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
        """Return lstat(2) of a path; None where there is nothing to be had."""
        try:
            return os.lstat(self.locate(path))
        except (OSError, ValueError):
            return None

    def read(self, path: str) -> elf.Elf:
        """Read an ELF file of the host. Raises IoError, MalformedExecutable."""
        return self.read_at(self.follow(path), path)

    def read_at(self, location: str, path: str) -> elf.Elf:
        """Read an ELF file of this machine, once whatever its names; ``path`` is for errors."""
        try:
            status = os.stat(location)
        except OSError as e:
            raise IoError.of(e, path) from e
        except ValueError as e:
            raise IoError(errno.EINVAL, str(e), path) from e
        identity = (status.st_dev, status.st_ino)
        if identity not in self._elves:
            self._elves[identity] = elf.read(location)
        return self._elves[identity]

    def elf(self, path: str) -> elf.Elf | None:
        """Read an ELF file; None where the loader finds none. Raises MalformedExecutable."""
        try:
            return self.read(path)
        except IoError as e:
            if e.number not in ABSENT:
                raise
            return None

    def known(self, identity: tuple[int, int]) -> elf.Elf | None:
        """Return the ELF file with this device and inode, if it was read."""
        return self._elves.get(identity)

    def place(self, path: str) -> BundlePath:
        """Return where a host path lies in the bundle: below the root, as it was given.

        ``..`` is taken physically: after a link to a directory it leads to that one's parent.
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

    def entries(
        self,
        source: str,
        place: BundlePath,
        origin: Origin,
        *,
        tree: bool = False,
        relocated: bool = False,
    ) -> Iterator[Placed]:
        """Follow a path along its links to what it is, and give an entry for each.

        With ``tree``, a directory brings what is in it. Where ``relocated`` (``--install-to``), a
        relative link is rewritten to reach its target where that lies by itself.
        """
        for _ in range(LINKS_FOLLOWED + 1):
            status = self.status(source)
            if status is None:
                log.warning("%s (%s) is not there: skipped", source, origin)
                return
            if not stat.S_ISLNK(status.st_mode):
                yield from self._end(source, status, place, origin, tree)
                return
            text = os.readlink(self.locate(source))
            following = text if text.startswith("/") else f"{os.path.dirname(source) or '.'}/{text}"
            if relocated and not text.startswith("/"):
                text = self.place(os.path.abspath(following))
            relocated = False
            target = place.target(text)
            yield Placed(place, Link(text, self._meta(source, status)), origin)
            origin = Origin(Why.LINK, place)
            source, place = following, target
        log.warning("%s: too many levels of symbolic links: skipped", source)

    def _end(
        self, source: str, status: os.stat_result, place: BundlePath, origin: Origin, tree: bool
    ) -> Iterator[Placed]:
        """Give the entry that is no link, and with ``tree`` all that lies below it."""
        entry = self._entry(source, status)
        if entry is None:
            return
        yield Placed(place, entry, origin)
        if tree and isinstance(entry, Directory):
            yield from self._tree(source, place, origin)

    def _entry(self, source: str, status: os.stat_result) -> Entry | None:
        if stat.S_ISREG(status.st_mode):
            location = os.path.abspath(self.locate(source))
            identity = (status.st_dev, status.st_ino)
            return File(location, identity, status.st_size, self._meta(source, status))
        if stat.S_ISDIR(status.st_mode):
            return Directory(self._meta(source, status), dated=True)
        log.warning("%s is neither a file, a directory nor a link: skipped", source)
        return None

    def _tree(self, source: str, place: BundlePath, origin: Origin) -> Iterator[Placed]:
        """Walk a directory; a link in it brings its target, but not the directories it lies in."""
        pending = [(source, place, origin)]
        walked = {place}
        while pending:
            directory, at, why = pending.pop()
            for name in self._names(directory):
                child = f"{directory.rstrip('/')}/{name}"
                for found in self.entries(child, BundlePath(f"{at}/{name}"), why):
                    path, entry, reason = found
                    if isinstance(entry, Directory):
                        inner = child if reason == why else self.real(child)
                        if self._is_hidden(inner):
                            continue
                        holds_it = path in walked or any(path == up for up in at.parents())
                        if path != "/" and not holds_it and inner not in PSEUDO:
                            walked.add(path)
                            pending.append((inner, path, reason))
                    yield found

    def _is_hidden(self, directory: str) -> bool:
        return self._hidden is not None and self.real(directory) == self._hidden

    def _names(self, directory: str) -> list[str]:
        try:
            return sorted(os.listdir(self.follow(directory)))
        except OSError as e:
            raise IoError.of(e, directory) from e

    def _meta(self, source: str, status: os.stat_result) -> Meta:
        capability = None
        if stat.S_ISREG(status.st_mode) and status.st_mode & 0o111:
            try:
                capability = os.getxattr(self.locate(source), CAPABILITY, follow_symlinks=False)
            except OSError:
                capability = None  # it has none, or the file system knows none
        return Meta(
            stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, capability
        )

    def parents(self, bundle: Bundle) -> Iterator[Placed]:
        """Give an entry for each directory that only holds others, like the host's of that name."""
        for path in bundle.directories:
            if bundle.get(path) is None:
                yield Placed(path, self.directory(path), Origin(Why.PARENT))

    def directory(self, path: BundlePath) -> Directory:
        """Make a directory of the bundle: with the host's mode and owner, else 0755 of root."""
        try:
            status = os.stat(self.follow(path))
        except OSError:
            return Directory(Meta(0o755))
        if not stat.S_ISDIR(status.st_mode):
            return Directory(Meta(0o755))
        return Directory(self._meta(path, status))

    def glob(self, pattern: patterns.Include) -> list[str]:
        """List the host paths that an include pattern matches, sorted."""
        start = "/" if pattern.absolute else ""
        return sorted(set(self._glob(start, pattern.components, frozenset())))

    def _glob(
        self,
        base: str,
        components: tuple[patterns.Component, ...],
        above: frozenset[tuple[int, int]],
    ) -> Iterator[str]:
        if not components:
            if base and self.status(base) is not None:
                yield base
            return
        first, *others = components
        rest = tuple(others)
        if first.recursive:
            yield from self._glob_below(base, components, above)
        elif first.literal is not None:
            yield from self._glob(_join(base, first.literal), rest, frozenset())
        elif self._identity(base) is not None:
            for name in self._listed(base):
                path = _join(base, name)
                if first.matches(name) and (not rest or self._identity(path) is not None):
                    yield from self._glob(path, rest, frozenset())

    def _glob_below(
        self,
        base: str,
        components: tuple[patterns.Component, ...],
        above: frozenset[tuple[int, int]],
    ) -> Iterator[str]:
        """Match ``**``: nothing, or one directory more; links are followed, but never in a circle."""
        identity = self._identity(base)
        if identity is None or identity in above or base in PSEUDO:
            return
        yield from self._glob(base, components[1:], frozenset())
        for name in self._listed(base):
            path = _join(base, name)
            if self._identity(path) is not None:
                yield from self._glob_below(path, components, above | {identity})

    def _listed(self, directory: str) -> list[str]:
        try:
            return os.listdir(self.follow(directory or "."))
        except OSError as e:
            log.warning("%s cannot be searched: %s", directory, e.strerror)
            return []

    def _identity(self, path: str) -> tuple[int, int] | None:
        """Return device and inode of a directory, links followed; None for anything else."""
        try:
            status = os.stat(self.follow(path or "."))
        except (OSError, ValueError):
            return None
        return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def _join(base: str, name: str) -> str:
    return f"{base.rstrip('/')}/{name}" if base else name

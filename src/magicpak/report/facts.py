"""What there is to say of a bundle, as values: its entries and their packages. Pure."""

import functools
import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from magicpak.inventory import Package
from magicpak.plan import Bundle, BundlePath, Directory, File, Item, Link, Origin

TYPES = {File: "file", Link: "link", Directory: "directory"}


class EntryFacts(NamedTuple):
    """An entry of a bundle as it is written."""

    path: BundlePath
    type: str
    """``file``, ``link`` or ``directory``."""
    size: int
    """Bytes; of a link those of its text."""
    mode: int
    uid: int
    gid: int
    mtime: int
    """Nanoseconds since the epoch."""
    target: str | None
    """The text of a link."""
    source: str | None
    """The file of the host that it is a copy of; None for one that is generated."""
    sha256: str | None
    """Of the content that is written, where it was asked for."""
    reasons: tuple[Origin, ...]
    package: Package | None


class PackageFacts(NamedTuple):
    """A package with files in the bundle."""

    package: Package
    files: int
    size: int
    """Bytes of its files."""


class Facts:
    """What is in a bundle, and why; found when it is asked for."""

    def __init__(
        self,
        inputs: tuple[str, ...],
        bundle: Bundle,
        owners: Callable[[Bundle], Mapping[BundlePath, Package]],
        *,
        sysroot: str = "",
        digest: Callable[[File], str] | None = None,
        hints: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
    ) -> None:
        """Take the inputs, the plan, and what is known beside it.

        ``owners`` looks the packages up; ``digest`` returns the SHA-256 of a file.
        """
        self.inputs, self.bundle, self.hints, self.warnings = inputs, bundle, hints, warnings
        self._owners, self._sysroot, self._digest = owners, sysroot, digest

    @property
    def files(self) -> int:
        """The number of files."""
        return self.bundle.totals[0]

    @property
    def size(self) -> int:
        """The bytes of the files; hard links do not add."""
        return self.bundle.totals[1]

    def count(self, kind: type[File] | type[Link] | type[Directory]) -> int:
        """Return the number of entries of a kind."""
        return sum(isinstance(item.entry, kind) for _, item in self.bundle)

    @functools.cached_property
    def owners(self) -> Mapping[BundlePath, Package]:
        """The packages of the entries that belong to one."""
        return self._owners(self.bundle)

    @functools.cached_property
    def entries(self) -> tuple[EntryFacts, ...]:
        """The entries, sorted by path."""
        return tuple(self._facts(path, item) for path, item in sorted(self.bundle))

    def _facts(self, path: BundlePath, item: Item) -> EntryFacts:
        entry, meta = item.entry, item.entry.meta
        # Only root may give files away.
        owner = (meta.uid, meta.gid) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        target = source = digest = None
        size = 0
        if isinstance(entry, Link):
            target, size = entry.text, len(os.fsencode(entry.text))
        elif isinstance(entry, File):
            size = entry.size
            source = None if entry.is_generated else entry.source[len(self._sysroot) :]
            digest = self._digest(entry) if self._digest is not None else None
        return EntryFacts(
            path,
            TYPES[type(entry)],
            size,
            0o777 if isinstance(entry, Link) else meta.mode,
            *owner,
            meta.mtime,
            target,
            source,
            digest,
            item.origins,
            self.owners.get(path),
        )

    @functools.cached_property
    def packages(self) -> tuple[PackageFacts, ...]:
        """The packages that own entries, sorted by name."""
        found: dict[Package, list[int]] = {}
        for path, package in self.owners.items():
            item = self.bundle.get(path)
            entry = item.entry if item is not None else None
            sizes = found.setdefault(package, [])
            if isinstance(entry, File):
                sizes.append(entry.size)
        packages = (PackageFacts(each, len(sizes), sum(sizes)) for each, sizes in found.items())
        return tuple(sorted(packages, key=lambda each: each.package[1:4]))

"""What the lookup asks of a database of packages, whichever it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Protocol

from magicpak.inventory.package import Package


class Database(Protocol):
    """The packages installed below one root. Damage in it is told by warnings, never raised."""

    def claims(self, wanted: Set[str]) -> Iterator[tuple[Package, list[str]]]:
        """Give each package that has some of these paths, with those."""

    def find(self, name: str) -> tuple[Package, ...]:
        """Return the installed packages of a name: several architectures, or versions, of one."""

    def files(self, package: Package) -> tuple[str, ...]:
        """List what a package has, directories too, in the order of the database."""

    def licence_files(self, package: Package) -> tuple[str, ...]:
        """List the files with the text of its licence."""

    def checksums(self, package: Package) -> Mapping[str, str]:
        """Return the checksums by path that scanners' records hold: the MD5 sums of dpkg."""

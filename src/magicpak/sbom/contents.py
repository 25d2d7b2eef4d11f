"""What an SBOM tells of a bundle, as values. Pure."""

import functools
import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from magicpak.inventory import Package
from magicpak.inventory.os_release import Distribution
from magicpak.inventory.purl import purl
from magicpak.sbom.licences import Licence
from magicpak.sbom.modules import Module


class Shipped(NamedTuple):
    """A file of the bundle, with its hashes in hexadecimal."""

    path: str
    sha256: str
    sha1: str
    """Empty where nobody asked for it."""
    package: Package | None
    needs: tuple[str, ...] = ()
    """The files that the loader maps for it."""
    modules: tuple[Module, ...] = ()
    """What it records that it was built from, or is a part of."""


class Supplier(NamedTuple):
    """Who maintains a package."""

    name: str
    email: str
    person: bool


class Contents(NamedTuple):
    """A bundle, or what else has parts."""

    name: str
    inputs: tuple[str, ...]
    """Paths of files."""
    distribution: Distribution
    created: int
    """Seconds since the epoch."""
    files: tuple[Shipped, ...]
    licences: Mapping[Package, Licence]
    """Of all packages that own an entry."""
    module_licences: Mapping[Module, Licence] = {}
    kind: str = "container"
    """A type of component of CycloneDX, which is a purpose of SPDX too."""
    version: str = ""

    @property
    def packages(self) -> list[Package]:
        """The packages, sorted."""
        return sorted(self.licences, key=lambda package: (package.type.value, *package[1:4]))

    @property
    def modules(self) -> list[Module]:
        """The modules of all files, sorted, each package URL once."""
        found = sorted({module for file in self.files for module in file.modules}, reverse=True)
        return sorted({module.purl: module for module in found}.values())

    def purl(self, package: Package) -> str:
        """Name a package."""
        return purl(package, self.distribution)

    def files_by_package(self) -> dict[Package, list[Shipped]]:
        """Group the files that packages own."""
        found: dict[Package, list[Shipped]] = {package: [] for package in self.packages}
        for file in self.files:
            if file.package is not None:
                found.setdefault(file.package, []).append(file)
        return found

    def needs_by_package(self) -> dict[Package, list[Package]]:
        """Return which packages' libraries the files of a package need."""
        owner = {file.path: file.package for file in self.files}
        found: dict[Package, dict[Package, None]] = {}
        for file in self.files:
            for path in file.needs if file.package is not None else ():
                other = owner.get(path)
                if file.package and other and other != file.package:
                    found.setdefault(file.package, {})[other] = None
        return {package: sorted(others, key=self.purl) for package, others in found.items()}


@functools.cache
def supplier(maintainer: str) -> Supplier | None:
    """Read ``NAME <ADDRESS>``; None for an empty one."""
    found = re.fullmatch(r"\s*(.*?)\s*(?:<([^<>]*)>)?\s*", maintainer, re.DOTALL)
    name, email = (found[1].strip('"'), found[2] or "") if found else (maintainer, "")
    if not name and not email:
        return None
    teams = re.search(r"\b(?:maintainers?|team|group|developers|project|list|inc)\b", name, re.I)
    person = bool(email) and teams is None and "@lists." not in email
    return Supplier(name or email, email, person)


def digest(text: str) -> str:
    """Return a short name for a text, to tell things apart."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]

"""An installed package, as its database describes it. Pure."""

from enum import Enum
from typing import NamedTuple


class PackageType(Enum):
    """Whose package it is; the values are the types of package URLs."""

    DEB = "deb"
    RPM = "rpm"
    APK = "apk"


INSTALLED = "installed"


class Package(NamedTuple):
    """A package; a text is empty where the database does not say."""

    type: PackageType
    name: str
    version: str
    """As the package manager writes it: with the epoch and the revision or release."""
    architecture: str
    source: str = ""
    """The source package that it was built from."""
    source_version: str = ""
    maintainer: str = ""
    licence: str = ""
    """The expression of the database; dpkg's has none."""
    state: str = INSTALLED
    """Another word of dpkg-query(1) where something is amiss: ``half-configured`` and so on."""
    record: str = ""
    """What a scanner for vulnerabilities reads: a stanza of dpkg or apk, or a line of the manifest
    ``/var/lib/rpmmanifest/container-manifest-2``."""

    def __str__(self) -> str:
        return f"{self.name}:{self.architecture}" if self.architecture else self.name

"""The database of apk: one text, a stanza for each package (apk-package(5), APKv2).

A line is a letter, a colon and a value: P name, V version, A architecture, o origin, m maintainer,
L licence; then F a directory, and R a file in it, with what is said of that on the lines between.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Set
from functools import cached_property

from magicpak.host.sysroot import Sysroot
from magicpak.inventory import files
from magicpak.inventory.package import Package, PackageType

log = logging.getLogger(__name__)

INSTALLED_DB = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
"""Where apk-tools 2, and 3 on a merged /usr, have it."""
LISTED = re.compile(r"^([FR]):(.*)$", re.MULTILINE)


class Apk:
    """The packages that apk installed below a root."""

    type = PackageType.APK

    def __init__(self, host: Sysroot) -> None:
        """Read nothing yet."""
        self._host = host

    @classmethod
    def there(cls, host: Sysroot) -> bool:
        """Tell whether a root has this database."""
        return any(files.there(host, path) for path in INSTALLED_DB)

    def claims(self, wanted: Set[str]) -> Iterator[tuple[Package, list[str]]]:
        """Give each package that has some of these paths, with those."""
        for package in self._packages:
            found = [path for path in _listed(package.record) if path in wanted]
            if found:
                yield package, found

    def find(self, name: str) -> tuple[Package, ...]:
        """Return the installed package of a name."""
        return tuple(package for package in self._packages if package.name == name)

    def files(self, package: Package) -> tuple[str, ...]:
        """List what a package has."""
        return tuple(_listed(package.record))

    def licence_files(self, package: Package) -> tuple[str, ...]:  # noqa: ARG002 - the protocol
        """Return none: Alpine has these texts in packages of their own, if at all."""
        return ()

    def checksums(self, package: Package) -> Mapping[str, str]:  # noqa: ARG002 - the protocol
        """Return none: those of apk are in the record."""
        return {}

    @cached_property
    def _packages(self) -> tuple[Package, ...]:
        paths = dict.fromkeys(self._host.real(path) for path in INSTALLED_DB)
        return tuple(package for path in paths for package in self._read(path))

    def _read(self, path: str) -> Iterator[Package]:
        for stanza in re.split(r"\n{2,}", (files.read(self._host, path) or "").strip("\n")):
            said = dict(re.findall(r"^([A-Za-z]):(.*)$", stanza.partition("\nF:")[0], re.MULTILINE))
            if said.get("P"):
                yield _package(said, stanza)
            elif stanza:
                log.warning("%s is damaged: a stanza without a name (P:) is left aside", path)


def _package(said: Mapping[str, str], stanza: str) -> Package:
    name, version = said["P"], said.get("V", "")
    if not version:
        log.warning("apk's database has no version (V:) of %s", name)
    return Package(
        PackageType.APK,
        name,
        version,
        said.get("A", ""),
        said.get("o") or name,
        version,
        said.get("m", ""),
        said.get("L", ""),
        record=f"{stanza}\n",
    )


def _listed(stanza: str) -> Iterator[str]:
    directory = ""
    for kind, name in LISTED.findall(stanza):
        if kind == "R":
            yield f"{directory}/{name}"
        elif name:
            directory = f"/{name}"
            yield directory
        else:
            directory = ""

"""The database of rpm: a store of one header for each package, in one of three formats."""

import logging
import struct
from collections.abc import Callable, Iterator, Mapping, Set
from functools import cached_property
from typing import NamedTuple

from magicpak.host.sysroot import Sysroot
from magicpak.inventory import bdb, files, ndb, sqlite
from magicpak.inventory.package import Package, PackageType
from magicpak.inventory.rpm_header import Header, Tag

log = logging.getLogger(__name__)

DIRECTORIES = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
STORES: dict[str, Callable[[Sysroot, str], Iterator[bytes]]] = {
    "rpmdb.sqlite": sqlite.headers,
    "Packages.db": ndb.headers,
    "Packages": bdb.headers,
}
"""Of Fedora and RHEL 9; of SUSE; of RHEL 8 and Amazon Linux 2."""

DAMAGE = (ValueError, IndexError, struct.error, OSError)
"""What reading a damaged store or header raises."""
IS_LICENCE = 1 << 7
"""RPMFILE_LICENSE, a flag of a file."""
KEY = "gpg-pubkey"
"""The name of keys that rpm trusts, which are stored like packages."""
NONE = "(none)"
"""What rpm writes where a header does not say."""


class Installed(NamedTuple):
    """A package with its files."""

    package: Package
    files: tuple[str, ...]
    licences: tuple[str, ...]


class Rpm:
    """The packages that rpm installed below a root."""

    type = PackageType.RPM

    def __init__(self, host: Sysroot) -> None:
        """Read nothing yet."""
        self._host = host

    @classmethod
    def there(cls, host: Sysroot) -> bool:
        """Tell whether a root has this database."""
        return _store(host) is not None

    def claims(self, wanted: Set[str]) -> Iterator[tuple[Package, list[str]]]:
        """Give each package that has some of these paths, with those."""
        for installed in self._installed:
            found = [path for path in installed.files if path in wanted]
            if found:
                yield installed.package, found

    def find(self, name: str) -> tuple[Package, ...]:
        """Return the installed packages of a name."""
        return tuple(each.package for each in self._installed if each.package.name == name)

    def files(self, package: Package) -> tuple[str, ...]:
        """List what a package has."""
        return next((each.files for each in self._installed if each.package == package), ())

    def licence_files(self, package: Package) -> tuple[str, ...]:
        """List the files that are marked as licences."""
        return next((each.licences for each in self._installed if each.package == package), ())

    def checksums(self, package: Package) -> Mapping[str, str]:  # noqa: ARG002 - the protocol
        """Return none: scanners read none of rpm's."""
        return {}

    @cached_property
    def _installed(self) -> tuple[Installed, ...]:
        path = _store(self._host)
        return () if path is None else tuple(self._read(path))

    def _read(self, path: str) -> Iterator[Installed]:
        """Read the store; the packages before a damage in it count."""
        try:
            for blob in STORES[path.rpartition("/")[2]](self._host, path):
                try:
                    installed = _installed(Header(blob))
                except DAMAGE as e:
                    why = files.reason(e)
                    log.warning("%s is damaged: a package in it cannot be read: %s", path, why)
                    continue
                if installed.package.name != KEY:
                    yield installed
        except DAMAGE as e:
            why = files.reason(e)
            log.warning("%s cannot be read to its end: %s; see rpm --rebuilddb", path, why)


def _store(host: Sysroot) -> str | None:
    """Find the store, the first of each directory, as rpm does."""
    places = (f"{directory}/{name}" for directory in DIRECTORIES for name in STORES)
    return next((path for path in places if files.there(host, path)), None)


def _installed(header: Header) -> Installed:
    name, version, source = (header.text(tag) for tag in (Tag.NAME, Tag.VERSION, Tag.SOURCERPM))
    if not name or not version:
        raise ValueError("it has no name or no version")
    release, epoch = f"{version}-{header.text(Tag.RELEASE)}", header.number(Tag.EPOCH)
    source_name, *source_version = source.removesuffix(".src.rpm").rsplit("-", 2)
    package = Package(
        PackageType.RPM,
        name,
        release if epoch is None else f"{epoch}:{release}",
        header.text(Tag.ARCH),
        source_name or name,
        "-".join(source_version) or release,
        header.text(Tag.VENDOR) or header.text(Tag.PACKAGER),
        header.text(Tag.LICENSE),
        record=_manifest_line(header, release),
    )
    paths, flags = tuple(header.paths()), header.numbers(Tag.FILEFLAGS)
    licences = (path for path, flag in zip(paths, flags, strict=False) if flag & IS_LICENCE)
    return Installed(package, paths, tuple(licences))


def _manifest_line(header: Header, release: str) -> str:
    """Write what ``rpm -qa --qf`` does for the manifest of distroless images."""
    epoch = header.number(Tag.EPOCH)
    fields = (
        header.text(Tag.NAME),
        release,
        header.number(Tag.INSTALLTIME),
        header.number(Tag.BUILDTIME),
        header.text(Tag.VENDOR) or NONE,
        NONE if epoch is None else epoch,
        header.number(Tag.SIZE, Tag.LONGSIZE),
        header.text(Tag.ARCH) or NONE,
        epoch or 0,
        header.text(Tag.SOURCERPM) or NONE,
    )
    return "\t".join(str(field) for field in fields) + "\n"

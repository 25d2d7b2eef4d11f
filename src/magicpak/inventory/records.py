"""Write the records by which scanners know packages, of just those that are in a bundle. Pure."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from magicpak.inventory.package import Package, PackageType

STATUS_DIRECTORY = "/var/lib/dpkg/status.d"
MANIFEST = "/var/lib/rpmmanifest/container-manifest-2"
APK_DATABASE = "/lib/apk/db/installed"

OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
RELEASES = {
    PackageType.DEB: ("/etc/debian_version", "/etc/lsb-release"),
    PackageType.RPM: (
        "/etc/redhat-release",
        "/etc/centos-release",
        "/etc/fedora-release",
        "/etc/rocky-release",
        "/etc/almalinux-release",
        "/etc/oracle-release",
        "/etc/system-release",
    ),
    PackageType.APK: ("/etc/alpine-release",),
}
"""Where, beside os-release(5), scanners look for the distribution."""

CONFFILES = re.compile(r"^Conffiles:[^\n]*\n((?: [^\n]*\n)*)", re.MULTILINE)


class Shipped(NamedTuple):
    """A package with what of it is in the bundle."""

    package: Package
    paths: frozenset[str]
    """As the package's database spells them."""
    sums: Mapping[str, str]
    """The MD5 sums of files, by their paths in the bundle."""


def records(packages: Iterable[Shipped]) -> Iterator[tuple[str, bytes]]:
    """Yield each record as a path in the bundle and a content."""
    by_type: dict[PackageType, list[Shipped]] = {}
    for each in sorted(packages, key=lambda each: each.package[1:4]):
        by_type.setdefault(each.package.type, []).append(each)
    for kind, shipped in by_type.items():
        yield from WRITE[kind](shipped)


def _status(packages: list[Shipped]) -> Iterator[tuple[str, bytes]]:
    """Write the records of distroless images: a stanza a file, and the sums beside it."""
    count = Counter(each.package.name for each in packages)
    for each in packages:
        package = each.package
        several = count[package.name] > 1
        name = _file_name(f"{package.name}:{package.architecture}" if several else package.name)
        path = f"{STATUS_DIRECTORY}/{name}"
        yield path, os.fsencode(_stanza(each))
        sums = (
            f"{md5}  {path[1:]}\n" for path, md5 in sorted(each.sums.items()) if "\n" not in path
        )
        yield f"{path}.md5sums", os.fsencode("".join(sums))


def _file_name(name: str) -> str:
    """Replace what a name in a damaged database may have, and a file name may not."""
    return re.sub(r"[^\w+.:~-]|^\.", "_", name, flags=re.ASCII)


def _stanza(shipped: Shipped) -> str:
    """Return what dpkg says of a package, with just the configuration files that are there."""
    package = shipped.package
    if not package.record:
        fields = {"Package": package.name, "Architecture": package.architecture}
        return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)

    def reduced(field: re.Match[str]) -> str:
        lines = field[1].splitlines(keepends=True)
        kept = [line for line in lines if line.split(" ")[1] in shipped.paths]
        return f"Conffiles:\n{''.join(kept)}" if kept else ""

    return CONFFILES.sub(reduced, package.record)


def _manifest(packages: list[Shipped]) -> Iterator[tuple[str, bytes]]:
    yield MANIFEST, os.fsencode("".join(each.package.record for each in packages))


def _database(packages: list[Shipped]) -> Iterator[tuple[str, bytes]]:
    stanzas = (f"{_listing(each)}\n" for each in packages)
    yield APK_DATABASE, os.fsencode("".join(stanzas))


def _listing(shipped: Shipped) -> str:
    """Reduce the files that a stanza of apk lists, with the directories that they lie in."""
    head, files, rest = shipped.package.record.partition("\nF:")
    kept = [head]
    for part in f"{files}{rest}".rstrip("\n").split("\nF:")[1:]:
        directory, *entries = part.split("\nR:")
        found = [each for each in entries if _path(directory, each) in shipped.paths]
        if found:
            kept.append("\nR:".join((f"F:{directory}", *found)))
    return "\n".join(kept).rstrip("\n") + "\n"


def _path(directory: str, file: str) -> str:
    """Return the path of a file; lines about owners and checksums follow the names."""
    names = (directory.partition("\n")[0], file.partition("\n")[0])
    return "/" + "/".join(filter(None, names))


WRITE = {PackageType.DEB: _status, PackageType.RPM: _manifest, PackageType.APK: _database}


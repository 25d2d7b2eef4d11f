"""Look up which package owns a file, and what a package brings."""

from __future__ import annotations

import logging
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

from magicpak.host.sysroot import Sysroot
from magicpak.inventory.apk import Apk
from magicpak.inventory.database import Database
from magicpak.inventory.dpkg import Dpkg
from magicpak.inventory.package import Package, PackageType
from magicpak.inventory.rpm import Rpm
from magicpak.inventory.run_time import run_time_files
from magicpak.inventory.spelling import Spellings
from magicpak.plan import LINKS_FOLLOWED, Bundle, BundlePath, File, Item, Why

log = logging.getLogger(__name__)

ALTERNATIVES = "/etc/alternatives/"
KINDS: tuple[type[Dpkg] | type[Rpm] | type[Apk], ...] = (Dpkg, Rpm, Apk)
MADE = (Why.PARENT, Why.CACHE, Why.MERGED, Why.MKDIR)
"""Reasons of entries that no package brought, though one may have the like at their paths."""


class Inventory:
    """The packages installed on the host, or below a sysroot; read when first asked.

    Each look-up of owners goes through the databases once for all its paths.
    """

    def __init__(self, host: Sysroot) -> None:
        """Ask about the files of this host."""
        self._host = host
        self._told: set[tuple[Package, ...]] = set()
        self._latest: tuple[Bundle, Mapping[BundlePath, Package]] | None = None

    def owner(self, path: str) -> Package | None:
        """Return the package that a path of the host belongs to."""
        return self.owners([path]).get(path)

    def sources(self, paths: Iterable[str]) -> dict[str, str]:
        """Return the names of the source packages by path; what belongs to none is left out."""
        return {path: each.source or each.name for path, each in self.owners(paths).items()}

    def owners(self, paths: Iterable[str]) -> dict[str, Package]:
        """Return the packages by path; what belongs to none is left out.

        A link that no package has, but that stands for a file beside it (ldconfig(8)) or leads
        through the alternatives, belongs with what it leads to. A directory that several packages
        have belongs to none.
        """
        places, spelled = self._spellings.of(paths)
        found: dict[str, Package] = {}
        leads: dict[str, str] = {}
        while spelled:
            found |= self._claimed(spelled)
            unowned = set(spelled.values()) - found.keys() - leads.keys()
            onward = {place: target for place in unowned if (target := self._stands_for(place))}
            targets, spelled = self._spellings.of(onward.values())
            leads |= {place: targets[target] for place, target in onward.items()}
        if leads:
            found |= {place: found[end] for place in leads if (end := _end(place, leads)) in found}
        return {path: found[place] for path, place in places.items() if place in found}

    def owners_in(self, bundle: Bundle) -> Mapping[BundlePath, Package]:
        """Return the packages of the entries of a plan, each by where it comes from.

        The account, the report and the explanation of a run ask for the same plan.
        """
        if self._latest is None or self._latest[0] is not bundle:
            self._latest = (bundle, self._owners_in(bundle))
        return self._latest[1]

    def _owners_in(self, bundle: Bundle) -> Mapping[BundlePath, Package]:
        sources = {path: self.source(path, item) for path, item in bundle}
        owners = self.owners(set(filter(None, sources.values())))
        return {path: owners[source] for path, source in sources.items() if source in owners}

    def source(self, path: BundlePath, item: Item) -> str | None:
        """Return the host path that an entry was taken from; None for one that was made."""
        for origin in item.origins:
            if origin.why not in MADE:
                break
        else:
            return None
        entry = item.entry
        return entry.source[len(self._host.sysroot) :] if isinstance(entry, File) else str(path)

    def find(self, name: str) -> tuple[Package, ...]:
        """Return the installed packages of a name; of dpkg's also by ``NAME:ARCHITECTURE``."""
        return tuple(
            package for database in self._databases.values() for package in database.find(name)
        )

    def dependencies(self, package: Package) -> tuple[Package, ...]:
        """List the installed packages that one depends on (deb-control(5); ``D:`` of apk)."""
        if package.type is PackageType.DEB:
            fields = re.findall(r"^(?:Pre-)?Depends: (.*(?:\n .*)*)", package.record, re.MULTILINE)
            names = re.findall(r"(?:^|[,|])\s*([\w.+-]+)", ",".join(fields))
        else:
            field = re.search(r"^D:(.*)", package.record, re.MULTILINE)
            names = re.findall(r"(?:^|\s)([\w.+-]+)(?![\w.:+-])", field[1] if field else "")
        database = self._databases[package.type]
        provide = database.providers if isinstance(database, Dpkg) else self.find
        return tuple(
            found for name in dict.fromkeys(names) for found in self.find(name) or provide(name)
        )

    def files(self, package: Package) -> tuple[str, ...]:
        """List what a package has, directories too, as its database spells it."""
        return self._databases[package.type].files(package)

    def run_time_files(self, package: Package, languages: Collection[str] = ()) -> tuple[str, ...]:
        """List what of a package is used at run time, translations into ``languages`` too."""
        return run_time_files(self.files(package), languages)

    def licence_files(self, package: Package) -> tuple[str, ...]:
        """List the files with the text of the licence of a package."""
        return self._databases[package.type].licence_files(package)

    def spelled(self, package: Package, paths: Iterable[str]) -> dict[str, str]:
        """Return how the database spells paths of a package, by those; without those it has not."""
        listed, _ = self._spellings.of(self.files(package))
        known = {place: path for path, place in listed.items()}
        places, _ = self._spellings.of(paths)
        ways = {path: (place, self._spellings.real(place)) for path, place in places.items()}
        return {path: known[way] for path, both in ways.items() for way in both if way in known}

    def checksums(self, package: Package) -> Mapping[str, str]:
        """Return the MD5 sums by path that dpkg keeps; of another database, none."""
        return self._databases[package.type].checksums(package)

    @cached_property
    def _databases(self) -> dict[PackageType, Database]:
        found: dict[PackageType, Database] = {
            kind.type: kind(self._host) for kind in KINDS if kind.there(self._host)
        }
        if not found:
            root = self._host.sysroot or "/"
            log.warning("no database of dpkg, rpm or apk is below %s: no package is known", root)
        return found

    @cached_property
    def _spellings(self) -> Spellings:
        return Spellings(self._host)

    def _claimed(self, spelled: Mapping[str, str]) -> dict[str, Package]:
        """Ask the databases about paths in all their spellings."""
        found: dict[str, Package] = {}
        rivals: dict[str, list[Package]] = {}
        for database in self._databases.values():
            for package, claimed in database.claims(spelled.keys()):
                places = {spelled[spelling]: package for spelling in claimed}
                for path in found.keys() & places.keys():
                    rivals.setdefault(path, [found[path]]).append(package)
                found |= places
        for path in sorted(rivals):
            owner = self._one_of(rivals[path], path)
            if owner is None:
                del found[path]
            else:
                found[path] = owner
        return found

    def _one_of(self, rivals: list[Package], path: str) -> Package | None:
        """Choose among the packages that have a path; a directory may belong to many."""
        rivals.sort(key=lambda package: (package.name, package.architecture, package.version))
        several_names = rivals[0].name != rivals[-1].name
        if several_names and self._host.directory_identity(path) is not None:
            return None
        if several_names and tuple(rivals) not in self._told:
            self._told.add(tuple(rivals))
            names = " and to ".join(str(package) for package in rivals)
            log.warning("%s belongs to %s: counted as a file of the first", path, names)
        return rivals[0]

    def _stands_for(self, place: str) -> str | None:
        """Return another path whose owner is the owner of this one."""
        real = self._spellings.real(place)
        if real != place:
            return real
        status = self._host.status(real)
        if status is None or not stat.S_ISLNK(status.st_mode):
            return None
        text = self._host.link_text(real)
        beside = f"{real.rpartition('/')[0]}/{text}"
        target = self._spellings.real(text if text.startswith("/") else beside)
        if "/" in text and not any(path.startswith(ALTERNATIVES) for path in (real, target)):
            return None
        return target


def _end(path: str, leads: Mapping[str, str]) -> str:
    """Follow the links, which may lead in a circle."""
    for _ in range(LINKS_FOLLOWED):
        if path not in leads:
            break
        path = leads[path]
    return path

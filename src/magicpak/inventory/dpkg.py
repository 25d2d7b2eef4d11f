"""The database of dpkg, below /var/lib/dpkg.

``status`` describes the packages (deb-control(5)), ``info/NAME.list`` or, for one that can be
installed for several architectures, ``info/NAME:ARCH.list`` what each has; ``diversions`` moves
files of one package out of the way of another (dpkg-divert(1)). Images without dpkg (distroless)
have ``status.d/NAME`` and ``status.d/NAME.md5sums`` instead, and the lists are those of the sums.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Set
from functools import cached_property
from typing import NamedTuple

from magicpak.host.sysroot import Sysroot
from magicpak.inventory import files
from magicpak.inventory.package import INSTALLED, Package, PackageType

log = logging.getLogger(__name__)

STATUS = "/var/lib/dpkg/status"
STATUS_DIRECTORY = "/var/lib/dpkg/status.d"
INFO = "/var/lib/dpkg/info"
DIVERSIONS = "/var/lib/dpkg/diversions"

ABSENT = ("not-installed", "config-files")
"""States in which a package is not there, but for configuration files that it left."""
UNKNOWN = "unknown"
"""The state of a package with a list of files and no stanza."""
FEW = 8
"""So many paths are looked for one by one, in less time than it takes to split a list."""
SUM = re.compile(r"^([0-9a-f]{32})  (?:\./|/)?(.+)$", re.MULTILINE)

Key = str
"""How dpkg names a package: by its name, and its architecture where there can be several."""


class Diversion(NamedTuple):
    """Where a path of all packages but one is moved to."""

    to: str
    by: str
    """The package whose own file stays; ``:`` is the administrator."""


class Dpkg:
    """The packages that dpkg installed below a root."""

    type = PackageType.DEB

    def __init__(self, host: Sysroot) -> None:
        """Read nothing yet."""
        self._host = host
        self._packages: dict[Key, Package] = {}
        self._texts: dict[str, str] = {}
        self._told: set[str] = set()

    @classmethod
    def there(cls, host: Sysroot) -> bool:
        """Tell whether a root has this database."""
        return any(files.there(host, path) for path in (STATUS, STATUS_DIRECTORY, INFO))

    def claims(self, wanted: Set[str]) -> Iterator[tuple[Package, list[str]]]:
        """Give each package that has some of these paths, where diversions left those."""
        moved_here = (path for path, moved in self._diversions.items() if moved.to in wanted)
        asked = {*wanted, *moved_here}
        for key, location in self._lists.items():
            found = _common(asked, self._list(location))
            if not self._diversions.keys().isdisjoint(found):
                places = (self._diverted(path, key) for path in found)
                found = [path for path in places if path in wanted]
            if found:
                yield self._package(key), found

    def find(self, name: str) -> tuple[Package, ...]:
        """Return the installed packages of a name, or of ``NAME:ARCHITECTURE``."""
        found = (self._package(key) for key in sorted(self._stanzas) if _is(key, name))
        return tuple(package for package in found if package.state not in ABSENT)

    def providers(self, name: str) -> tuple[Package, ...]:
        """Return the installed packages that provide a name (virtual packages)."""
        return tuple(map(self._package, self._provided.get(name, ())))

    @cached_property
    def _provided(self) -> dict[str, list[Key]]:
        found: dict[str, list[Key]] = {}
        for key, stanza in sorted(self._stanzas.items()):
            if _state(stanza) not in ABSENT:
                for name in re.findall(r"(?:^|,)\s*([\w.+-]+)", _field(stanza, "Provides")):
                    found.setdefault(name, []).append(key)
        return found

    def files(self, package: Package) -> tuple[str, ...]:
        """List what a package has, where diversions left it."""
        key = self._key(package)
        if key is None:
            return ()
        paths = self._list(self._lists[key]).split("\n")
        return tuple(self._diverted(path, key) for path in paths if path not in ("", "/."))

    def licence_files(self, package: Package) -> tuple[str, ...]:
        """Name the copyright file (Debian Policy, 12.5)."""
        path = f"/usr/share/doc/{package.name}/copyright"
        if not files.there(self._host, path):
            if path not in self._told:
                self._told.add(path)
                log.warning("%s has no copyright file: %s is not there", package, path)
            return ()
        return (path,)

    def checksums(self, package: Package) -> Mapping[str, str]:
        """Return the MD5 sums; configuration files have none."""
        key = self._key(package)
        if key is None:
            return {}
        text = files.read(self._host, re.sub(r"\.list$", ".md5sums", self._lists[key]))
        return {self._diverted(f"/{path}", key): digest for digest, path in SUM.findall(text or "")}

    def _key(self, package: Package) -> Key | None:
        keys = (f"{package.name}:{package.architecture}", package.name)
        return next((key for key in keys if key in self._lists), None)

    @cached_property
    def _lists(self) -> dict[Key, str]:
        """Where the list of each package is; those without one are told."""
        found = {
            name.removesuffix(suffix): f"{directory}/{name}"
            for directory, suffix in ((STATUS_DIRECTORY, ".md5sums"), (INFO, ".list"))
            for name in files.names(self._host, directory)
            if name.endswith(suffix)
        }
        lost = [
            key
            for key, stanza in self._stanzas.items()
            if key not in found
            and key.partition(":")[0] not in found
            and _state(stanza) not in ABSENT
        ]
        if lost:
            more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
            log.warning("dpkg has no list of the files of %s%s", ", ".join(lost[:3]), more)
        return found

    def _list(self, location: str) -> str:
        if location not in self._texts:
            self._texts[location] = self._read_list(location)
        return self._texts[location]

    def _read_list(self, location: str) -> str:
        text = files.read(self._host, location) or ""
        if location.endswith(".md5sums"):
            return "".join(f"/{path}\n" for _, path in SUM.findall(text))
        if text and (text[0] != "/" or text[-1] != "\n" or "\n\n" in text or "\0" in text):
            log.warning("%s is damaged: not all files of the package may be known", location)
        return text

    @cached_property
    def _diversions(self) -> dict[str, Diversion]:
        """Read the diversions: three lines each."""
        lines = (files.read(self._host, DIVERSIONS) or "").removesuffix("\n").split("\n")
        if len(lines) % 3 and lines != [""]:
            log.warning("%s is damaged: its last line is missing", DIVERSIONS)
        return {
            path: Diversion(to, by)
            for path, to, by in zip(lines[::3], lines[1::3], lines[2::3], strict=False)
        }

    def _diverted(self, path: str, key: Key) -> str:
        diversion = self._diversions.get(path)
        return path if diversion is None or diversion.by == key.partition(":")[0] else diversion.to

    @cached_property
    def _stanzas(self) -> dict[Key, str]:
        """What is known of each package, by name and architecture."""
        texts = [(STATUS, files.read(self._host, STATUS) or "")]
        for name in files.names(self._host, STATUS_DIRECTORY):
            if not name.endswith(".md5sums"):
                path = f"{STATUS_DIRECTORY}/{name}"
                texts.append((path, files.read(self._host, path) or ""))
        found: dict[Key, str] = {}
        for path, text in texts:
            for stanza in re.split(r"\n{2,}", text.strip("\n")):
                name = _field(stanza, "Package")
                if name and _state(stanza) != "not-installed":
                    found[f"{name}:{_field(stanza, 'Architecture')}"] = stanza
                elif stanza and not name:
                    log.warning("%s is damaged: a stanza without Package is left aside", path)
        return found

    @cached_property
    def _by_name(self) -> dict[str, list[Key]]:
        """The keys of each name; what is installed comes before what was removed."""
        found: dict[str, list[Key]] = {}
        for key in sorted(self._stanzas, key=lambda key: _state(self._stanzas[key]) in ABSENT):
            found.setdefault(key.partition(":")[0], []).append(key)
        return found

    def _package(self, key: Key) -> Package:
        """Return the package of a list, or of a stanza."""
        exact = key if key in self._stanzas else self._by_name.get(key, [key])[0]
        if exact not in self._packages:
            self._packages[exact] = _read(exact, self._stanzas.get(exact))
        return self._packages[exact]


def _common(asked: Set[str], text: str) -> list[str]:
    """Find which of these lines a text has."""
    if len(asked) > FEW:
        return [path for path in text.split("\n") if path in asked]
    text = f"\n{text}"
    return sorted(path for path in asked if f"\n{path}\n" in text)


def _is(key: Key, name: str) -> bool:
    return name in (key, key.partition(":")[0])


def _field(stanza: str, name: str) -> str:
    """Return a field of one line; empty where it is missing."""
    value = f"\n{stanza}".partition(f"\n{name}:")[2]
    return value.partition("\n")[0].strip()


def _state(stanza: str) -> str:
    """Return the third word of the status; what distroless has is installed without one."""
    words = _field(stanza, "Status").split()
    return words[2] if len(words) == 3 else INSTALLED


def _read(key: Key, stanza: str | None) -> Package:
    """Make a package of a stanza; what it lacks is told."""
    if stanza is None:
        name, _, architecture = key.partition(":")
        log.warning("%s has a list of files, but dpkg's status says nothing of it", key)
        return Package(PackageType.DEB, name, "", architecture, state=UNKNOWN)
    name, version, state = _field(stanza, "Package"), _field(stanza, "Version"), _state(stanza)
    source = re.fullmatch(r"(\S+)(?:\s+\((.*)\))?", _field(stanza, "Source")) or (None, name, None)
    package = Package(
        PackageType.DEB,
        name,
        version,
        _field(stanza, "Architecture"),
        source[1],
        source[2] or version,
        _field(stanza, "Maintainer"),
        state=state,
        record=f"{stanza}\n",
    )
    if not version:
        log.warning("dpkg's status has no version of %s", package)
    if state != INSTALLED:
        log.warning("dpkg has %s as %s: not all its files may be of its version", package, state)
    return package

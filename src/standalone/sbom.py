"""Tell what is in the single file, by magicpak's own means: packages of Debian and of Python."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from magicpak.host.sysroot import Sysroot
from magicpak.inventory import Inventory, Package, os_release
from magicpak.sbom import copyright as copyright_file
from magicpak.sbom.contents import Contents, Shipped
from magicpak.sbom.licences import Licence, licence
from magicpak.sbom.modules import Module, of_python, unique
from magicpak.version import VERSION


def contents(program: Path, parts: Iterable[str], packages: Path) -> Contents:
    """Describe the file that was linked from ``parts``, paths of libraries and modules.

    ``packages`` is where pip has installed what else went in. The time is SOURCE_DATE_EPOCH, or
    that of the newest part which a package of the system has.
    """
    host = Sysroot()
    inventory = Inventory(host)
    owners = inventory.owners(parts)
    modules = _modules(packages)
    newest = max((int(os.stat(path).st_mtime) for path in owners), default=0)
    return Contents(
        name="magicpak",
        inputs=("/magicpak",),
        distribution=os_release.distribution(host),
        created=int(os.environ.get("SOURCE_DATE_EPOCH") or newest),
        files=(_file(program, modules),),
        licences={package: _licence(inventory, package) for package in set(owners.values())},
        module_licences={module: licence([module.licence]) for module in modules},
        kind="application",
        version=VERSION,
    )


def _modules(packages: Path) -> tuple[Module, ...]:
    metadata = (path.read_text() for path in packages.glob("*.dist-info/METADATA"))
    return unique(filter(None, map(of_python, metadata)))


def _file(program: Path, modules: tuple[Module, ...]) -> Shipped:
    data = program.read_bytes()
    sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    return Shipped(
        "/magicpak", hashlib.sha256(data).hexdigest(), sha1, package=None, modules=modules
    )


def _licence(inventory: Inventory, package: Package) -> Licence:
    texts = (Path(path).read_text() for path in inventory.licence_files(package))
    return copyright_file.read("".join(texts), package.name)

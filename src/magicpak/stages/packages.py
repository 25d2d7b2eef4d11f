"""Add the run-time files of installed packages, and the libraries they need: ``--package``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from magicpak.errors import MagicpakError, printable
from magicpak.host import Host
from magicpak.plan import Bundle, Origin, Placed, Why
from magicpak.stages.libraries import with_libraries
from magicpak.stages.run import Run

log = logging.getLogger(__name__)


class PackageNotFound(MagicpakError):
    """No installed package has the name."""

    name: str
    root: str
    """Where packages were looked for."""

    def __str__(self) -> str:
        return (
            f"Unable to find the package {printable(self.name)}: none of that name is installed "
            f"below {self.root}; install it, or name its files with --include"
        )


def add(run: Run, bundle: Bundle) -> Bundle:
    """Add the files of each package, of every architecture. Raises PackageNotFound."""
    for name in run.options.package:
        inventory = run.inventory()
        packages = inventory.find(name)
        if not packages:
            raise PackageNotFound(name, run.host.sysroot or "/")
        placed = [
            found
            for each in packages
            for found in entries(
                run.host, inventory.run_time_files(each), Origin(Why.PACKAGE, str(each))
            )
        ]
        run.notes.append(f"{name} has {len(placed)}")
        bundle = with_libraries(run, placed, bundle)
    return bundle


def entries(host: Host, paths: Iterable[str], origin: Origin) -> Iterator[Placed]:
    """Yield the entries of paths that a package lists, and that are here."""
    for path in paths:
        # dpkg lists also what it was told not to install (path-exclude, dpkg.cfg(5)).
        if host.status(path) is not None:
            yield from host.entries(path, host.place(path), origin)

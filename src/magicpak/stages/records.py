"""Add the records by which scanners know packages: ``--with package-db``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from magicpak.plan import Bundle, BundlePath, File, Link, Origin, Placed, Why, generated
from magicpak.stages import exclude
from magicpak.stages.run import Run
from magicpak.system import signals

if TYPE_CHECKING:
    from magicpak.inventory import Package
    from magicpak.inventory.records import Shipped

log = logging.getLogger(__name__)


def add(run: Run, bundle: Bundle) -> Bundle:
    """Add the records of each package that owns an entry; those that they bring own some too.

    Raises BelowFile.
    """
    if run.asked is None or not run.asked.package_db:
        return bundle
    with signals.held():  # an import may lose the exception of a signal
        from magicpak.inventory import records  # noqa: PLC0415  most runs write none

    inventory = run.inventory()
    owners: dict[BundlePath, Package] = {}
    told: set[Package] = set()
    left_out: list[str] = [path for path, _ in bundle.excluded]
    new = bundle
    while True:
        owners |= inventory.owners_in(new)
        packages = sorted(set(owners.values()) - told, key=lambda package: package[1:4])
        if not packages:
            break
        told.update(packages)
        before, bundle = bundle, bundle.add(_allowed(run, _files(run, packages), left_out))
        new = Bundle({path: item for path, item in bundle if before.get(path) is None})
    if not told:
        log.warning("--with package-db has no effect: no known package has a file in the bundle")
    run.notes.append(f"{len(told)} packages")
    origin = Origin(Why.RECORD, "the packages")
    made = (
        generated(BundlePath(path), content, origin)
        for path, content in records.records(_shipped(run, bundle, owners))
    )
    bundle = bundle.add(_allowed(run, made, left_out)).settled()
    exclude.tell_idle(run, run.excludes, left_out)
    bundle.refuse_below_files()
    return bundle


def _allowed(run: Run, placed: Iterable[Placed], left_out: list[str]) -> Iterator[Placed]:
    """Leave out what is excluded."""
    for each in placed:
        if any(matches(each.path) for matches in run.excludes):
            left_out.append(each.path)
        else:
            yield each


def _files(run: Run, packages: list[Package]) -> Iterator[Placed]:
    """Yield what names the distribution, and the texts of the licences of dpkg's packages."""
    from magicpak.inventory import PackageType  # noqa: PLC0415  as above
    from magicpak.inventory.records import OS_RELEASE, RELEASES  # noqa: PLC0415  as above

    host = run.host
    for package in packages:
        origin = Origin(Why.RECORD, str(package))
        copyrights: tuple[str, ...] = ()
        if package.type is PackageType.DEB:
            copyrights = run.inventory().licence_files(package)
        for path in (*OS_RELEASE, *RELEASES[package.type], *copyrights):
            if host.status(path) is None:
                continue
            parent, _, name = path.rpartition("/")
            # Packages of one source may share a directory by a link.
            above = host.entries(parent, BundlePath(parent), origin)
            yield from (each for each in above if isinstance(each.entry, Link))
            real = f"{host.real(parent)}/{name}"
            yield from host.entries(real, BundlePath(real), origin)


def _shipped(
    run: Run, bundle: Bundle, owners: dict[BundlePath, Package]
) -> Iterator[Shipped]:
    from magicpak.inventory.records import Shipped  # noqa: PLC0415  as above

    inventory = run.inventory()
    paths: dict[Package, list[BundlePath]] = {}
    for path, package in owners.items():
        paths.setdefault(package, []).append(path)
    for package, own in paths.items():
        items = {path: item for path in own if (item := bundle.get(path)) is not None}
        sources = {path: inventory.source(path, item) or path for path, item in items.items()}
        spelled = inventory.spelled(package, sources.values())
        sums = inventory.checksums(package)
        known = {
            str(path): sums[spelled[source]]
            for path, source in sources.items()
            if isinstance(items[path].entry, File) and spelled.get(source) in sums
        }
        yield Shipped(package, frozenset(spelled.values()), known)

"""Gather what an SBOM tells, and write it: ``--sbom``."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping

from magicpak.errors import printable
from magicpak.inventory import Package, PackageType, os_release
from magicpak.inventory import files as texts
from magicpak.output.hashing import SHA1, SHA256
from magicpak.plan import Bundle, BundlePath, File
from magicpak.report import Facts
from magicpak.sbom import copyright as copyright_file
from magicpak.sbom import document, modules, python
from magicpak.sbom.contents import Contents, Shipped
from magicpak.sbom.licences import Licence, licence
from magicpak.sbom.modules import Module
from magicpak.stages import report
from magicpak.stages.run import Run, source_date

log = logging.getLogger(__name__)

SECOND = 10**9
"""Nanoseconds."""
LATEST = 253402300799
"""The end of the year 9999, beyond which no date can be written."""


def documents(run: Run, facts: Facts) -> Iterator[tuple[str, bytes]]:
    """Yield each document with its path."""
    found = contents(run, facts)
    for path in run.options.sbom:
        yield path, document.document(path, found)


def contents(run: Run, facts: Facts) -> Contents:
    """Gather what is known of the files of a bundle, and of their packages."""
    bundle, owners = facts.bundle, facts.owners
    needs, recorded = _needs(run, bundle), _modules(run, bundle)
    digests = run.digests
    files = tuple(
        Shipped(
            path,
            digests.of(item.entry, SHA256) if digests else "",
            digests.of(item.entry, SHA1) if digests else "",
            owners.get(path),
            needs.get(path, ()),
            recorded.get(path, ()),
        )
        for path, item in sorted(bundle)
        if isinstance(item.entry, File)
    )
    said = {each for found in recorded.values() for each in found if each.licence}
    inputs = (bundle.resolve(each.place) for each in run.inputs)
    return Contents(
        "+".join(dict.fromkeys(os.path.basename(each.path) for each in run.inputs)),
        tuple(path for path in inputs if path is not None),
        os_release.distribution(run.host),
        _created(bundle),
        files,
        {package: _licence(run, package) for package in set(owners.values())},
        {module: licence([module.licence]) for module in said},
    )


def _created(bundle: Bundle) -> int:
    """Return the time of SOURCE_DATE_EPOCH, or of what is newest in the bundle, in seconds."""
    seconds = source_date(os.environ)
    if seconds is None:
        times = (item.entry.meta.mtime for _, item in bundle)
        seconds = max(times, default=0) // SECOND
    return min(max(seconds, 0), LATEST)


def _licence(run: Run, package: Package) -> Licence:
    if package.type is not PackageType.DEB:
        return licence([package.licence])
    paths = run.inventory().licence_files(package)
    text = "".join(texts.read(run.host, path) or "" for path in paths)
    return copyright_file.read(text, package.name)


def _needs(run: Run, bundle: Bundle) -> dict[BundlePath, tuple[str, ...]]:
    """Return which files the loader maps for a file, because that names them."""
    found: dict[BundlePath, set[str]] = {}
    for path, others in report.lookups(run, bundle).needs.items():
        place = bundle.resolve(path)
        if place is not None:
            resolved = {bundle.resolve(other) for other in others}
            found.setdefault(place, set()).update(each for each in resolved if each is not None)
    return {path: tuple(sorted(others)) for path, others in found.items()}


def _modules(run: Run, bundle: Bundle) -> Mapping[BundlePath, tuple[Module, ...]]:
    """Find what programs record that they were built from, and the distributions of Python."""
    found: dict[BundlePath, list[Module]] = {}
    sources: dict[str, list[BundlePath]] = {}
    for path, item in bundle:
        if isinstance(item.entry, File) and not item.entry.is_generated:
            sources.setdefault(item.entry.source[len(run.host.sysroot) :], []).append(path)
            found[path] = list(_built_in(run, item.entry))
    for source, module in python.modules(run.host, sources):
        for path in sources[source]:
            found[path].append(module)
    return {path: modules.unique(each) for path, each in found.items() if each}


def _built_in(run: Run, file: File) -> Iterator[Module]:
    info = run.host.build_info(file)
    if info is None:
        return
    yield from modules.of_go(info.go, info.modules)
    try:
        yield from modules.of_cargo(info.cargo) if info.cargo else ()
    except ValueError as e:
        log.warning("%s: %s; the SBOM has no crates of it", printable(file.source), e)

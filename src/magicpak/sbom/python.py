"""Find the distributions of Python whose files are in a bundle, by what pip and dpkg leave of them.

The directory of a distribution's metadata is beside its modules, ``NAME.dist-info`` or
``NAME.egg-info``. A trace rarely shows it, so that it is read from where the modules come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from magicpak.host.sysroot import Sysroot
from magicpak.inventory import files
from magicpak.sbom.modules import Module, of_python

PACKAGES = re.compile(r"(.*/(?:site|dist)-packages)/(.+)", re.DOTALL)
METADATA = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}


def modules(host: Sysroot, paths: Iterable[str]) -> Iterator[tuple[str, Module]]:
    """Yield each distribution with each of its files among these paths of the host."""
    below: dict[str, list[str]] = {}
    for path in paths:
        match = PACKAGES.fullmatch(path)
        if match is not None:
            below.setdefault(match[1], []).append(match[2])
    for directory, inside in sorted(below.items()):
        for name in files.names(host, directory):
            ending = name[name.rfind(".") :]
            if ending in METADATA:
                yield from _distribution(host, directory, name, inside)


def _distribution(
    host: Sysroot, directory: str, name: str, inside: list[str]
) -> Iterator[tuple[str, Module]]:
    place = f"{directory}/{name}"
    # That of distutils is a file itself.
    is_directory = host.directory_identity(place) is not None
    metadata = f"{place}/{METADATA[name[name.rfind('.') :]]}" if is_directory else place
    module = of_python(files.read(host, metadata) or "")
    if module is None:
        return
    listed = _listed(files.read(host, f"{place}/RECORD") or "") if is_directory else set()
    tops = (files.read(host, f"{place}/top_level.txt") or "").split() if is_directory else []
    tops = tops or [re.sub(r"[-.]+", "_", module.name)]
    starts = (f"{name}/", *(f"{top}/" for top in tops), *(f"{top}." for top in tops))
    for path in inside:
        if path in listed or (not listed and path.startswith(starts)):
            yield f"{directory}/{path}", module


def _listed(record: str) -> set[str]:
    """Read the paths of RECORD; one with a comma or a quote stands in quotes."""
    rows = re.findall(r'^(?:"((?:[^"]|"")*)"|([^,"\n]+)),', record, re.MULTILINE)
    return {quoted.replace('""', '"') or plain for quoted, plain in rows}

"""Find symbol versions that an object needs but no library defines (elf/dl-version.c)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from magicpak.loader.resolve import Root

log = logging.getLogger(__name__)


def check_versions(roots: Iterable[Root]) -> None:
    """Warn of missing symbol versions, for which the loader refuses to start a program."""
    missing = {text: None for root in roots for text in _missing(root)}
    for text in missing:
        log.warning("%s", text)


def _missing(root: Root) -> Iterator[str]:
    libraries = root.closure.libraries
    by_name = {name: lib.elf for lib in libraries for name in (lib.name, lib.elf.soname) if name}
    for elf in (root.elf, *(library.elf for library in libraries)):
        for name, versions in elf.versions.needed:
            provider = by_name.get(name)
            # The loader accepts a library that defines no versions at all.
            if provider is None or not provider.versions.defined:
                continue
            for version in versions:
                if version not in provider.versions.defined:
                    yield (
                        f"{elf.path} needs version {version} of {name}, "
                        f"which {provider.path} does not define"
                    )

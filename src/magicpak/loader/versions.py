"""Find the symbol versions for which a loader refuses an object. Pure.

glibc: elf/dl-version.c (_dl_check_map_versions). musl checks none.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from magicpak.loader.search import Loaded

RELR = "GLIBC_ABI_DT_RELR"
"""The version with which an object asks for a loader that supports DT_RELR (glibc 2.36)."""


class Refusal(NamedTuple):
    """A symbol version that is not defined, or that an object fails to ask for."""

    name: str
    """The file that lacks the version; a text with both if no other file would help."""
    version: str
    reason: str
    optional: bool = False
    """The object is loaded later, by dlopen(3)."""


def refusals(objects: Iterable[Loaded], by_name: Mapping[str, Loaded]) -> Iterator[Refusal]:
    """List the versions for which glibc refuses to load objects, with ``by_name`` loaded."""
    for loaded in objects:
        yield from _missing(loaded, by_name)
        yield from _without_relr(loaded)


def _missing(loaded: Loaded, by_name: Mapping[str, Loaded]) -> Iterator[Refusal]:
    for name, versions in loaded.elf.versions.needed:
        provider = by_name.get(name)
        if provider is None:
            # A needed library that is missing is another failure. For a file that is not needed,
            # which patchelf(1) can leave behind, an assertion of the loader fails.
            if name not in loaded.elf.needed and versions:
                what = f"version {versions[0]} of {name}"
                yield Refusal(what, "", f"{loaded.path} asks for it, and nothing loads {name}")
            continue
        defined = provider.elf.versions.defined
        # The loader accepts a library that defines no versions at all.
        for version in versions if defined else ():
            if version not in defined:
                reason = f"{loaded.path} asks for it, and {provider.path} does not define it"
                yield Refusal(name, version, reason)


def _without_relr(loaded: Loaded) -> Iterator[Refusal]:
    """Find an object that has DT_RELR but does not ask for a loader that supports it."""
    elf = loaded.elf
    libc = next((name for name in elf.needed if name.startswith("libc.so.")), None)
    asked = {version for _, versions in elf.versions.needed for version in versions}
    if elf.packed_relocations and libc is not None and elf.versions.needed and RELR not in asked:
        reason = f"{loaded.path} has DT_RELR and does not ask for it"
        yield Refusal(f"version {RELR} of {libc}", "", reason)

"""List the libraries that an object is known to load by dlopen(3) at run time. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from magicpak.loader.search import Flavour, Loaded, Loader

LIBGCC = "libgcc_s.so.1"
GUESSED = "guessed"
"""The priority of a library that an object only names among its constants."""
GLIBC_OWN = ("libc.so.6", "libpthread.so.0")
"""Libraries that define the functions that load libgcc_s, and so contain all their names."""


class Later(NamedTuple):
    """Alternative libraries, of which the first one found is loaded, and the reason."""

    sonames: tuple[str, ...]
    reason: str
    priority: str = "recommended"
    """``required``, ``recommended`` or ``suggested``, as in a dlopen note (UAPI.12), or GUESSED."""


def loaded_later(loaded: Loaded, loader: Loader) -> Iterator[Later]:
    """List what one object loads: libgcc_s to unwind threads, and the libraries in its notes."""
    own = loaded.elf.soname in GLIBC_OWN or loaded.path == loader.interpreter
    if loaded.elf.cancels and not own and loader.flavour is Flavour.GLIBC:
        yield Later((LIBGCC,), f"unwinding of threads in {loaded.path}")
    for note in loaded.elf.dlopens:
        feature = f" ({note.feature})" if note.feature else ""
        told = "constants" if note.priority == GUESSED else "dlopen note"
        yield Later(note.sonames, f"{told} of {loaded.path}{feature}", note.priority)

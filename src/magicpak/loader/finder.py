"""Find the file that a loader takes for a name, in the places that it searches.

glibc: elf/dl-load.c (open_path). musl: ldso/dynlink.c (path_open).
"""

import errno
from collections.abc import Iterator
from typing import NamedTuple

from magicpak.elf import DF_1_NODEFLIB, Abi, Elf, MalformedExecutable
from magicpak.loader.candidate import PASSED, fits, is_foreign
from magicpak.loader.library import Ask, View
from magicpak.loader.search import (
    Environment,
    Flavour,
    How,
    Loaded,
    Loader,
    Place,
    depends_on_needer,
    places,
)

Found = tuple[str, Elf, Place]
"""The file for a name, and the place where it is."""

Known = dict[tuple[str, Abi, int, int, bool], Found]
"""What one loader has found in one view and environment, where all needers find the same."""


class Finder(NamedTuple):
    """A loader with all that its search depends on."""

    loader: Loader
    view: View
    environment: Environment
    ask: Ask | None
    known: Known

    def places(self, name: str, needer: Loaded) -> Iterator[Place]:
        """List the places where it looks."""
        return places(name, needer, self.loader, self.environment)

    def find(self, name: str, needer: Loaded, *, ask: bool = True) -> Found | None:
        """Return the file, and the place where it is. Raises MalformedExecutable.

        With ``ask``, the loader itself is asked for a library that is in none of the places.
        """
        if depends_on_needer(needer, self.loader, self.environment):
            return self._find(name, needer, ask=ask)
        elf = needer.elf
        like = (name, elf.abi, elf.float_abi, elf.flags_1 & DF_1_NODEFLIB, ask)
        found = self.known.get(like) or self._find(name, needer, ask=ask)
        if found is not None:
            self.known[like] = found
        return found

    def _find(self, name: str, needer: Loaded, *, ask: bool) -> Found | None:
        ended: Place | None = None
        for place in self.places(name, needer):
            if ended is not None and place.is_listed_with(ended):
                continue
            for path in place.candidates:
                elf = self.open(path, needer.elf)
                if elf is not None and fits(elf, needer.elf, self.loader.flavour):
                    return path, elf, place
            if self._ends(place):
                if self.loader.flavour is Flavour.MUSL:
                    return None  # it looks nowhere else
                ended = place
        path_asked = self.ask(name) if ask and self.ask is not None and "/" not in name else None
        if path_asked:
            elf = self.open(path_asked, needer.elf)
            if elf is not None:
                return path_asked, elf, Place(How.DLOPEN, path_asked.rpartition("/")[0])
        return None

    def _ends(self, place: Place) -> bool:
        """Tell whether the list of directories ends here: a file that is there fails to open."""
        if not place.candidates:
            return False
        path, flavour = place.candidates[-1], self.loader.flavour
        failure = self.view.failure(path)
        if failure in PASSED[flavour] or (failure == errno.ENOTDIR and self.loader.past_files):
            return False
        # glibc looks on if the directory is none.
        return flavour is Flavour.MUSL or not self.view.failure(f"{path.rpartition('/')[0]}/")

    def open(self, path: str, needer: Elf) -> Elf | None:
        """Read an object; None if there is none, or one of which the loader reads no more."""
        try:
            return self.view.elf(path)
        except MalformedExecutable as e:
            glibc = self.loader.flavour is Flavour.GLIBC
            if glibc and e.abi is not None and is_foreign(path, e.abi, needer.abi):
                return None
            raise

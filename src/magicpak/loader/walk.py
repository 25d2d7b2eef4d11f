"""Walk DT_NEEDED breadth first, as the loader does at start-up. Pure: a view reads the files.

glibc: elf/dl-deps.c (_dl_map_object_deps), elf/dl-load.c (_dl_map_object).
musl: ldso/dynlink.c (load_deps, load_library).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from magicpak.elf import Elf, MalformedExecutable
from magicpak.loader.candidate import fits
from magicpak.loader.errors import LookupFailed, LookupRefused
from magicpak.loader.library import Ask, Library, Notice, View
from magicpak.loader.loaded_later import Later, loaded_later
from magicpak.loader.search import (
    Environment,
    Flavour,
    How,
    Loaded,
    Loader,
    Place,
    expand,
    places,
)
from magicpak.loader.versions import Refusal, refusals

MUSL_OWN = ("libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet.")
"""Beginnings of names that mean musl's loader itself."""


@dataclass(slots=True)
class Walk:
    """One walk: the objects loaded so far, and those whose needs are not loaded yet."""

    loader: Loader
    view: View
    environment: Environment
    ask: Ask | None
    libraries: list[Library] = field(default_factory=list)
    failures: list[LookupFailed | LookupRefused] = field(default_factory=list)
    by_name: dict[str, Loaded] = field(default_factory=dict)
    by_identity: dict[tuple[int, int], Loaded] = field(default_factory=dict)
    queue: deque[Loaded] = field(default_factory=deque)
    notices: list[Notice] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    optional: bool = False

    def warn(self, text: str) -> None:
        """Add a notice of level WARNING."""
        self.notices.append(Notice(logging.WARNING, text))

    def inform(self, text: str) -> None:
        """Add a notice of level INFO."""
        self.notices.append(Notice(logging.INFO, text))

    def through(self, executable: Elf, path: str) -> Walk:
        """Walk the whole closure of an executable."""
        root = self._begin(executable, path)
        # musl does not search the executable's RPATH and RUNPATH for preloaded libraries.
        glibc = self.loader.flavour is Flavour.GLIBC
        needer = root if glibc else Loaded(path, executable._replace(rpath=None, runpath=None))
        for name in (*self.environment.preload, *self.loader.preload):
            self._preload(name, needer)
        self._run()
        started = len(self.by_identity)
        self._run_optional()
        for name in (name for text in executable.audit for name in text.split(":") if name):
            self._load_later(Later((name,), f"auditor of {path}"), root)
        self._run()
        self._check_versions(started)
        return self

    def _check_versions(self, started: int) -> None:
        """Find what the loader refuses; the first objects, ``started``, are there at the start."""
        if self.loader.flavour is not Flavour.GLIBC:
            return
        objects = tuple(self.by_identity.values())
        self.refusals += refusals(objects[:started], self.by_name)
        later = refusals(objects[started:], self.by_name)
        self.refusals += (refusal._replace(optional=True) for refusal in later)

    def _begin(self, executable: Elf, path: str) -> Loaded:
        root = Loaded(path, executable)
        self._keep(root, path)
        # The loader is the first object in the process, under its path and its soname.
        own = self._open(self.loader.interpreter)
        if own is None:
            self._fail(LookupFailed(self.loader.interpreter, path, (self.loader.interpreter,)))
            # Report it once, although other objects need it too, as libc does.
            self.by_name[self.loader.interpreter.rpartition("/")[2]] = root
        else:
            self._keep(Loaded(self.loader.interpreter, own, root), self.loader.interpreter)
        self.queue.append(root)
        return root

    def _keep(self, loaded: Loaded, name: str) -> None:
        self.by_identity.setdefault(loaded.elf.identity, loaded)
        self.by_name.setdefault(name, loaded)
        self.by_name.setdefault(loaded.path, loaded)
        if loaded.elf.soname is not None and self.loader.flavour is Flavour.GLIBC:
            self.by_name.setdefault(loaded.elf.soname, loaded)

    def _run(self) -> None:
        """Load the needed libraries of all queued objects, and of those that they add."""
        while self.queue:
            needer = self.queue.popleft()
            for name in needer.elf.needed:
                self._need(name, needer)
            if self.loader.flavour is Flavour.GLIBC:
                self._run_filters(needer)

    def _run_filters(self, needer: Loaded) -> None:
        """Load the libraries that a filter refers to; the loader moves them to the queue's head."""
        waiting = len(self.queue)
        for name in needer.elf.filters:
            self._need(name, needer)
        for name in needer.elf.auxiliary:
            self._try(name, needer)
        self.queue.rotate(len(self.queue) - waiting)

    def _run_optional(self) -> None:
        """Load the libraries that objects load by dlopen(3), and the closures of those."""
        asked: set[Loaded] = set()
        while True:
            new = [loaded for loaded in self.by_identity.values() if loaded not in asked]
            if not new:
                return
            for loaded in new:
                asked.add(loaded)
                for later in loaded_later(loaded, self.loader):
                    self._load_later(later, loaded)
            self._run()

    def _load_later(self, later: Later, needer: Loaded) -> None:
        """Load the first of the names that is found, as dlopen(3) in ``needer`` would."""
        names = " or ".join(later.sonames)
        if later.priority == "suggested":
            self.inform(f"{later.reason} suggests {names}: not bundled")
            return
        self.optional = True
        if any(self._try(name, needer) for name in later.sonames):
            return
        self.inform(f"{later.reason}: {names} is not found")
        if later.priority == "required":
            self.warn(f"{later.reason} requires {names}: not found")

    def _preload(self, name: str, root: Loaded) -> None:
        """Load a library of LD_PRELOAD or /etc/ld.so.preload; the loader ignores a missing one."""
        if not self._try(name, root):
            self.warn(f"{name} cannot be preloaded: ignored")
        elif name not in self.loader.preload:
            self.inform(f"{name} is preloaded here; set LD_PRELOAD to preload it in the image too")

    def _try(self, text: str, needer: Loaded) -> bool:
        """Load an object that may be missing."""
        try:
            return self._load(expand(text, needer.origin, self.loader), needer)
        except LookupRefused as e:
            self.inform(str(e))
            return False

    def _need(self, text: str, needer: Loaded) -> None:
        name = expand(text, needer.origin, self.loader)
        try:
            # The loader skips a name with a token whose value it does not know.
            if not name or self._load(name, needer):
                return
        except LookupRefused as e:
            self._fail(e)
            return
        looked = tuple(str(place) for place in self._places(name, needer))
        self._fail(LookupFailed(name, needer.path, tuple(dict.fromkeys(looked))))

    def _fail(self, failure: LookupFailed | LookupRefused) -> None:
        if self.optional:
            self.warn(f"{failure} (loaded later, by dlopen)")
        else:
            self.failures.append(failure)

    def _places(self, name: str, needer: Loaded) -> Iterator[Place]:
        return places(name, needer, self.loader, self.environment)

    def _load(self, name: str, needer: Loaded) -> bool:
        """Load one object by name; False if no place has it. Raises LookupRefused."""
        if name in self.by_name or self._is_musl_itself(name):
            return True
        try:
            found = self._search(name, needer) if name else None
        except MalformedExecutable as e:
            raise LookupRefused(name, needer.path, e.path, e.reason) from e
        if found is None:
            return False
        path, elf, place = found
        known = self.by_identity.get(elf.identity)
        if known is not None:
            self.by_name[name] = known
        else:
            loaded = Loaded(path, elf, needer)
            self._keep(loaded, name)
            self.queue.append(loaded)
        self._record(name, path, elf, place, needer)
        return True

    def _record(self, name: str, path: str, elf: Elf, place: Place, needer: Loaded) -> None:
        self.libraries.append(Library(name, path, elf, place, needer.path, self.optional))

    def _is_musl_itself(self, name: str) -> bool:
        return self.loader.flavour is Flavour.MUSL and name.startswith(MUSL_OWN)

    def _search(self, name: str, needer: Loaded) -> tuple[str, Elf, Place] | None:
        for place in self._places(name, needer):
            for path in place.candidates:
                elf = self._open(path)
                if elf is not None and fits(elf, needer.elf, self.loader.flavour):
                    return path, elf, place
        path_asked = self.ask(name) if self.ask is not None and "/" not in name else None
        if path_asked:
            elf = self._open(path_asked)
            if elf is not None:
                return path_asked, elf, Place(How.DLOPEN, path_asked.rpartition("/")[0])
        return None

    def _open(self, path: str) -> Elf | None:
        return self.view.elf(path)

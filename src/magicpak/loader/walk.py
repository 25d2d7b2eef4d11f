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
from magicpak.loader.candidate import PASSED, fits, is_foreign
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

LATER = "it is loaded later, by dlopen"
AUXILIARY = "it is an auxiliary object, which may be missing"
PRELOADED = "it is in /etc/ld.so.preload, and the loader ignores one that is missing"
VDSO = {"EM_386": "linux-gate.so.1", "EM_PPC": "linux-vdso32.so.1"} | dict.fromkeys(
    ("EM_PPC64", "EM_S390"), "linux-vdso64.so.1"
)
"""The soname of the object that the kernel maps, vdso(7), where it is not ``linux-vdso.so.1``."""
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
    objects: list[Loaded] = field(default_factory=list)
    by_name: dict[str, Loaded] = field(default_factory=dict)
    by_identity: dict[tuple[int, int], Loaded] = field(default_factory=dict)
    unlisted: set[Loaded] = field(default_factory=set)
    """The program, and what stands before it: glibc looks names up only from the program on."""
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

    @property
    def _is_glibc(self) -> bool:
        return self.loader.flavour is Flavour.GLIBC

    def through(self, executable: Elf, path: str) -> Walk:
        """Walk the whole closure of an executable."""
        root = self._begin(executable, path)
        # musl does not search the executable's RPATH and RUNPATH for preloaded libraries.
        bare = Loaded(path, executable._replace(rpath=None, runpath=None))
        for name in (*self.environment.preload, *self.loader.preload):
            self._preload(name, root if self._is_glibc else bare)
        self._run()
        started = len(self.objects)
        self._run_optional()
        for name in (name for text in executable.audit for name in text.split(":") if name):
            self._audit(name, root)
        self._check_versions(started)
        return self

    def _audit(self, name: str, root: Loaded) -> None:
        """Load an auditor into a namespace of its own, where nothing else is loaded yet.

        For it and what it needs, glibc searches the executable's RUNPATH too, and does not heed
        the executable's DF_1_NODEFLIB.
        """
        elf = root.elf
        path = elf.rpath if elf.runpath is None else elf.runpath
        needer = Loaded(root.path, elf._replace(rpath=path, runpath=None, flags_1=0))
        space = Walk(self.loader, self.view, self.environment, self.ask, optional=True)
        space._load_later(Later((name,), f"auditor of {root.path}"), needer)
        space._run()
        space._run_optional()
        space._check_versions(0)
        self.libraries += (library._replace(auditor=name) for library in space.libraries)
        self.notices += space.notices
        self.refusals += space.refusals

    def _check_versions(self, started: int) -> None:
        """Find what the loader refuses; the first objects, ``started``, are there at the start."""
        if self._is_glibc:
            self.refusals += refusals(self.objects[:started], self.by_name)
            later = refusals(self.objects[started:], self.by_name)
            self.refusals += (refusal._replace(optional=True) for refusal in later)

    def _begin(self, executable: Elf, path: str) -> Loaded:
        root = Loaded(path, executable)
        self._keep(root, path)
        self.unlisted.add(root)
        # The loader is the first object in the process, under its path and its soname.
        own = self._open(self.loader.interpreter, executable)
        if own is None:
            self._fail(LookupFailed(self.loader.interpreter, path, (self.loader.interpreter,)))
            # Report it once, although other objects need it too, as libc does.
            self.by_name[self.loader.interpreter.rpartition("/")[2]] = root
        else:
            self._keep(Loaded(self.loader.interpreter, own, root), self.loader.interpreter)
        if self._is_glibc:
            self.by_name[VDSO.get(executable.abi.machine, "linux-vdso.so.1")] = root
        self.queue.append(root)
        return root

    def _keep(self, loaded: Loaded, name: str) -> None:
        self.objects.append(loaded)
        self.by_identity.setdefault(loaded.elf.identity, loaded)
        self.by_name.setdefault(name, loaded)
        self.by_name.setdefault(loaded.path, loaded)
        if loaded.elf.soname is not None and self._is_glibc:
            self.by_name.setdefault(loaded.elf.soname, loaded)

    def _run(self) -> None:
        """Load the needed libraries of all queued objects, and of those that they add."""
        while self.queue:
            needer = self.queue.popleft()
            filtees: list[Loaded] = []
            for tag, name in needer.elf.dependencies:
                if tag == "DT_NEEDED":
                    self._need(name, needer)
                elif self._is_glibc:
                    filtees += self._filter(tag, name, needer)
            self.queue.extendleft(reversed(filtees))

    def _filter(self, tag: str, name: str, needer: Loaded) -> Iterator[Loaded]:
        """Load what an object filters; yield it if its needs are to be loaded next.

        The loader moves it, even if it was queued already, before the object in its list.
        """
        required = tag == "DT_FILTER"
        loaded = self._need(name, needer) if required else self._try(name, needer, AUXILIARY)
        if loaded is None or loaded not in self.queue:
            return
        self.queue.remove(loaded)
        if needer in self.unlisted:
            if any(link.elf.identity == loaded.elf.identity for link in needer.chain()):
                reason = "it filters itself, and the loader loads it again and again"
                self._fail(LookupRefused(name, needer.path, loaded.path, reason))
                return
            self.unlisted.add(loaded)
            for known in [known for known, each in self.by_name.items() if each is loaded]:
                del self.by_name[known]
            self.by_identity.pop(loaded.elf.identity, None)
        yield loaded

    def _run_optional(self) -> None:
        """Load the libraries that objects load by dlopen(3), and the closures of those."""
        asked = 0
        while asked < len(self.objects):
            loaded = self.objects[asked]
            asked += 1
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
        if any(self._try(name, needer, LATER) for name in later.sonames):
            return
        self.inform(f"{later.reason}: {names} is not found")
        if later.priority == "required":
            self.warn(f"{later.reason} requires {names}: not found")

    def _preload(self, name: str, root: Loaded) -> None:
        """Load a library of LD_PRELOAD or /etc/ld.so.preload; the loader ignores a missing one."""
        listed = name in self.loader.preload
        if not self._try(name, root, PRELOADED if listed else ""):
            self.warn(f"{name} cannot be preloaded: ignored")
        elif not listed:
            self.inform(f"{name} is preloaded here; set LD_PRELOAD to preload it in the image too")

    def _try(self, text: str, needer: Loaded, dispensable: str) -> Loaded | None:
        """Load an object that may be missing, for the reason ``dispensable``."""
        try:
            return self._load(expand(text, needer.origin, self.loader), needer, dispensable)
        except LookupRefused as e:
            self.inform(str(e))
            return None

    def _need(self, text: str, needer: Loaded) -> Loaded | None:
        name = expand(text, needer.origin, self.loader)
        if not name:
            return None  # the loader skips a name with a token whose value it does not know
        try:
            loaded = self._load(name, needer, LATER if self.optional else "")
        except LookupRefused as e:
            self._fail(e)
            return None
        if loaded is None:
            looked = tuple(str(place) for place in self._places(name, needer))
            self._fail(LookupFailed(name, needer.path, tuple(dict.fromkeys(looked))))
        return loaded

    def _fail(self, failure: LookupFailed | LookupRefused) -> None:
        if self.optional:
            self.warn(f"{failure} (loaded later, by dlopen)")
        else:
            self.failures.append(failure)

    def _places(self, name: str, needer: Loaded) -> Iterator[Place]:
        return places(name, needer, self.loader, self.environment)

    def _load(self, name: str, needer: Loaded, dispensable: str) -> Loaded | None:
        """Load one object by name; None if no place has it. Raises LookupRefused."""
        if self._is_musl_itself(name):
            return self.objects[0]
        if name in self.by_name or not name:
            return self.by_name[name] if name else None
        try:
            found = self._search(name, needer)
        except MalformedExecutable as e:
            raise LookupRefused(name, needer.path, e.path, e.reason) from e
        if found is None:
            return None
        path, elf, place = found
        loaded = self.by_identity.get(elf.identity)
        if loaded is not None:
            self.by_name[name] = loaded
        else:
            loaded = Loaded(path, elf, needer)
            self._keep(loaded, name)
            self.queue.append(loaded)
        self.libraries.append(
            Library(name, path, elf, place, needer.path, self.optional, dispensable)
        )
        return loaded

    def _is_musl_itself(self, name: str) -> bool:
        return self.loader.flavour is Flavour.MUSL and name.startswith(MUSL_OWN)

    def _search(self, name: str, needer: Loaded) -> tuple[str, Elf, Place] | None:
        ended: Place | None = None
        for place in self._places(name, needer):
            if ended is not None and place.is_listed_with(ended):
                continue
            for path in place.candidates:
                elf = self._open(path, needer.elf)
                if elf is not None and fits(elf, needer.elf, self.loader.flavour):
                    return path, elf, place
            if self._ends(place):
                if not self._is_glibc:
                    return None  # musl looks nowhere else
                ended = place
        path_asked = self.ask(name) if self.ask is not None and "/" not in name else None
        if path_asked:
            elf = self._open(path_asked, needer.elf)
            if elf is not None:
                return path_asked, elf, Place(How.DLOPEN, path_asked.rpartition("/")[0])
        return None

    def _ends(self, place: Place) -> bool:
        """Tell whether the list of directories ends here: a file that is there fails to open."""
        if not place.candidates:
            return False
        path = place.candidates[-1]
        failed = self.view.failure(path) not in PASSED[self.loader.flavour]
        return failed and not (self._is_glibc and self.view.failure(f"{path.rpartition('/')[0]}/"))

    def _open(self, path: str, needer: Elf) -> Elf | None:
        try:
            return self.view.elf(path)
        except MalformedExecutable as e:
            glibc = self.loader.flavour is Flavour.GLIBC
            if glibc and e.abi is not None and is_foreign(path, e.abi, needer.abi):
                return None
            raise

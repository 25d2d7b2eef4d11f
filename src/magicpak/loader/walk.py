"""Walk DT_NEEDED breadth first, as the loader does at start-up. Pure: a view reads the files.

glibc: elf/dl-deps.c (_dl_map_object_deps), elf/dl-load.c (_dl_map_object).
musl: ldso/dynlink.c (load_deps, load_library).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator

from magicpak.elf import Elf, MalformedExecutable
from magicpak.loader.errors import LookupFailed, LookupRefused
from magicpak.loader.finder import Finder
from magicpak.loader.library import Library, Notice
from magicpak.loader.loaded_later import GUESSED, Later, loaded_later
from magicpak.loader.namespace import Namespace
from magicpak.loader.search import Flavour, Loaded, Loader, expand
from magicpak.loader.versions import Refusal, refusals

LATER = "it is loaded later, by dlopen"
MOST_FILTERED = 500
"""Objects that a program filters; a circle of filters has no end."""
AUXILIARY = "it is an auxiliary object, which may be missing"
PRELOADED = "it is in /etc/ld.so.preload, and the loader ignores one that is missing"


class Walk:
    """One walk: the objects loaded so far, and those whose needs are not loaded yet."""

    def __init__(self, finder: Finder, *, optional: bool = False) -> None:
        """Begin with an empty namespace; of an ``optional`` walk, nothing has to be there."""
        self.finder, self.optional = finder, optional
        self.libraries: list[Library] = []
        self.failures: list[LookupFailed | LookupRefused] = []
        self.space = Namespace(self.loader.flavour)
        self.queue: deque[Loaded] = deque()
        self.notices: list[Notice] = []
        self.refusals: list[Refusal] = []

    @property
    def loader(self) -> Loader:
        """The loader that walks."""
        return self.finder.loader

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
        for name in (*self.finder.environment.preload, *self.loader.preload):
            self._preload(name, root if self._is_glibc else bare)
        self._run()
        started = len(self.space.objects)
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
        walk = Walk(self.finder, optional=True)
        walk._load_later(Later((name,), f"auditor of {root.path}"), needer)
        walk._run()
        walk._run_optional()
        walk._check_versions(0)
        self.libraries += (library._replace(auditor=name) for library in walk.libraries)
        self.notices += walk.notices
        self.refusals += walk.refusals

    def _check_versions(self, started: int) -> None:
        """Find what the loader refuses; the first objects, ``started``, are there at the start."""
        if self._is_glibc:
            objects, by_name = self.space.objects, self.space.by_name
            self.refusals += refusals(objects[:started], by_name)
            later = refusals(objects[started:], by_name)
            self.refusals += (refusal._replace(optional=True) for refusal in later)

    def _begin(self, executable: Elf, path: str) -> Loaded:
        root = Loaded(path, executable)
        self.space.begin(root)
        # The loader is the first object in the process, under its path and its soname.
        own = self.finder.open(self.loader.interpreter, executable)
        if own is None:
            self._fail(LookupFailed(self.loader.interpreter, path, (self.loader.interpreter,)))
            # Report it once, although other objects need it too, as libc does.
            self.space.by_name[self.loader.interpreter.rpartition("/")[2]] = root
        else:
            self.space.add(Loaded(self.loader.interpreter, own, root), self.loader.interpreter)
        self.queue.append(root)
        return root

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
        if needer in self.space.unlisted:
            if len(self.space.unlisted) > MOST_FILTERED:
                reason = "it filters itself, and the loader loads it again and again"
                self._fail(LookupRefused(name, needer.path, loaded.path, reason))
                return
            self.space.unlist(loaded)
        yield loaded

    def _run_optional(self) -> None:
        """Load the libraries that objects load by dlopen(3), and the closures of those."""
        asked = 0
        while asked < len(self.space.objects):
            loaded = self.space.objects[asked]
            asked += 1
            for later in loaded_later(loaded, self.loader):
                self._load_later(later, loaded)
                self._run()  # each call of dlopen(3) loads all that its library needs

    def _load_later(self, later: Later, needer: Loaded) -> None:
        """Load the first of the names that is found, as dlopen(3) in ``needer`` would."""
        names = " or ".join(later.sonames)
        if later.priority == "suggested":
            self.inform(f"{later.reason} suggests {names}: not bundled")
            return
        self.optional = True
        guessed = later.priority == GUESSED
        found = any(self._try(name, needer, LATER, ask=not guessed) for name in later.sonames)
        if found or guessed:
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

    def _try(
        self, text: str, needer: Loaded, dispensable: str, *, ask: bool = True
    ) -> Loaded | None:
        """Load an object that may be missing, for the reason ``dispensable``."""
        try:
            name = expand(text, needer.origin, self.loader)
            return self._load(name, needer, dispensable, ask=ask)
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
            looked = tuple(str(place) for place in self.finder.places(name, needer))
            self._fail(LookupFailed(name, needer.path, tuple(dict.fromkeys(looked))))
        return loaded

    def _fail(self, failure: LookupFailed | LookupRefused) -> None:
        if self.optional:
            self.warn(f"{failure} (loaded later, by dlopen)")
        else:
            self.failures.append(failure)

    def _load(
        self, name: str, needer: Loaded, dispensable: str, *, ask: bool = True
    ) -> Loaded | None:
        """Load one object by name; None if no place has it. Raises LookupRefused."""
        if not name:
            return None
        known = self.space.named(name)
        if known is not None:
            return known
        try:
            found = self.finder.find(name, needer, ask=ask)
        except MalformedExecutable as e:
            raise LookupRefused(name, needer.path, e.path, e.reason) from e
        if found is None:
            return None
        path, elf, place = found
        loaded = self.space.by_identity.get(elf.identity)
        if loaded is not None:
            self.space.by_name[name] = loaded
        else:
            loaded = Loaded(path, elf, needer)
            self.space.add(loaded, name)
            self.queue.append(loaded)
        self.libraries.append(
            Library(name, path, elf, place, needer.path, self.optional, dispensable)
        )
        return loaded

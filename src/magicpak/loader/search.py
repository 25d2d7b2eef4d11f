"""The places where a dynamic loader looks for a needed library, in its order.

glibc: ld.so(8) and elf/dl-load.c (_dl_map_object, fillin_rpath, is_dst).
musl: ldso/dynlink.c (load_library, path_open, fixup_rpath).
"""

import os
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from magicpak.elf import DF_1_NODEFLIB, Elf
from magicpak.loader.cache import Cache


class Flavour(Enum):
    """The C library of a loader; the two search differently."""

    GLIBC = "glibc"
    MUSL = "musl"


class How(Enum):
    """The rule by which a library is found."""

    RPATH = "rpath"
    LIBRARY_PATH = "LD_LIBRARY_PATH"
    RUNPATH = "runpath"
    CACHE = "ld.so.cache"
    DEFAULT = "default directory"
    SLASH = "path in the needed name"
    LOADED = "loaded already"
    INTERPRETER = "the loader itself"
    DLOPEN = "dlopen"


class Loader(NamedTuple):
    """What is known of one dynamic loader."""

    interpreter: str
    flavour: Flavour
    directories: tuple[str, ...]
    """The default directories."""
    lib: str = "lib"
    """The value of ``$LIB``."""
    platform: str = ""
    """The value of ``$PLATFORM``."""
    hwcaps: tuple[str, ...] = ()
    """Subdirectories of ``glibc-hwcaps`` that this processor can use, best first."""
    legacy: tuple[str, ...] = ()
    """Subdirectories that glibc before 2.37 searches after those, like ``tls/x86_64``."""
    cache: Cache | None = None
    preload: tuple[str, ...] = ()
    """The names in /etc/ld.so.preload."""
    past_files: bool = False
    """Whether it looks on in a list after a path that leads through a file (newer glibc)."""

    @property
    def subdirectories(self) -> tuple[str, ...]:
        """The subdirectories that it searches in each directory before the directory itself."""
        return (*(f"glibc-hwcaps/{level}" for level in self.hwcaps), *self.legacy)

    @property
    def plain(self) -> "Loader":
        """The same loader on the oldest processor that it runs on."""
        return self._replace(hwcaps=(), legacy=())


class Environment(NamedTuple):
    """What the loader takes from the process: variables and working directory."""

    library_path: str = ""
    preload: tuple[str, ...] = ()
    directory: str = "/"

    @classmethod
    def of_this_process(cls) -> "Environment":
        """Return the environment that a child process would inherit now."""
        preload = re.split("[ :]", os.environ.get("LD_PRELOAD", ""))
        return cls(os.environ.get("LD_LIBRARY_PATH", ""), tuple(filter(None, preload)), os.getcwd())


class Loaded:
    """An object in the process, with the object for which it was loaded."""

    __slots__ = ("elf", "loader", "path")

    def __init__(self, path: str, elf: Elf, loader: "Loaded | None" = None) -> None:
        """Take the path by which it was found; for the executable, its real path."""
        self.path, self.elf, self.loader = path, elf, loader

    @property
    def origin(self) -> str:
        """The value of ``$ORIGIN`` in this object; empty where it is unknown."""
        return self.path and (self.path.rpartition("/")[0] or "/")

    def chain(self) -> Iterator["Loaded"]:
        """Walk up from this object to the executable."""
        link: Loaded | None = self
        while link is not None:
            yield link
            link = link.loader


class Place(NamedTuple):
    """A directory that is searched (or the cache), and the rule for it."""

    how: How
    directory: str = ""
    of: str = ""
    """The object whose RPATH or RUNPATH has it."""
    candidates: tuple[str, ...] = ()
    """The files to try, best first."""

    def is_listed_with(self, other: "Place") -> bool:
        """Tell whether both are directories of one list, as of one RPATH."""
        return (self.how, self.of) == (other.how, other.of)

    @property
    def rule(self) -> str:
        """The rule, with the object that it is of: ``RUNPATH of /bin/app``."""
        tags = (How.RPATH, How.RUNPATH)
        name = self.how.name if self.how in tags else self.how.value
        return f"{name}{f' of {self.of}' if self.of else ''}"

    def __str__(self) -> str:
        if self.how is How.SLASH:
            return self.directory
        if self.how is How.CACHE:
            return "the loader's cache"
        return f"{self.directory} ({self.how.value}{f' of {self.of}' if self.of else ''})"


def places(name: str, needer: Loaded, loader: Loader, environment: Environment) -> Iterator[Place]:
    """List the places that the loader searches for ``name``, needed by ``needer``, in order."""
    if "/" in name:
        path = _below(environment.directory, name)
        yield Place(How.SLASH, path, candidates=(path,))
    elif loader.flavour is Flavour.MUSL:
        yield from _musl(name, needer, loader, environment)
    else:
        yield from _glibc(name, needer, loader, environment)


def depends_on_needer(needer: Loaded, loader: Loader, environment: Environment) -> bool:
    """Tell whether the needer, or an object above it, has a say in where is searched."""
    if needer.elf.runpath is not None or "$" in environment.library_path:
        return True
    musl = loader.flavour is Flavour.MUSL
    return any(
        link.elf.rpath is not None or (musl and link.elf.runpath is not None)
        for link in needer.chain()
    )


def _glibc(name: str, needer: Loaded, loader: Loader, environment: Environment) -> Iterator[Place]:
    *_, executable = needer.chain()
    defaults = not needer.elf.flags_1 & DF_1_NODEFLIB

    def listed(
        how: How, text: str, owner: Loaded, of: str, separators: str = ":"
    ) -> Iterator[Place]:
        for directory in elements(text, owner.origin, loader, separators):
            path = _below(environment.directory, directory)
            yield Place(how, path, of, _candidates(path, name, loader))

    if needer.elf.runpath is None:
        for link in needer.chain():
            if link.elf.runpath is None and link.elf.rpath is not None:
                yield from listed(How.RPATH, link.elf.rpath, link, link.path)
    yield from listed(How.LIBRARY_PATH, environment.library_path, executable, "", ":;")
    if needer.elf.runpath is not None:
        yield from listed(How.RUNPATH, needer.elf.runpath, needer, needer.path)
    if loader.cache is not None:
        # The loader tries only the best entry. With DF_1_NODEFLIB it ignores one in a default
        # directory.
        best = loader.cache.lookup(name, loader.hwcaps, loader.legacy)[:1]
        usable = (path for path in best if defaults or not _starts(path, loader.directories))
        yield Place(How.CACHE, candidates=tuple(usable))
    if defaults:
        for directory in loader.directories:
            yield Place(How.DEFAULT, directory, candidates=_candidates(directory, name, loader))


def _musl(name: str, needer: Loaded, loader: Loader, environment: Environment) -> Iterator[Place]:
    def listed(how: How, text: str, of: str = "") -> Iterator[Place]:
        for element in re.split("[:\n]", text):
            if element:
                path = _below(environment.directory, element)
                yield Place(how, path, of, (_join(path, name),))

    yield from listed(How.LIBRARY_PATH, environment.library_path)
    for link in needer.chain():
        # musl treats both alike, and both are inherited. RUNPATH overrides RPATH.
        text = link.elf.runpath if link.elf.runpath is not None else link.elf.rpath
        how = How.RPATH if link.elf.runpath is None else How.RUNPATH
        expanded = _expand_musl(text or "", link)
        yield from listed(how, expanded, link.path)
    for directory in loader.directories:
        yield Place(How.DEFAULT, directory, candidates=(_join(directory, name),))


def elements(text: str, origin: str, loader: Loader, separators: str = ":") -> Iterator[str]:
    """Split a search path as glibc does, and expand each part.

    An empty part is the working directory, unless the whole path is empty.
    """
    for part in re.split(f"[{separators}]", text) if text else ():
        directory = expand(part, origin, loader)
        if directory:
            yield directory.rstrip("/") or "/"
        elif not part:
            yield "."


NAMED = r"\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_]))"


def expand(text: str, origin: str, loader: Loader) -> str:
    """Expand the dynamic string tokens of glibc; any other ``$`` is literal.

    Returns an empty string where the loader does not know the value of a token.
    """
    if "$" not in text or loader.flavour is Flavour.MUSL:
        return text  # musl expands tokens only in RPATH and RUNPATH
    values = {"ORIGIN": origin, "LIB": loader.lib, "PLATFORM": loader.platform}
    if not all(values[match[1] or match[2]] for match in re.finditer(NAMED, text)):
        return ""
    return re.sub(NAMED, lambda match: values[match[1] or match[2]], text)


def _expand_musl(text: str, owner: Loaded) -> str:
    """Expand ``$ORIGIN``, the only token of musl; a list with any other token is ignored."""
    if "$" in text and (not owner.path or re.search(r"\$(?!ORIGIN|\{ORIGIN\})", text)):
        return ""
    origin = owner.path.rpartition("/")[0]
    return re.sub(r"\$(?:ORIGIN|\{ORIGIN\})", lambda _: origin, text)


def _candidates(directory: str, name: str, loader: Loader) -> tuple[str, ...]:
    special = (_join(directory, f"{part}/{name}") for part in loader.subdirectories)
    return (*dict.fromkeys(special), _join(directory, name))


def _join(directory: str, name: str) -> str:
    return f"{directory.rstrip('/')}/{name}"


def _below(working_directory: str, path: str) -> str:
    if path.startswith("/"):
        return path
    return working_directory if path in ("", ".") else _join(working_directory, path)


def _starts(path: str, directories: Sequence[str]) -> bool:
    return path.startswith(tuple(_join(directory, "") for directory in directories))

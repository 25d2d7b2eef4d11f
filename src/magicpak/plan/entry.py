"""What a bundle is made of: files, links and directories, their places and reasons. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from magicpak.errors import MagicpakError


class BundlePath(str):
    """An absolute path within the bundle. It never leaves it: ``..`` at the root is the root."""

    __slots__ = ()

    def __new__(cls, text: str) -> BundlePath:
        """Take a path with or without a leading slash, as seen from the bundle's root."""
        return super().__new__(cls, posixpath.normpath("/" + text.lstrip("/")))

    def child(self, name: str) -> BundlePath:
        """The entry of this name in it: a name that is neither ``.`` nor ``..``."""
        return str.__new__(BundlePath, f"{'' if self == '/' else self}/{name}")

    @property
    def parent(self) -> BundlePath:
        """The directory it lies in; of the root, the root."""
        return str.__new__(BundlePath, self.rpartition("/")[0] or "/")

    def parents(self) -> Iterator[BundlePath]:
        """Go up from the directory it lies in, the root left out."""
        parent = self.parent
        while parent != "/":
            yield parent
            parent = parent.parent

    def target(self, text: str) -> BundlePath:
        """Return where a link that lies here, with this text, leads."""
        return BundlePath(text if text.startswith("/") else f"{self.parent}/{text}")


class Why(Enum):
    """Why an entry is in the bundle."""

    INPUT = "input"
    INTERPRETER = "interpreter of"
    NEEDED = "needed by"
    TRACED = "used in the traced run by"
    INCLUDED = "included by"
    LINK = "link from"
    MKDIR = "made by --mkdir"
    MERGED = "made by --merged-usr"
    PARENT = "directory of"
    CACHE = "generated for the loader"


class Origin(NamedTuple):
    """A reason, and the object or pattern it refers to."""

    why: Why
    of: str = ""

    def __str__(self) -> str:
        return f"{self.why.value} {self.of}".rstrip()


class Meta(NamedTuple):
    """What is kept of a host file beside its content."""

    mode: int
    """Permission bits, with set-uid, set-gid and sticky."""
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    """Nanoseconds since the epoch."""
    capability: bytes | None = None
    """The extended attribute ``security.capability`` (capabilities(7))."""


class File(NamedTuple):
    """A regular file, with the content of ``source`` or one that was made for it."""

    source: str
    """Where it is on this machine."""
    identity: tuple[int, int]
    """Device and inode of the source."""
    size: int
    meta: Meta
    packed: str | None = None
    """A file that has the content instead: the source packed by upx."""
    content: bytes | None = None
    """The content itself, where it was generated."""

    @property
    def stored(self) -> object:
        """What is equal where two paths of the bundle have the same file, stored once."""
        if self.packed is None and self.content is None:
            return self.identity
        return self.packed or self.content


class Link(NamedTuple):
    """A symbolic link."""

    text: str
    meta: Meta


class Directory(NamedTuple):
    """A directory; its time is that of its newest entry unless ``dated``."""

    meta: Meta
    dated: bool = False


Entry = File | Link | Directory


class Placed(NamedTuple):
    """An entry with its place and the reason for it."""

    path: BundlePath
    entry: Entry
    origin: Origin


class Item(NamedTuple):
    """An entry of the bundle, with all the reasons for it."""

    entry: Entry
    origins: tuple[Origin, ...]

    def because(self, *whys: Why) -> bool:
        """Tell whether one of these is among the reasons."""
        return any(origin.why in whys for origin in self.origins)

    def dated(self, mtime: int) -> Item:
        """Return it with another time, in nanoseconds."""
        meta = self.entry.meta._replace(mtime=mtime)
        return self._replace(entry=self.entry._replace(meta=meta))


class PlaceTaken(MagicpakError):
    """An input, and another one or what it needs, would lie at the same path of the bundle."""

    path: str
    first: Origin
    second: Origin

    def __str__(self) -> str:
        advice = "give the executable another path by --install-to"
        if self.first.why is self.second.why is Why.INPUT:
            names = {posixpath.basename(origin.of) for origin in (self.first, self.second)}
            directory = "end --install-to with '/' to give a directory"
            advice = directory if len(names) > 1 else "give each of them a run of its own"
        return (
            f"{self.path} of the bundle cannot be both {self.first} and {self.second}; {advice}"
        )


class BelowFile(MagicpakError):
    """An entry would lie below something that is no directory."""

    path: str
    origin: Origin
    file: str
    file_origin: Origin

    def __str__(self) -> str:
        return (
            f"{self.path} ({self.origin}) cannot be in the bundle: {self.file} "
            f"({self.file_origin}) is a file there; give one of them another path"
        )

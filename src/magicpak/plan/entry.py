"""The entries of a bundle: files, links and directories, with their paths and origins. Pure."""

import posixpath
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from magicpak.errors import MagicpakError


class BundlePath(str):
    """An absolute path within the bundle; ``..`` at the root is the root."""

    __slots__ = ()

    def __new__(cls, text: str) -> "BundlePath":
        """Take a path with or without a leading slash, as seen from the bundle's root."""
        return super().__new__(cls, posixpath.normpath("/" + text.lstrip("/")))

    def child(self, name: str) -> "BundlePath":
        """Return the path of ``name`` in this directory; not for ``.`` and ``..``."""
        return str.__new__(BundlePath, f"{'' if self == '/' else self}/{name}")

    @property
    def parent(self) -> "BundlePath":
        """The parent directory; for the root, the root."""
        return str.__new__(BundlePath, self.rpartition("/")[0] or "/")

    def parents(self) -> Iterator["BundlePath"]:
        """Yield the directories above this path, the nearest first, without the root."""
        parent = self.parent
        while parent != "/":
            yield parent
            parent = parent.parent

    def target(self, text: str) -> "BundlePath":
        """Return the target of a link at this path with this text."""
        return BundlePath(text if text.startswith("/") else f"{self.parent}/{text}")


class Why(Enum):
    """Why an entry is in the bundle."""

    INPUT = "input"
    INTERPRETER = "interpreter of"
    NEEDED = "needed by"
    TRACED = "used in the traced run by"
    EXECUTED = "executed in the traced run by"
    INCLUDED = "included by"
    PACKAGE = "of the package"
    DATA = "run-time data"
    RULE = "rule"
    LINK = "link from"
    MKDIR = "made by --mkdir"
    MERGED = "made by --merged-usr"
    PARENT = "directory of"
    CACHE = "generated for the loader"
    RECORD = "record of"
    USER = "generated for --user"


class Origin(NamedTuple):
    """A reason, and the object or pattern it refers to."""

    why: Why
    of: str = ""

    def __str__(self) -> str:
        return f"{self.why.value} {self.of}".rstrip()


class Meta(NamedTuple):
    """The attributes of a host file that are kept."""

    mode: int
    """Permission bits, with set-uid, set-gid and sticky."""
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    """Nanoseconds since the epoch."""
    capability: bytes | None = None
    """The extended attribute ``security.capability`` (capabilities(7))."""


class File(NamedTuple):
    """A regular file, with the content of ``source``, ``packed`` or ``content``."""

    source: str
    """The path on this machine."""
    identity: tuple[int, int]
    """Device and inode of the source."""
    size: int
    meta: Meta
    packed: str | None = None
    """The path of the source packed by upx."""
    content: bytes | None = None
    """The generated content."""
    seen: int | None = None
    """The time of the source, as ``meta.mtime``, when it was planned: it must still have that."""
    patch: tuple[int, bytes] | None = None
    """An offset, and the bytes to write there over those of the source."""

    @property
    def stored(self) -> object:
        """A key that two paths share if they have the same file, which is stored once."""
        if self.packed is None and self.content is None:
            return self.identity if self.patch is None else (self.identity, self.patch)
        return self.packed or (self.identity, self.content)

    @property
    def is_generated(self) -> bool:
        """Whether its content is made rather than copied."""
        return self.content is not None

    def with_content(self, content: bytes) -> "File":
        """Return it with generated content, in the place of its own."""
        return self._replace(size=len(content), content=content)


NO_FILE = (0, 0)
"""The identity of a generated file."""


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
    """An entry with its path and its origin."""

    path: BundlePath
    entry: Entry
    origin: Origin


def generated(path: BundlePath, content: bytes, origin: Origin) -> Placed:
    """Place a file that is made for the bundle: root's, 0644."""
    return Placed(path, File(path, NO_FILE, len(content), Meta(0o644), content=content), origin)


class Item(NamedTuple):
    """An entry of the bundle, with all its origins."""

    entry: Entry
    origins: tuple[Origin, ...]

    def because(self, *whys: Why) -> bool:
        """Tell whether one of the origins has one of these reasons."""
        return any(origin.why in whys for origin in self.origins)

    def dated(self, mtime: int) -> "Item":
        """Return a copy with another time, in nanoseconds."""
        meta = self.entry.meta._replace(mtime=mtime)
        return self._replace(entry=self.entry._replace(meta=meta))


class PlaceTaken(MagicpakError):
    """An input has the same path in the bundle as another input or a needed file."""

    path: str
    first: Origin
    second: Origin

    def __str__(self) -> str:
        advice = "give the executable another path with --install-to"
        if self.first.why is self.second.why is Why.INPUT:
            names = {posixpath.basename(origin.of) for origin in (self.first, self.second)}
            directory = "end --install-to with '/' to give a directory"
            advice = directory if len(names) > 1 else "bundle each of them in a separate run"
        return (
            f"{self.path} of the bundle cannot be both {self.first} and {self.second}; {advice}"
        )


class BelowFile(MagicpakError):
    """An entry is below a file."""

    path: str
    origin: Origin
    file: str
    file_origin: Origin

    def __str__(self) -> str:
        return (
            f"{self.path} ({self.origin}) cannot be in the bundle: {self.file} "
            f"({self.file_origin}) is a file there; give one of them another path"
        )

"""Make plans by value."""

from __future__ import annotations

from magicpak.plan import (
    Bundle,
    BundlePath,
    Directory,
    Entry,
    File,
    Link,
    Meta,
    Origin,
    Placed,
    Why,
)

INPUT = Origin(Why.INPUT, "app")
GLOB = Origin(Why.INCLUDED, "*")


def file(number: int = 1, mtime: int = 0) -> File:
    """Describe a file: another number is another file."""
    return File(f"/host/{number}", (1, number), 10, Meta(0o644, mtime=mtime))


def link(text: str, mtime: int = 0) -> Link:
    """Describe a link."""
    return Link(text, Meta(0o777, mtime=mtime))


def directory(mtime: int = 0, dated: bool = False) -> Directory:
    """Describe a directory."""
    return Directory(Meta(0o755, mtime=mtime), dated)


def placed(path: str, entry: Entry, origin: Origin = INPUT) -> Placed:
    """Place an entry at a path."""
    return Placed(BundlePath(path), entry, origin)


def plan(**entries: Entry) -> Bundle:
    """Plan entries by path, written with ``__`` for ``/``."""
    return Bundle().add(placed(path.replace("__", "/"), entry) for path, entry in entries.items())


def listed(bundle: Bundle) -> list[str]:
    """List the paths of a plan."""
    return [str(path) for path, _ in bundle]

"""Make links by which a loader finds libraries: at a needed path, or in a default directory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Set

from magicpak.host import Host
from magicpak.loader.inside import BundleView, directories
from magicpak.loader.mend import needs
from magicpak.loader.resolve import Root
from magicpak.loader.search import How
from magicpak.plan import Bundle, BundlePath, Link, Meta, Origin, Placed, Why


def by_path(bundle: Bundle, lost: Iterable[tuple[str, Root]], host: Host) -> Iterator[Placed]:
    """Make links to libraries whose needed name is a path relative to ``$ORIGIN``.

    ``lost`` has the expanded paths, and the objects that need them.
    """
    for name, root in lost:
        parent, _, base = name.rpartition("/")
        there = bundle.resolve(parent, final=True) if name.startswith("/") else None
        if there is None or bundle.get(there.child(base)) is not None:
            continue
        for library in root.closure.libraries:
            if library.place.how is How.SLASH and os.path.basename(library.path) == base:
                text = host.place(library.path)
                if bundle.resolve(text) is not None:
                    yield _link(there.child(base), text)
                    break


def in_default_directories(
    bundle: Bundle, roots: Iterable[Root], wanted: Set[str], host: Host
) -> Iterator[Placed]:
    """Make links by which loaders find without a cache what ``needs`` lists."""
    made: set[BundlePath] = set()
    for loader, entry in needs(bundle, roots, wanted, host):
        defaults = directories(loader, BundleView(bundle, host))
        place = _default_directory(bundle, defaults)
        if place is None or entry.is_needless(defaults):
            continue
        if entry.hwcap:
            place = place.child("glibc-hwcaps").child(entry.hwcap)
        path = place.child(entry.name)
        if path not in made and bundle.get(path) is None:
            made.add(path)
            yield _link(path, entry.path)


def _default_directory(bundle: Bundle, defaults: Iterable[str]) -> BundlePath | None:
    """Choose one that the bundle has, or would have in /usr."""
    places = [bundle.resolve(each, final=True) for each in defaults]
    usable = [place for place in places if place is not None]
    there = [place for place in usable if place in bundle.directories]
    below_usr = [place for place in usable if place.startswith("/usr/")]
    return next(iter((*there, *below_usr, *usable)), None)


def _link(path: BundlePath, text: str) -> Placed:
    return Placed(path, Link(text, Meta(0o777)), Origin(Why.CACHE))

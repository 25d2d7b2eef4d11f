"""Lay a bundle out for an image whose /bin, /lib and so on are links into /usr. Pure.

Builders do not follow such a link: BuildKit refuses to copy a directory onto it, and the classic
builder of Docker replaces it, which hides all files behind it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from magicpak.plan.bundle import Bundle
from magicpak.plan.entry import BundlePath, Directory, Item, Link, Meta, Origin, Why

log = logging.getLogger(__name__)

MERGED = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")
"""The links into /usr on a system with a merged /usr (file-hierarchy(7))."""


def merge(bundle: Bundle) -> Bundle:
    """Add these links; ``Bundle.settled`` then moves the entries below them."""
    bundle = bundle.settled()
    tops = dict(_tops(bundle))
    items = {path: _retargeted(path, item, bundle, tops) for path, item in bundle}
    _warn_of_clashes(bundle, tops)
    for path, place in tops.items():
        below = BundlePath(f"/usr{path}")
        if place == path:
            del items[below]  # the link is in /usr: it is turned round
        known = items.get(path)
        if known is not None and isinstance(known.entry, Directory):
            # It may be empty.
            items.setdefault(below if place == path else place, known)
        items[path] = Item(Link(f"usr{path}", Meta(0o777)), (Origin(Why.MERGED),))
    return Bundle(items, bundle.excluded)


def _tops(bundle: Bundle) -> Iterator[tuple[BundlePath, BundlePath]]:
    """Yield the directories that become links, and where their counterparts in /usr lead."""
    for path in map(BundlePath, MERGED):
        known = bundle.get(path)
        if path not in bundle.directories or (known and isinstance(known.entry, Link)):
            continue
        below = BundlePath(f"/usr{path}")
        place = bundle.resolve(f"{below}/", final=True)
        turned = place == path and bundle.get(below) is not None
        if place is None or (path in (place, *place.parents()) and not turned):
            log.warning("%s stays a directory: %s is a file, or a link into it", path, below)
        else:
            yield path, place


Tops = Mapping[BundlePath, BundlePath]


def _warn_of_clashes(bundle: Bundle, tops: Tops) -> None:
    """Warn of a directory that becomes one with a link: what lies in it moves along the link."""
    links = {path for path, item in bundle if isinstance(item.entry, Link)}
    for path in sorted(links | bundle.directories):
        top, _, rest = path[1:].partition("/")
        place = tops.get(BundlePath(top))
        if place is None or not rest:
            continue
        other = BundlePath(f"{place}/{rest}")
        for link, directory in ((path, other), (other, path)):
            if link in links and directory in bundle.directories:
                log.warning("%s is a link, and becomes one with the directory %s", link, directory)


def _retargeted(path: BundlePath, item: Item, bundle: Bundle, tops: Tops) -> Item:
    """Make a link absolute that would lead elsewhere, so that its target stays the same."""
    if not isinstance(item.entry, Link):
        return item
    text = item.entry.text
    start = BundlePath("/") if text.startswith("/") else path.parent
    if ".." not in text.split("/") or _leads_on(start, text, bundle, tops):
        return item
    parent, _, name = text.rstrip("/").rpartition("/")
    whole = name in (".", "..")
    place = bundle.resolve(f"{start}/{text if whole else parent}", final=True)
    if place is None:
        return item
    target = place if whole else place.child(name)
    return item._replace(entry=item.entry._replace(text=target))


def _leads_on(start: BundlePath, text: str, bundle: Bundle, tops: Tops) -> bool:
    """Tell whether a link leads to the same where the directories ``tops`` lie in /usr.

    It does not if it goes up from one of them, and on to anything but another of them; or up from
    what is missing, where something may lie then.
    """
    here: BundlePath | None = start
    went_up = False
    for name in text.split("/"):
        if name in ("", ".") or here is None:
            continue
        if went_up and here.child(name) not in tops:
            return False
        went_up = name == ".." and here in tops
        if name != "..":
            here = bundle.resolve(here.child(name), final=True)
            continue
        is_missing = here != "/" and here not in bundle.directories
        if is_missing or tops.get(here, here) not in (here, f"/usr{here}"):
            return False
        here = here.parent
    return not went_up

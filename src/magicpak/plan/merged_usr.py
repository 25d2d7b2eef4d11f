"""Lay a bundle out for an image whose /bin, /lib and so on are links into /usr. Pure.

Builders do not follow such a link: BuildKit refuses to copy a directory onto it, and the classic
builder of Docker replaces it, which hides all files behind it.
"""

from __future__ import annotations

from magicpak.plan.bundle import Bundle
from magicpak.plan.entry import BundlePath, Item, Link, Meta, Origin, Why

MERGED = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")
"""The links into /usr on a system with a merged /usr (file-hierarchy(7))."""


def merge(bundle: Bundle) -> Bundle:
    """Add these links; ``Bundle.settled`` then moves the entries below them."""
    items = {path: _retargeted(path, item) for path, item in bundle}
    for path in map(BundlePath, MERGED):
        known = bundle.get(path)
        if path in bundle.directories and not (known and isinstance(known.entry, Link)):
            items[path] = Item(Link(f"usr{path}", Meta(0o777)), (Origin(Why.MERGED),))
    return Bundle(items)


def _retargeted(path: BundlePath, item: Item) -> Item:
    """Change a relative link that will move, so that its target stays the same."""
    if not isinstance(item.entry, Link) or item.entry.text.startswith("/") or _moved(path) == path:
        return item
    target = path.target(item.entry.text)
    if _moved(path).target(item.entry.text) == _moved(target):
        return item
    return item._replace(entry=item.entry._replace(text=target))


def _moved(path: BundlePath) -> BundlePath:
    return BundlePath(f"/usr{path}") if path.split("/")[1] in MERGED else path

"""Lay a bundle out for an image whose /bin, /lib and so on are links into /usr. Pure.

Builders do not follow such a link: BuildKit refuses to copy a directory onto it, and the classic
builder of Docker replaces it, with all that was found through it.
"""

from __future__ import annotations

from magicpak.plan.bundle import Bundle
from magicpak.plan.entry import BundlePath, Item, Link, Meta, Origin, Why

MERGED = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")
"""What is a link into /usr where that is merged (file-hierarchy(7))."""


def merge(bundle: Bundle) -> Bundle:
    """Make these links; ``Bundle.settled`` then moves what lies below them."""
    items = {path: _leading_there_from_usr(path, item) for path, item in bundle}
    for path in map(BundlePath, MERGED):
        known = bundle.get(path)
        if path in bundle.directories and not (known and isinstance(known.entry, Link)):
            items[path] = Item(Link(f"usr{path}", Meta(0o777)), (Origin(Why.MERGED),))
    return Bundle(items)


def _leading_there_from_usr(path: BundlePath, item: Item) -> Item:
    """Let a relative link lead to the same as before when it is moved."""
    if not isinstance(item.entry, Link) or item.entry.text.startswith("/") or _moved(path) == path:
        return item
    target = path.target(item.entry.text)
    if _moved(path).target(item.entry.text) == _moved(target):
        return item
    return item._replace(entry=item.entry._replace(text=target))


def _moved(path: BundlePath) -> BundlePath:
    return BundlePath(f"/usr{path}") if path.split("/")[1] in MERGED else path

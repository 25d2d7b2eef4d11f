"""The plan of a bundle: its entries, and why each is there. Pure."""

from magicpak.plan.bundle import LINKS_FOLLOWED, Bundle
from magicpak.plan.entry import (
    BelowFile,
    BundlePath,
    Directory,
    Entry,
    File,
    Item,
    Link,
    Meta,
    Origin,
    Placed,
    PlaceTaken,
    Why,
    generated,
)

__all__ = [
    "LINKS_FOLLOWED",
    "BelowFile",
    "Bundle",
    "BundlePath",
    "Directory",
    "Entry",
    "File",
    "Item",
    "Link",
    "Meta",
    "Origin",
    "PlaceTaken",
    "Placed",
    "Why",
    "generated",
]

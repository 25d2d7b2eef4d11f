"""The plan of a bundle: its entries, and why each is there. Pure."""

from magicpak.plan.bundle import LINKS_FOLLOWED, Bundle
from magicpak.plan.entry import (
    NO_FILE,
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
)

__all__ = [
    "LINKS_FOLLOWED",
    "NO_FILE",
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
]

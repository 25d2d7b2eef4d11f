"""Which installed package a file belongs to, and what a package brings.

The databases of dpkg, rpm and apk are read as files, those below a sysroot too; no process is run,
and nothing is read before somebody asks.
"""

from magicpak.inventory.lookup import Inventory
from magicpak.inventory.package import Package, PackageType

__all__ = ["Inventory", "Package", "PackageType"]

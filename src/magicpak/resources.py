"""Read the files of the package that are not Python. The single file has them in a module."""

from __future__ import annotations

import os


def content(name: str) -> bytes:
    """Return the content of a file, named by its path in the package."""
    with open(os.path.join(os.path.dirname(__file__), name), "rb") as file:
        return file.read()

"""Which files hold secrets of the machine that builds, by their names and by what is in them."""

from __future__ import annotations

import os
import re
import stat

PASSWORDS = "passwords or tokens"
KEYS = "private keys"

NAMES = frozenset(("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-"))
_KEY = re.compile(rb"^-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\s*$", re.M)
_PEM = b"-----BEGIN "  # RFC 7468
_PEM_SIZE = 1 << 20


def by_name(path: str) -> str | None:
    """Return what an absolute path holds by its name, where that is secret."""
    return PASSWORDS if path in NAMES else None


def by_content(path: str) -> str | None:
    """Return what a file holds, where that is secret; None where it cannot be read."""
    try:
        with open(path, "rb") as file:
            if path.endswith(".key") and not stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                return KEYS
            text = file.read(1024)
            if _PEM in text:  # a key may follow after certificates
                text += file.read(_PEM_SIZE)
    except OSError:
        return None
    return KEYS if _KEY.search(text) else None

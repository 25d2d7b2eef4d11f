"""Stands in for the standard library's module: the interpreter is in its UTF-8 mode (PEP 540)."""


def getencoding() -> str:
    """Return the encoding of texts."""
    return "utf-8"


def getpreferredencoding(_do_setlocale: bool = True) -> str:
    """Return the encoding of texts."""
    return getencoding()

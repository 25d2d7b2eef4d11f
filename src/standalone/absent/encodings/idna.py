"""Stands in for the codec that Python takes for each host name, without the tables of Unicode."""

import codecs


def _encode(name: str, _errors: str = "strict") -> tuple[bytes, int]:
    # One with other letters is a UnicodeEncodeError, and has an ASCII form (xn--).
    return name.encode("ascii"), len(name)


def _decode(name: bytes, _errors: str = "strict") -> tuple[str, int]:
    return bytes(name).decode("ascii"), len(name)


def getregentry() -> codecs.CodecInfo:
    """Return the codec, as encodings asks for it."""
    return codecs.CodecInfo(_encode, _decode, name="idna")

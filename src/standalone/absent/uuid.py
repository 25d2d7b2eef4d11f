"""Stands in for the standard library's module: click imports it for a type that nothing uses."""


class UUID:
    """What click asks whether a value is: none is."""

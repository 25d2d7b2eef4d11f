"""Stands in for the standard library's module: logging imports it for formats that nothing uses."""


class Template:
    """What a format with dollar signs would be made of."""


class Formatter:
    """What a format with braces would be checked by."""

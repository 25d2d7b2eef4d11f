"""Stands in for the standard library's module, which needs C code that is not built in."""


class Decimal:
    """What fractions ask whether a number is: none is."""

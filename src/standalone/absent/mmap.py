"""Stands in for the standard library's module, which needs C code that is not built in."""


class mmap:  # noqa: N801 - the name is Python's
    """What rich asks whether something is: nothing is."""

"""Stands in for the standard library's module, of which click, rich and dataclasses use little."""

import sys
from types import CodeType, FunctionType

CO_GENERATOR = 0x20

currentframe = sys._getframe


def isclass(value: object) -> bool:
    """Tell whether a value is a class."""
    return isinstance(value, type)


def isfunction(value: object) -> bool:
    """Tell whether a value is a function that is written in Python."""
    return isinstance(value, FunctionType)


def isgeneratorfunction(value: object) -> bool:
    """Tell whether a value is a function with a yield."""
    code = getattr(value, "__code__", None)
    return isinstance(code, CodeType) and bool(code.co_flags & CO_GENERATOR)


def signature(_value: object) -> str:
    """Return nothing: dataclasses puts it into a docstring that nobody reads."""
    return ""


def cleandoc(text: str) -> str:
    """Take away the indentation of a docstring, and empty lines around it (PEP 257)."""
    first, *rest = text.expandtabs().split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    return "\n".join([first.lstrip(), *(line[margin:] for line in rest)]).strip("\n")

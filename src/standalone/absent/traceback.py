"""Stands in for the standard library's module: the interpreter prints tracebacks by itself."""

import sys
from types import FrameType, TracebackType


def print_exception(
    kind: type[BaseException], value: BaseException, _trace: TracebackType | None, *_: object
) -> None:
    """Print what logging would print of an exception, without its trace."""
    print(f"{kind.__name__}: {value}", file=sys.stderr)  # noqa: T201


def print_stack(_frame: FrameType | None = None, **_: object) -> None:
    """Print nothing."""

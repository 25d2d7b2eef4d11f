"""Test a bundle as a container would run it: in a root of its own, as ``docker run`` gives it."""

from magicpak.jail.check import check
from magicpak.jail.container import ENVIRONMENT
from magicpak.jail.errors import (
    BusyboxNotStatic,
    CheckFailed,
    CheckTimedOut,
    JailUnavailable,
    OutputDiffers,
    ProcessesLeft,
)

__all__ = [
    "ENVIRONMENT",
    "BusyboxNotStatic",
    "CheckFailed",
    "CheckTimedOut",
    "JailUnavailable",
    "OutputDiffers",
    "ProcessesLeft",
    "check",
]

"""Test a bundle as a container would run it: in a root of its own, with busybox beside it."""

from magicpak.jail.check import ENVIRONMENT, check
from magicpak.jail.errors import (
    BusyboxNotStatic,
    CheckFailed,
    CheckTimedOut,
    JailUnavailable,
    OutputDiffers,
)

__all__ = [
    "ENVIRONMENT",
    "BusyboxNotStatic",
    "CheckFailed",
    "CheckTimedOut",
    "JailUnavailable",
    "OutputDiffers",
    "check",
]

"""Which files a command touches, by strace(1)."""

from magicpak.trace.errors import (
    CommandFailed,
    DynamicFailed,
    LogCut,
    LogNotWritten,
    MalformedEndpoint,
    NoAnswer,
    NotALog,
    NotStarted,
    TraceRefused,
)
from magicpak.trace.recording import read_log, run, run_script
from magicpak.trace.touched import Touched, What

__all__ = [
    "CommandFailed",
    "DynamicFailed",
    "LogCut",
    "LogNotWritten",
    "MalformedEndpoint",
    "NoAnswer",
    "NotALog",
    "NotStarted",
    "Touched",
    "TraceRefused",
    "What",
    "read_log",
    "run",
    "run_script",
]

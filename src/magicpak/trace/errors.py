"""How a traced run fails."""

from __future__ import annotations

from magicpak.errors import MagicpakError, one_line, printable
from magicpak.system.process import describe

_END = 500  # characters of what a program printed


def end_of(output: bytes, most: int = _END) -> str:
    """Return the end of what a program printed, on one line."""
    text = printable(one_line(output))
    return text if len(text) <= most else "..." + text[-most:]


def _printed(stderr: bytes) -> str:
    text = end_of(stderr)
    return f"; stderr: {text}" if text else ""


class DynamicFailed(MagicpakError):
    """The traced program ended with a status that is not 0."""

    status: int
    stderr: bytes

    def __str__(self) -> str:
        return (
            f"Dynamic analysis subprocess failed: {describe(self.status)}{_printed(self.stderr)}; "
            "--dynamic-allow-failure takes what it touched all the same"
        )


class NotStarted(MagicpakError):
    """strace could not start the program."""

    executable: str
    stderr: bytes

    def __str__(self) -> str:
        return (
            f"Dynamic analysis subprocess failed: cannot start {printable(self.executable)}"
            f"{_printed(self.stderr)}"
        )


class TraceRefused(MagicpakError):
    """The machine does not let strace trace."""

    said: str
    reason: str

    def __str__(self) -> str:
        return (
            f"Unable to trace the program: {self.said} ({self.reason}); trace it where ptrace(2) "
            "is permitted, by 'strace -f -y -xx -o FILE PROGRAM', and pass --dynamic-log FILE"
        )


class LogNotWritten(MagicpakError):
    """strace did not write down all that it saw."""

    reason: str

    def __str__(self) -> str:
        return f"Dynamic analysis failed: the log of strace is cut: {printable(self.reason)}"


class LogCut(MagicpakError):
    """A file given as a log does not end as strace ends one."""

    path: str

    def __str__(self) -> str:
        return (
            f"Dynamic analysis failed: {printable(self.path)} is cut: its last line is not the end "
            "of a process; record to the end by 'strace -f -y -xx -o FILE PROGRAM'"
        )


class NotALog(MagicpakError):
    """A file given as a log has no line that strace writes."""

    path: str

    def __str__(self) -> str:
        return (
            f"Dynamic analysis failed: {printable(self.path)} is no log of strace: it has no "
            "system call in it; make one by 'strace -f -y -xx -o FILE PROGRAM'"
        )


class CommandFailed(MagicpakError):
    """The command that exercises the traced program failed; ``status`` None: it did not end."""

    command: str
    status: int | None
    stderr: bytes

    def __str__(self) -> str:
        late = "did not end in time, by --dynamic-timeout"
        how = late if self.status is None else describe(self.status)
        return (
            f"Dynamic analysis command failed: '{printable(self.command)}': {how}"
            f"{_printed(self.stderr)}"
        )


class NoAnswer(MagicpakError):
    """What the run waits for did not answer."""

    endpoint: str
    reason: str
    stderr: bytes

    def __str__(self) -> str:
        return (
            f"Dynamic analysis failed: nothing answers at {printable(self.endpoint)}: "
            f"{self.reason}{_printed(self.stderr)}"
        )


class MalformedEndpoint(MagicpakError):
    """What to wait for is neither a port nor the path of a socket."""

    text: str

    def __str__(self) -> str:
        return (
            f"Invalid --dynamic-wait-for: '{printable(self.text)}' is none of HOST:PORT, :PORT, "
            "PORT (1 to 65535), or the path of a unix socket"
        )

"""What can go wrong in a test, as exceptions."""

from __future__ import annotations

import signal

from magicpak.errors import MagicpakError, one_line, printable
from magicpak.system import process
from magicpak.system.tools import installation

KEPT = 1000
"""Characters of each output that a message shows."""

SHOWN = 200
"""Characters of an unexpected output that a message shows."""


class CheckFailed(MagicpakError):
    """The command ran in the bundle, and not well."""

    command: str
    status: int
    """As in process.Completed."""
    stdout: bytes
    stderr: bytes
    reasons: tuple[str, ...] = ()
    """What is wrong with the bundle, where that is known."""
    missing: tuple[str, ...] = ()
    """Paths that were looked for in vain and that the host has."""

    def __str__(self) -> str:
        parts = [f"Test failed: {printable(self.command)} returned non-zero exit code"]
        parts.append(_ended(self.status))
        parts += [f"stderr: {_both_ends(self.stderr)}"] if self.stderr.strip() else []
        parts += [f"stdout: {_end(self.stdout)}"] if self.stdout.strip() else []
        text = ": ".join(parts[:2]) + "".join(f"; {part}" for part in parts[2:])
        return text + _found(self.reasons, self.missing)


class CheckTimedOut(MagicpakError):
    """The command did not end in its time."""

    command: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"Test failed: {printable(self.command)} did not end within {self.seconds:g} s and "
            f"was killed; --test-timeout SECONDS gives it more"
        )


class OutputDiffers(MagicpakError):
    """The command printed something else than it should; both are stripped."""

    expected: str
    got: str
    reasons: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """As in CheckFailed: a program may go on without what it lacks."""

    def __str__(self) -> str:
        text = (
            f"Test failed: Test command stdout mismatch. expected: '{_start(self.expected)}', "
            f"but got '{_start(self.got)}'"
        )
        if max(len(self.expected), len(self.got)) > SHOWN // 2:
            line, column, at = _difference(self.expected, self.got)
            expected, got = (_start(side[at : at + 60]) for side in (self.expected, self.got))
            text += (
                f"; first difference in line {line}, column {column}: "
                f"expected '{expected}', but got '{got}'"
            )
        return text + _found(self.reasons, self.missing)


class JailUnavailable(MagicpakError):
    """This process may not change its root directory."""

    reason: str

    def __str__(self) -> str:
        return (
            f"Test failed: cannot make the bundle the root directory: {self.reason}; "
            f"run as root, permit user namespaces, or leave out --test"
        )


class ProcessesLeft(MagicpakError):
    """The processes of a test start new ones faster than they can be killed."""

    def __str__(self) -> str:
        return (
            "Test failed: its processes start new ones faster than they can be killed, and some "
            "still run; end them, limit their number (docker --pids-limit), or permit namespaces, "
            "with which the kernel ends all"
        )


class BusyboxNotStatic(MagicpakError):
    """The busybox given would need the libraries of the host."""

    path: str

    def __str__(self) -> str:
        return (
            f"Test failed: {printable(self.path)} is dynamically linked, so that it would not run "
            f"inside a bundle without its libraries; install a static one "
            f"({installation('busybox')}) or name one with --busybox"
        )


def _ended(status: int) -> str:
    """Describe a status; a shell passes on a signal as 128 and its number."""
    text = process.describe(status)
    if not 128 < status < 128 + signal.NSIG:
        return text
    return f"{text}, which is how a shell passes on {process.describe(128 - status)}"


def _found(reasons: tuple[str, ...], missing: tuple[str, ...]) -> str:
    text = "".join(f"; {printable(reason)}" for reason in reasons)
    if missing:
        includes = " ".join(f"--include {printable(path)}" for path in missing)
        text += f"; looked for in vain, but there on this machine: perhaps add {includes}"
    return text


def _both_ends(output: bytes) -> str:
    # The first error is the cause, the last one is what ended the program.
    text = printable(one_line(output.decode(errors="surrogateescape")))
    return text if len(text) <= KEPT else f"{text[: KEPT // 2]} […] {text[-KEPT // 2 :]}"


def _end(output: bytes) -> str:
    # What goes on one line need not be more than what is shown of it; bytes may become escapes.
    text = printable(one_line(output[-8 * KEPT :].decode(errors="surrogateescape")))
    return text if len(text) <= KEPT else f"[…] {text[-KEPT:]}"


def _start(text: str) -> str:
    return printable(text[:SHOWN]) + (" […]" if len(text) > SHOWN else "")


def _difference(a: str, b: str) -> tuple[int, int, int]:
    """Return where two different texts part: line and column from 1, index from 0."""
    shorter = min(len(a), len(b))
    at = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    line_start = a.rfind("\n", 0, at) + 1
    return a.count("\n", 0, at) + 1, at - line_start + 1, at

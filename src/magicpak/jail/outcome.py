"""What the processes of a jail tell the one that waits outside, through a pipe."""

import contextlib
import os
from typing import NamedTuple

ENDED = "ended"
"""The exit code of the program, or minus the signal that killed it."""
UNSTARTED = "unstarted"
"""The errno with which execve(2) refused the program."""
REFUSED = "refused"
"""Why the jail cannot be entered."""
LACKING = "lacking"
"""Something that a container has and this jail has not."""


class Outcome(NamedTuple):
    """How a run in a jail went; no status where nobody was left to tell it."""

    status: int | None
    unstarted: int | None
    refused: str | None
    lacking: tuple[str, ...]


def tell(pipe: int, about: str, what: object) -> None:
    """Send a message; ``about`` is one of the above."""
    os.write(pipe, f"{about} {what}\0".encode(errors="surrogateescape"))


def listen(pipe: int) -> Outcome:
    """Read what was told, when all has ended; ``pipe`` does not block."""
    said: dict[str, list[str]] = {ENDED: [], UNSTARTED: [], REFUSED: [], LACKING: []}
    received = b""
    with contextlib.suppress(BlockingIOError):
        while chunk := os.read(pipe, 65536):
            received += chunk
    for message in os.fsdecode(received).split("\0")[:-1]:
        about, _, what = message.partition(" ")
        said[about].append(what)
    return Outcome(
        status=next(map(int, said[ENDED]), None),
        unstarted=next(map(int, said[UNSTARTED]), None),
        refused=next(iter(said[REFUSED]), None),
        lacking=tuple(said[LACKING]),
    )

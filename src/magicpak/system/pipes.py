"""Feed and drain the pipes of a program, and keep of its output as much as is needed."""

from __future__ import annotations

import os
import select
import selectors
import time
from collections.abc import Callable, Mapping
from typing import IO

Sink = Callable[[bytes], object]
"""Takes a piece of an output."""

Move = Callable[[IO[bytes]], bool]
"""Moves a piece through a pipe that is ready; returns whether there is more to come."""

CHUNK = 65536


class Ends:
    """The beginning and the end of an output; what lies between is not kept."""

    GAP = "\n[…]\n".encode()

    def __init__(self, kept: int) -> None:
        """Keep so many bytes of each."""
        self._kept = kept
        self._begin = bytearray()
        self._end = bytearray()
        self._gap = b""

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        room = self._kept - len(self._begin)
        self._begin += piece[:room]
        self._end += piece[room:]
        if len(self._end) > self._kept:
            del self._end[: -self._kept]
            self._gap = self.GAP

    def __bytes__(self) -> bytes:
        return bytes(self._begin + self._gap + self._end)


def exchange(
    stdin: IO[bytes], content: bytes, sinks: Mapping[IO[bytes], Sink], seconds: float | None
) -> float | None:
    """Feed a program, and hand on what it prints until it has closed its pipes.

    Return how much of ``seconds`` is left; raise TimeoutError after them.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(stdin, selectors.EVENT_WRITE, (stdin, _feed(content)))
        for pipe, sink in sinks.items():
            selector.register(pipe, selectors.EVENT_READ, (pipe, _drain(sink)))
        while selector.get_map():
            for key, _ in selector.select(_left(deadline)):
                ready, move = key.data
                if not move(ready):
                    selector.unregister(ready)
                    ready.close()
    return _left(deadline)


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    if (seconds := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return seconds


def _feed(content: bytes) -> Move:
    rest = memoryview(content)

    def move(pipe: IO[bytes]) -> bool:
        nonlocal rest
        try:
            # A pipe that is ready takes at least this without blocking.
            rest = rest[os.write(pipe.fileno(), rest[: select.PIPE_BUF]) :]
        except BrokenPipeError:
            # A program need not read all of its stdin.
            return False
        return bool(rest)

    return move


def _drain(sink: Sink) -> Move:
    def move(pipe: IO[bytes]) -> bool:
        piece = os.read(pipe.fileno(), CHUNK)
        sink(piece)
        return bool(piece)

    return move

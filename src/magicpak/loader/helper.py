"""Ask the real loader, by a small C program that runs under it."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from dataclasses import dataclass
from importlib import resources

from magicpak import process
from magicpak.errors import HelperFailed, one_line

log = logging.getLogger(__name__)

TOKENS = "$ORIGIN:$ORIGIN/$LIB:$ORIGIN/$PLATFORM"
"""The helper's RUNPATH. Its own directory comes first, because a search path of which no directory
exists is dropped by the loader, and would not be told."""
ANSWER_SECONDS = 15


@dataclass(frozen=True, slots=True)
class SearchPath:
    """Where a loader looks by default, and what its tokens stand for."""

    directories: tuple[str, ...]
    lib: str
    platform: str


class Helper:
    """The C program: compiled in the background, then answering over its pipes."""

    def __init__(
        self, interpreter: str, compiler: str, scratch: str, stack: contextlib.ExitStack
    ) -> None:
        """Start to compile for ``interpreter``, in a directory of its own below ``scratch``."""
        self._stack = stack
        directory = tempfile.mkdtemp(prefix="helper-", dir=scratch)
        self._program = os.path.join(directory, "helper")
        source = self._program + ".c"
        with open(source, "wb") as file:
            file.write(resources.files("magicpak.loader").joinpath("helper.c").read_bytes())
        self._compilation = stack.enter_context(
            process.running(
                (
                    compiler, "-o", self._program, source, "-Wl,--enable-new-dtags",
                    f"-Wl,--dynamic-linker={interpreter}", f"-Wl,-rpath,{TOKENS}", "-ldl",
                )  # fmt: skip
            )
        )
        self._conversation: process.Conversation | None = None

    def search_path(self) -> SearchPath | None:
        """Ask where the loader looks; None where the program does not run here.

        Raises HelperFailed when it does not compile.
        """
        compilation = self._compilation.completed()
        if compilation.status != 0:
            raise HelperFailed(one_line(compilation.stderr))
        try:
            self._conversation = self._stack.enter_context(
                process.Conversation((self._program,), env={})
            )
        except OSError as e:
            log.info("the loader helper does not start: %s", e)
            return None
        told = []
        while answer := self._conversation.receive(ANSWER_SECONDS):
            told.append(os.fsdecode(answer))
        origin = os.path.dirname(self._program) + "/"
        if answer is None or len(told) < 3 or not all(t.startswith(origin) for t in told[1:3]):
            log.info("the loader helper does not run under this loader")
            self._conversation = None
            return None
        _, lib, platform, *directories = told
        return SearchPath(tuple(directories), lib[len(origin) :], platform[len(origin) :])

    def place(self, name: str) -> str | None:
        """Ask where dlopen(3) loads a library from; its constructors run, in a forked child."""
        if self._conversation is None:
            return None
        self._conversation.send(os.fsencode(name) + b"\0")
        answer = self._conversation.receive(ANSWER_SECONDS)
        log.debug("dlopen of %s: %s", name, answer)
        return os.fsdecode(answer) if answer else None

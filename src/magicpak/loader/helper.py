"""Ask the real loader, by a small C program that runs under it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from typing import Any, NamedTuple

from magicpak.errors import one_line
from magicpak.loader.errors import HelperFailed
from magicpak.system import process

log = logging.getLogger(__name__)

TOKENS = "$ORIGIN:$ORIGIN/$LIB:$ORIGIN/$PLATFORM"
"""The helper's RUNPATH. Its own directory comes first, because a search path of which no directory
exists is dropped by the loader, and would not be told."""
ANSWER_SECONDS = 15


class SearchPath(NamedTuple):
    """Where a loader looks by default, and what its tokens stand for."""

    directories: tuple[str, ...]
    lib: str
    platform: str


class Helper:
    """The C program: compiled when it is first needed, then answering over its pipes."""

    def __init__(
        self, interpreter: str, compiler: str, scratch: str, stack: contextlib.ExitStack
    ) -> None:
        """Take what it needs to be compiled for ``interpreter``, below ``scratch``."""
        self._interpreter = interpreter
        self._compiler = compiler
        self._scratch = scratch
        self._stack = stack
        self._started: process.Conversation | None = None
        self._search_path: SearchPath | None = None
        self._tried = False

    def search_path(self) -> SearchPath | None:
        """Ask where the loader looks; None where the program does not run here.

        Raises HelperFailed when it does not compile.
        """
        if not self._tried:
            self._tried = True
            self._start(self._compile())
        return self._search_path

    def _compile(self) -> str:
        """Compile in a directory that nobody else can have made."""
        program = os.path.join(tempfile.mkdtemp(prefix="helper-", dir=self._scratch), "helper")
        linking = ("--enable-new-dtags", f"--dynamic-linker={self._interpreter}", "-rpath", TOKENS)
        flags = (f"-Wl,{flag}" for flag in linking)
        command = (self._compiler, "-o", program, "-x", "c", "-", *flags, "-ldl")
        compilation = process.run(command, stdin=_source())
        if compilation.status != 0:
            raise HelperFailed(one_line(compilation.stderr))
        return program

    def _start(self, program: str) -> None:
        try:
            conversation = self._stack.enter_context(process.Conversation((program,), env={}))
        except OSError as e:
            log.info("the loader helper does not start: %s", e)
            return
        told = []
        while answer := conversation.receive(ANSWER_SECONDS):
            told.append(os.fsdecode(answer))
        origin = os.path.dirname(program) + "/"
        if answer is None or len(told) < 3 or not all(t.startswith(origin) for t in told[1:3]):
            log.info("the loader helper does not run under this loader")
            return
        _, lib, platform, *directories = told
        self._started = conversation
        self._search_path = SearchPath(
            tuple(directories), lib[len(origin) :], platform[len(origin) :]
        )

    def place(self, name: str) -> str | None:
        """Ask where dlopen(3) loads a library from; its constructors run, in a forked child."""
        self.search_path()
        if self._started is None:
            return None
        self._started.send(os.fsencode(name) + b"\0")
        answer = self._started.receive(ANSWER_SECONDS)
        log.debug("dlopen of %s: %s", name, answer)
        return os.fsdecode(answer) if answer else None


def _source() -> bytes:
    """Read the C source from beside this module, wherever that was loaded from: also an archive."""
    module: Any = sys.modules[__name__]
    path = os.path.join(os.path.dirname(module.__file__), "helper.c")
    return bytes(module.__spec__.loader.get_data(path))

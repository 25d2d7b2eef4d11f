"""Query the real loader through a small C program that it runs."""

import contextlib
import logging
import os
import tempfile
from typing import NamedTuple

from magicpak import resources
from magicpak.errors import one_line
from magicpak.loader.errors import HelperFailed
from magicpak.system import process

log = logging.getLogger(__name__)

TOKENS = "$ORIGIN:$ORIGIN/$LIB:$ORIGIN/$PLATFORM"
"""The helper's RUNPATH. Its own directory comes first: the loader drops a search path in which no
directory exists, and does not report it."""
ANSWER_SECONDS = 15
COMPILE_SECONDS = 60


class SearchPath(NamedTuple):
    """The default directories of a loader, and the values of ``$LIB`` and ``$PLATFORM``."""

    directories: tuple[str, ...]
    lib: str
    platform: str


class Helper:
    """The C program: compiled on first use, then queried through its pipes."""

    def __init__(
        self, interpreter: str, compiler: str, scratch: str, stack: contextlib.ExitStack
    ) -> None:
        """Prepare to compile it for ``interpreter``, below ``scratch``."""
        self._interpreter = interpreter
        self._compiler = compiler
        self._scratch = scratch
        self._stack = stack
        self._started: process.Conversation | None = None
        self._search_path: SearchPath | None = None
        self._tried = False

    def search_path(self) -> SearchPath | None:
        """Return the loader's search path; None where the helper does not run here.

        Raises HelperFailed if it does not compile.
        """
        if not self._tried:
            self._tried = True
            self._start(self._compile())
        return self._search_path

    def _compile(self) -> str:
        """Compile in a new, private directory."""
        program = os.path.join(tempfile.mkdtemp(prefix="helper-", dir=self._scratch), "helper")
        linking = ("--enable-new-dtags", f"--dynamic-linker={self._interpreter}", "-rpath", TOKENS)
        flags = (f"-Wl,{flag}" for flag in linking)
        command = (self._compiler, "-o", program, "-x", "c", "-", *flags, "-ldl")
        source = resources.content("loader/helper.c")
        try:
            compilation = process.run(command, stdin=source, timeout=COMPILE_SECONDS)
        except (process.TimedOut, OSError) as e:
            raise HelperFailed(str(e)) from e
        if compilation.status != 0:
            raise HelperFailed(one_line(compilation.stderr))
        return program

    def _start(self, program: str) -> None:
        try:
            conversation = self._stack.enter_context(process.Conversation((program,), env={}))
        except OSError as e:
            log.info("the loader helper does not start: %s", e)
            return
        paths = []
        while answer := conversation.receive(ANSWER_SECONDS):
            paths.append(os.fsdecode(answer))
        origin = os.path.dirname(program) + "/"
        if answer is None or len(paths) < 3 or not all(p.startswith(origin) for p in paths[1:3]):
            log.info("the loader helper does not run under this loader")
            return
        _, lib, platform, *directories = paths
        self._started = conversation
        self._search_path = SearchPath(
            tuple(directories), lib[len(origin) :], platform[len(origin) :]
        )

    def place(self, name: str) -> str | None:
        """Return where dlopen(3) loads a library from; constructors run in a forked child."""
        try:
            self.search_path()
        except HelperFailed as e:
            # The search then fails with the name of the library, which helps more.
            log.info("%s: the loader is not queried for %s", e, name)
        if self._started is None:
            return None
        self._started.send(os.fsencode(name) + b"\0")
        answer = self._started.receive(ANSWER_SECONDS)
        log.debug("dlopen of %s: %s", name, answer)
        return os.fsdecode(answer) if answer else None

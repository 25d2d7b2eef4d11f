"""Find the loader of an object, and the search path, hwcaps and cache of that loader."""

import contextlib
import logging
import os
import re
from typing import NamedTuple

from magicpak.elf import Abi, Elf, MalformedExecutable
from magicpak.errors import IoError
from magicpak.host import Host
from magicpak.loader import cache, conf
from magicpak.loader.diagnostics import (
    active_hwcaps,
    legacy_hwcaps,
    looks_past_files,
    told_by,
)
from magicpak.loader.errors import HelperFailed
from magicpak.loader.helper import Helper, SearchPath
from magicpak.loader.library import Ask
from magicpak.loader.search import Flavour, Loader
from magicpak.loader.trust import only_root_writes
from magicpak.system import process, tools
from magicpak.system.process import TimedOut
from magicpak.system.tools import ToolNotFound

log = logging.getLogger(__name__)

USUAL_INTERPRETERS = (
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux.so.2",
    "/libx32/ld-linux-x32.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux-aarch64_be.so.1",
    "/lib/ld-linux-armhf.so.3",
    "/lib/ld-linux.so.3",
    "/lib64/ld64.so.2",
    "/lib64/ld64.so.1",
    "/lib/ld64.so.1",
    "/lib/ld-linux-riscv64-lp64d.so.1",
    "/lib/ld-linux-riscv64-lp64.so.1",
    "/lib64/ld-linux-loongarch-lp64d.so.1",
    "/lib64/ld.so.1",
    "/lib32/ld.so.1",
    "/lib/ld.so.1",
    "/lib/ld-linux-ia64.so.2",
    "/lib/ld-linux-mipsn8.so.1",
)
MUSL_NAMES = (
    "x86_64", "i386", "x32", "aarch64", "aarch64_be", "armhf", "arm", "armeb", "powerpc64le",
    "powerpc64", "powerpc", "s390x", "riscv64", "riscv32", "loongarch64", "mips", "mipsel",
    "mips64", "mips64el", "m68k", "or1k", "sh", "microblaze",
)  # fmt: skip
USUAL_MUSL = tuple(f"/lib/ld-musl-{name}.so.1" for name in MUSL_NAMES)
USUAL_DIRECTORIES = {64: ("/lib64", "/usr/lib64", "/lib", "/usr/lib"), 32: ("/lib", "/usr/lib")}
MUSL_DIRECTORIES = ("/lib", "/usr/local/lib", "/usr/lib")
PRELOAD = "/etc/ld.so.preload"
VERIFIED = (0, 2)
"""The exit statuses of ``ld.so --verify`` for an object that this loader can load (rtld.c)."""


class Compiler(NamedTuple):
    """The C compiler for the helper, and whether the user named it."""

    name: str = "cc"
    chosen: bool = False

    def find(self) -> str | None:
        """Find it on PATH; None if the default is missing. Raises ToolNotFound for a chosen one."""
        try:
            return tools.find(self.name, "cc", "--cc")
        except ToolNotFound:
            if self.chosen:
                raise
            log.info("no C compiler: the loader helper is not used")
            return None


DEFAULT = Compiler()


class Identified:
    """The loaders found in a run, each examined once."""

    def __init__(
        self,
        files: Host,
        scratch: str,
        stack: contextlib.ExitStack,
        compiler: Compiler = DEFAULT,
        *,
        native: bool = True,
        dlopen: bool = True,
    ) -> None:
        """Look at no loader yet.

        Unless ``native``, these files, those of a sysroot, may not be run here. ``dlopen`` says
        whether to try dlopen(3) for a library that the search does not find.
        """
        self.files, self.scratch, self.stack, self.compiler = files, scratch, stack, compiler
        self.native, self.dlopen = native, dlopen
        self.known: dict[str, tuple[Loader, Ask | None]] = {}
        self.trusted: dict[str, bool] = {}
        self.verified: set[tuple[str, Abi, int]] = set()
        """The loaders, each with the ABI and flags of an object that it has verified."""

    def governing(self, elf: Elf) -> str | None:
        """Return the interpreter that loads an object: its own, or the usual one of its ABI."""
        if elf.interpreter is not None:
            return elf.interpreter
        musl = any(name == "libc.so" or name.startswith("libc.musl-") for name in elf.needed)
        for path in USUAL_MUSL if musl else USUAL_INTERPRETERS:
            if self._abi(path) == elf.abi and (musl or self._fits(path, elf)):
                return path
        return None

    def loader(self, interpreter: str, elf: Elf) -> tuple[Loader, Ask | None]:
        """Describe a loader, with a function that asks it for a library if it can be asked."""
        if interpreter not in self.known:
            musl = "ld-musl-" in interpreter.rpartition("/")[2]
            describe = self._musl if musl else self._glibc
            self.known[interpreter] = describe(interpreter, elf)
        return self.known[interpreter]

    def _abi(self, path: str) -> Abi | None:
        try:
            found = self.files.elf(path)
        except (MalformedExecutable, IoError):
            return None
        return found.abi if found is not None else None

    def _fits(self, interpreter: str, elf: Elf) -> bool:
        """Tell whether a loader takes an object of its ABI: of two, by their flags for one."""
        like = (interpreter, elf.abi, elf.flags)
        if like not in self.verified and self._verifies(interpreter, elf):
            self.verified.add(like)
        return like in self.verified

    def _verifies(self, interpreter: str, elf: Elf) -> bool:
        if not self._may_run(interpreter):
            return True
        try:
            status = process.run((interpreter, "--verify", elf.path), env={}, timeout=10).status
        except (OSError, TimedOut):
            return True  # it does not run here: rely on its ABI
        return status in VERIFIED

    def _musl(self, interpreter: str, _elf: Elf) -> tuple[Loader, None]:
        prefix = interpreter.rpartition("/")[0].rpartition("/")[0]
        architecture = interpreter.rpartition("ld-musl-")[2].removesuffix(".so.1")
        try:
            listed = self.files.content(f"{prefix}/etc/ld-musl-{architecture}.path")
            directories = musl_directories(listed)
        except OSError:
            directories = MUSL_DIRECTORIES
        return Loader(interpreter, Flavour.MUSL, directories), None

    def _glibc(self, interpreter: str, elf: Elf) -> tuple[Loader, Ask | None]:
        helper = self._helper(interpreter, elf)
        diagnostics = self._diagnostics(interpreter)
        path = told_by(diagnostics)
        # The helper is for older loaders, or if the user named a compiler: the diagnostics take a
        # twentieth of the time of a compilation.
        if helper is not None and (path is None or self.compiler.chosen):
            path = self._told_by_helper(helper) or path
        path = path or self._read(interpreter, elf)
        loader = Loader(
            interpreter,
            Flavour.GLIBC,
            path.directories,
            path.lib,
            path.platform,
            active_hwcaps(diagnostics),
            legacy_hwcaps(diagnostics, elf.abi),
            self._cache(diagnostics.get("path.sysconfdir", "/etc"), elf),
            self._preload(),
            looks_past_files(diagnostics),
        )
        log.debug("%s looks in %s", interpreter, ":".join(path.directories))
        return loader, helper.place if helper is not None and self.dlopen else None

    def _told_by_helper(self, helper: Helper) -> SearchPath | None:
        """Ask the helper. Raises HelperFailed for a compiler that the user has named."""
        try:
            return helper.search_path()
        except HelperFailed as e:
            if self.compiler.chosen:
                raise
            log.info("%s: the loader is read instead of asked", e)
            return None

    def _may_run(self, interpreter: str) -> bool:
        """Tell whether a loader belongs to the system: PT_INTERP can name any program.

        Its path has to be one that an ABI gives to its loader, and only root may have put it there.
        """
        if interpreter not in self.trusted:
            self.trusted[interpreter] = self.native and self._is_of_the_system(interpreter)
        return self.trusted[interpreter]

    def _is_of_the_system(self, interpreter: str) -> bool:
        if interpreter in USUAL_INTERPRETERS and only_root_writes(interpreter):
            return True
        log.info("%s is read and not run: it is no loader of this system", interpreter)
        return False

    def _helper(self, interpreter: str, elf: Elf) -> Helper | None:
        if not self._may_run(interpreter) or elf.abi != self._abi("/proc/self/exe"):
            return None
        compiler = self.compiler.find()
        if compiler is None:
            return None
        return Helper(interpreter, compiler, self.scratch, self.stack)

    def _diagnostics(self, interpreter: str) -> dict[str, str]:
        """Run ``ld.so --list-diagnostics`` (glibc 2.33 and later)."""
        if not self._may_run(interpreter):
            return {}
        try:
            told = process.run((interpreter, "--list-diagnostics"), env={}, timeout=10)
        except (OSError, TimedOut):
            return {}
        if told.status != 0:
            return {}
        lines = (line.partition("=") for line in os.fsdecode(told.stdout).splitlines())
        return {key: value.strip('"') for key, _, value in lines}

    def _read(self, interpreter: str, elf: Elf) -> SearchPath:
        """Read the default directories from the loader file, in which they are adjacent."""
        try:
            content = self.files.content(interpreter)
        except OSError:
            content = b""
        run = re.search(rb"(?:/(?:[\w.+-]+/)+\0){2,}", content)
        texts = os.fsdecode(run[0]).split("\0")[:-1] if run else USUAL_DIRECTORIES[elf.abi.bits]
        directories = tuple(text.rstrip("/") for text in texts)
        platform = elf.abi.machine.removeprefix("EM_").lower()
        # In distributions, the first system directory of glibc is "/" + $LIB.
        return SearchPath(directories, directories[0].lstrip("/"), platform)

    def _cache(self, directory: str, elf: Elf) -> cache.Cache | None:
        flags = cache.flags(elf.abi, elf.flags)
        try:
            content = self.files.content(f"{directory}/ld.so.cache")
            return cache.select(cache.parse(content, elf.abi.little_endian), flags)
        except OSError:
            # In a tree that was just unpacked, the loader will have it when the tree is in use.
            return None if self.native else conf.cache(self.files, flags)


    def _preload(self) -> tuple[str, ...]:
        """Read ld.so.preload: names separated by white space or colons, comments (ld.so(8))."""
        try:
            text = os.fsdecode(self.files.content(PRELOAD))
        except OSError:
            return ()
        names = re.split(r"[\s:]+", re.sub("#.*", "", text))
        return tuple(name for name in names if name)


def musl_directories(listed: bytes) -> tuple[str, ...]:
    """Split the content of ld-musl-ARCH.path."""
    return tuple(part for part in re.split("[:\n]", os.fsdecode(listed)) if part)

"""What the stages of a run share: the inputs, and the doors to the outside."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from typing import NamedTuple

from magicpak.elf import Elf
from magicpak.errors import IoError, Unsupported
from magicpak.host import Host
from magicpak.host.programs import programs
from magicpak.loader.identify import Compiler, Identified
from magicpak.loader.resolve import Resolver
from magicpak.loader.search import Environment
from magicpak.options import Options
from magicpak.output.destination import Destination
from magicpak.plan import BundlePath

log = logging.getLogger(__name__)


class Input(NamedTuple):
    """An executable to bundle, with the programs it takes to run it: itself, or interpreters."""

    path: str
    place: BundlePath
    programs: tuple[tuple[str, Elf | None], ...]
    relocated: bool


class Run(NamedTuple):
    """The doors to the outside that the stages of one run share."""

    options: Options
    host: Host
    scratch: str
    resolver: Resolver


def begin(options: Options, target: Destination, stack: contextlib.ExitStack) -> Run:
    """Open the doors; what is temporary goes with ``stack``. Raises IoError."""
    try:
        scratch = tempfile.mkdtemp(prefix="magicpak-")
    except OSError as e:
        raise IoError.of(e) from e
    stack.callback(shutil.rmtree, scratch, ignore_errors=True)
    native = options.sysroot is None
    sysroot = "" if options.sysroot is None else os.path.realpath(options.sysroot)
    host = Host(sysroot, hidden=(target.path, os.path.realpath(scratch)))
    loaders = Identified(
        host,
        host.follow,
        scratch,
        stack,
        Compiler(options.cc or "cc", chosen=options.cc is not None),
        native=native,
        dlopen=not options.noload_resolver,
    )
    environment = Environment.of_this_process() if native else Environment()
    return Run(options, host, scratch, Resolver(host, loaders, environment))


def load(run: Run, path: str) -> Input:
    """Read an input. Raises MalformedExecutable, ScriptFailed, IoError, Unsupported."""
    log.info("load %s", path)
    programs = tuple(programs(run.host, path))
    own = programs[0][1]
    if own is not None and not own.needed and own.interpreter is None:
        log.warning("%s is statically linked or packed: nothing is bundled with it", path)
    place = run.host.place(path)
    install_to = run.options.install_to
    if install_to is None:
        return Input(path, place, programs, relocated=False)
    name = os.path.basename(path) if install_to.endswith("/") else ""
    chosen = BundlePath(f"{install_to}/{name}")
    if chosen == "/":
        raise Unsupported(
            f"--install-to '{install_to}' is the root of the bundle; name a file, or end a "
            f"directory with '/'"
        )
    return Input(path, chosen, programs, relocated=chosen != place)

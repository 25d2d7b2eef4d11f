"""The state that the stages of a run share: options, inputs, host files and resolver."""

import contextlib
import functools
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

from magicpak.elf import Elf
from magicpak.errors import IoError, Unsupported
from magicpak.host import Host
from magicpak.host.programs import on_path, programs
from magicpak.loader.identify import Compiler, Identified
from magicpak.loader.resolve import Resolver
from magicpak.loader.search import Environment
from magicpak.options import Options
from magicpak.output.copying import Progress
from magicpak.output.destination import Destination, destination
from magicpak.plan import BundlePath, patterns
from magicpak.runtime.subject import Reader
from magicpak.stages.told import Told
from magicpak.system import signals, workdir

if TYPE_CHECKING:
    from magicpak.inventory import Inventory
    from magicpak.output.hashing import Digests
    from magicpak.runtime.asked import Asked
    from magicpak.system.user import User

log = logging.getLogger(__name__)

Show = Callable[[int], AbstractContextManager[Progress]]
"""Shows the progress of a write; takes its total in bytes."""


@contextlib.contextmanager
def no_progress(_total: int) -> Iterator[Progress]:
    """Show nothing."""
    yield lambda _count: None


Busy = Callable[[str], AbstractContextManager[None]]
"""Shows what is being done, in a few words."""


def not_shown(_text: str) -> AbstractContextManager[None]:
    """Show nothing."""
    return contextlib.nullcontext()


class Input(NamedTuple):
    """An executable to bundle, and the programs that run it: itself and its interpreters."""

    path: str
    place: BundlePath
    programs: tuple[tuple[str, Elf | None], ...]
    """Host paths; None for a script."""
    relocated: bool


class Run(NamedTuple):
    """One run of the pipeline: what the user asked for, and what the stages work with."""

    options: Options
    includes: tuple[patterns.Include, ...]
    excludes: tuple[patterns.Exclude, ...]
    target: Destination
    host: Host
    scratch: str
    """A private directory for temporary files, removed at the end."""
    resolver: Resolver
    show: Show
    busy: Busy
    inventory: "Callable[[], Inventory]"
    """Returns the packages of the host; what they have is read when it is asked for."""
    reader: Reader
    """Reads what objects say of themselves, each once."""
    told: Told
    """What was said of the run, for its report."""
    notes: list[str]
    """What is notable of the stage that runs, for its line of the account."""
    digests: "Digests | None" = None
    """Hashes what is written; None where nobody asks."""
    user: "User | None" = None
    """Who runs the traced runs and the test; None for the user of this process, and root."""
    inputs: tuple[Input, ...] = ()
    asked: "Asked | None" = None
    """The run-time data of --with; None for none."""


@contextlib.contextmanager
def opened(
    options: Options, show: Show, busy: Busy = not_shown, told: Told | None = None
) -> Iterator[Run]:
    """Check the options, read the inputs and yield the run; at the end, clean up.

    Raises Unsupported, InvalidPattern, DestinationInvalid, DestinationNotEmpty, UnknownUser,
    UserRefused, IoError, and what ``load`` raises.
    """
    options.check()
    asked = _asked(options)
    for text in options.without_effect():
        log.warning("%s", text)
    includes = tuple(patterns.include(pattern) for pattern in options.include)
    excludes = tuple(patterns.exclude(pattern) for pattern in options.exclude)
    target = destination(options.output, write=not options.dry_run)
    _check_documents(options, target)
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(workdir.private(_temporary(), "magicpak-"))
        native = options.sysroot is None
        sysroot = "" if options.sysroot is None else os.path.realpath(options.sysroot)
        host = Host(sysroot, hidden=(target.path,))
        user = _user(options, host)
        loaders = Identified(
            host,
            scratch,
            stack,
            Compiler(options.cc or "cc", chosen=options.cc is not None),
            native=native,
            dlopen=not options.noload_resolver,
        )
        environment = Environment.of_this_process() if native else Environment()
        resolver = Resolver(host, loaders, environment)
        inventory = functools.cache(functools.partial(_inventory, host))
        run = Run(
            options, includes, excludes, target, host, scratch, resolver, show, busy, inventory,
            Reader(host), told or Told(), [], _digests(options), user,
        )  # fmt: skip
        inputs = tuple(load(host, _on_path(host, path), options) for path in options.inputs)
        yield run._replace(inputs=inputs, asked=asked)


def _asked(options: Options) -> "Asked | None":
    """Read ``--with`` and ``--without``. Raises Unsupported."""
    if not options.with_data and not options.without:
        return None
    from magicpak.runtime import asked  # noqa: PLC0415  most runs ask for none

    return asked.parse(options.with_data, options.without)


def _check_documents(options: Options, target: Destination) -> None:
    """Refuse what cannot be written beside OUTPUT. Raises DocumentInvalid, FormatUnknown."""
    wanted = [("--sbom", path) for path in options.sbom]
    if options.report is not None:
        wanted.append(("--report", options.report))
    if not wanted:
        return
    from magicpak.output import documents  # noqa: PLC0415  most runs write none
    from magicpak.sbom import file_name  # noqa: PLC0415  as above

    for path in options.sbom:
        file_name.check(path)
    documents.check(wanted, target.path)


def _digests(options: Options) -> "Digests | None":
    if options.report is None and not options.sbom:
        return None
    from magicpak.output.hashing import SHA1, SHA256, Digests  # noqa: PLC0415  as above
    from magicpak.sbom.file_name import SPDX  # noqa: PLC0415  as above

    spdx = any(path.endswith(SPDX) for path in options.sbom)
    return Digests((SHA256, SHA1) if spdx else (SHA256,))


def _inventory(host: Host) -> "Inventory":
    with signals.held():  # an import may lose the exception of a signal
        from magicpak.inventory import Inventory  # noqa: PLC0415  only who asks for one reads any
    return Inventory(host)


def _temporary() -> str:
    """Return the directory for temporary files, TMPDIR for one. Raises IoError."""
    try:
        return tempfile.gettempdir()
    except OSError as e:
        raise IoError.of(e) from e


def source_date(environment: Mapping[str, str]) -> int | None:
    """Return the seconds of SOURCE_DATE_EPOCH; None where it is not set, or no number."""
    epoch = environment.get("SOURCE_DATE_EPOCH", "")
    return int(epoch) if epoch.isascii() and epoch.isdecimal() else None


def _user(options: Options, host: Host) -> "User | None":
    """Find the user that is asked for. Raises UnknownUser, UserRefused, IoError."""
    if options.user is None:
        return None
    from magicpak.system import user  # noqa: PLC0415  most runs have none

    found = user.find(options.user, *tables(host))
    runs = options.dynamic and not options.dynamic_log
    if runs and os.geteuid() != 0 and not found.is_current():
        raise user.UserRefused(found.name, "this process is not root's")
    return found


def tables(host: Host) -> tuple[str, str]:
    """Read passwd(5) and group(5) of the host; one that is not there is empty. Raises IoError."""
    return _table(host, "/etc/passwd"), _table(host, "/etc/group")


def _table(host: Host, path: str) -> str:
    try:
        return os.fsdecode(host.content(path))
    except FileNotFoundError:
        return ""
    except OSError as e:
        raise IoError.of(e, path) from e


def _on_path(host: Host, name: str) -> str:
    """Return the program on PATH of a name without a slash that is no file here; else the name."""
    if not name or host.status(name) is not None:
        return name
    return on_path(host, name) or name


def load(host: Host, path: str, options: Options) -> Input:
    """Read an input. Raises MalformedExecutable, ScriptFailed, IoError, Unsupported."""
    log.debug("load %s", path)
    run_by = tuple(programs(host, path))
    elf = run_by[0][1]
    if elf is not None and not elf.needed and elf.interpreter is None:
        log.warning("%s is statically linked or packed: nothing is bundled with it", path)
    place = host.place(path)
    if options.install_to is None:
        return Input(path, place, run_by, relocated=False)
    chosen = _install_to(options.install_to, path)
    return Input(path, chosen, run_by, relocated=chosen != place)


def _install_to(text: str, path: str) -> BundlePath:
    """Read ``--install-to`` for an input. Raises Unsupported."""
    name = os.path.basename(path) if text.endswith("/") else ""
    chosen = BundlePath(f"{text}/{name}")
    if chosen == "/":
        raise Unsupported(
            f"--install-to '{text}' is the root of the bundle; name a file, or end a "
            f"directory with '/'"
        )
    return chosen

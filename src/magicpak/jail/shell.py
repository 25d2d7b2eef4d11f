"""The shell of a test command: busybox, of which the bundle gets no file and no name."""

import contextlib
import os
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from magicpak.errors import IoError
from magicpak.jail.plant import inside
from magicpak.system import process

NAME = "/bin/sh"
"""What the shell calls itself."""

APPLETS = ("ash", "sh")
"""The applets that are the shell; the first that there is runs the command."""

BUILTINS = frozenset({"[", "[[", "echo", "false", "kill", "printf", "pwd", "test", "time", "true"})
"""Programs that a shell has built in, so that it never looks for a file of that name."""

RUN_APPLET = """\
__applet() { (
  name=$1; shift; busybox=/proc/self/exe
  if [ -x /dev/.busybox ]; then busybox=/dev/.busybox; fi
  exec -a "$name" $busybox "$@"
) }
"""
"""A function that runs an applet, where the shell looks for files only."""


class Shell(NamedTuple):
    """A busybox that is open, and the lines by which its shell finds the right programs."""

    program: int
    applet: str
    prelude: str

    def argv(self, command: str) -> tuple[str, ...]:
        """Return the arguments with which busybox runs a command."""
        return (self.applet, "-c", self.prelude + command, NAME)


@contextlib.contextmanager
def opened(
    busybox: str, root: str, search: Sequence[str], executables: Iterable[str], scratch: str
) -> Iterator[Shell]:
    """Open a private copy of busybox, whose applets give way to the programs of the bundle.

    ``search`` are the directories of PATH in the jail's ``root``; ``executables`` are found by name
    wherever they lie. Raises IoError.
    """
    applets = _list(busybox)
    main = next((applet for applet in APPLETS if applet in applets), APPLETS[0])
    programs = _programs(root, search, applets)
    programs.update((os.path.basename(path), path) for path in executables)
    copy = os.path.join(scratch, "busybox")
    try:
        hidden = _copy(busybox, copy, applets, programs.keys() - {main})
        program = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
        # Without a name, it cannot be changed before it runs.
        os.unlink(copy)
    except OSError as e:
        raise IoError.of(e, copy) from e
    defined = {
        name: path
        for name, path in programs.items()
        if name in BUILTINS
        or (name in applets and name not in hidden)
        or os.path.dirname(path) not in search
    }
    others = () if _finds_applets(busybox, main) else set(applets) - BUILTINS - programs.keys()
    try:
        yield Shell(program, main, prelude(defined, others))
    finally:
        os.close(program)


def _list(busybox: str) -> tuple[str, ...]:
    done = process.run([busybox, "--list"], timeout=30)
    return tuple(done.stdout.decode(errors="surrogateescape").split())


def _finds_applets(busybox: str, shell: str) -> bool:
    """Tell whether the shell runs applets without a file of their name (FEATURE_SH_STANDALONE)."""
    return process.run([busybox, shell, "-c", "PATH=; command -v ls"], timeout=30).status == 0


def _programs(root: str, search: Sequence[str], applets: Collection[str]) -> dict[str, str]:
    """Return the programs of the bundle that have an applet's name, as PATH finds them."""
    found: dict[str, str] = {}
    for directory in reversed(search):
        here = inside(root, directory)
        names = os.listdir(here) if os.path.isdir(here) else ()
        for name in frozenset(applets).intersection(names):
            path = f"{directory}/{name}"
            if os.path.isfile(inside(root, path)):
                found[name] = path
    return found


def prelude(programs: Mapping[str, str], applets: Iterable[str] = ()) -> str:
    """Return shell commands that give these names to programs of the bundle, and to applets.

    Functions and aliases are what the command itself sees, and no other program.
    """
    lines = [_definition(name, shlex.quote(path)) for name, path in sorted(programs.items())]
    own = [_definition(name, f"__applet {shlex.quote(name)}") for name in sorted(applets)]
    return "".join([*lines, *([RUN_APPLET] if own else []), *own])


def _definition(name: str, words: str) -> str:
    if name.isascii() and name.isidentifier():
        return f'{name}() {{ {words} "$@"; }}\n'
    return f"alias {shlex.quote(f'{name}={words}')}\n"


def _copy(
    busybox: str, copy: str, applets: Sequence[str], names: Collection[str]
) -> frozenset[str]:
    """Copy busybox, without applets of these names where that can be; return those left out.

    Debian's is built so that its shell, env, xargs and find run an applet of the given name without
    looking at PATH (FEATURE_PREFER_APPLETS).
    """
    hidden = frozenset(applets).intersection(names)
    with open(busybox, "rb") as file:
        content = file.read()
    changed = hide(content, applets, hidden) if hidden else None
    if changed is not None:
        _write(copy, changed)
        with contextlib.suppress(OSError):
            if _hides(_list(copy), applets, hidden):
                return hidden
    _write(copy, content)
    return frozenset()


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as program:
        program.write(content)
    os.chmod(path, 0o755)  # noqa: S103 - a program


def _hides(names: Sequence[str], applets: Sequence[str], hidden: Collection[str]) -> bool:
    same = all((a == b) != (a in hidden) for a, b in zip(applets, names, strict=False))
    return same and len(names) == len(applets) and not set(names).intersection(hidden)


def hide(content: bytes, applets: Sequence[str], hidden: Collection[str]) -> bytes | None:
    """Return a busybox that has other names for ``hidden`` applets; None where none is found.

    Its table has them in order, each ending in NUL.
    """
    table = b"".join(name.encode() + b"\0" for name in applets)
    if content.count(table) != 1:
        return None
    names = [name.encode() for name in applets]
    for i, applet in enumerate(applets):
        if applet in hidden:
            before, after = names[i - 1 : i][:1], names[i + 1 : i + 2]
            other = _unused(names[i], b"".join(before), b"".join(after) or b"\xff")
            if other is None:
                return None
            names[i] = other
    return content.replace(table, b"".join(name + b"\0" for name in names))


def _unused(name: bytes, before: bytes, after: bytes) -> bytes | None:
    """Return a name as long as ``name`` that keeps the table in order: busybox searches by it."""
    for last in range(name[-1] - 1, 0, -1):
        if before < (other := name[:-1] + bytes((last,))):
            return other
    return next(
        (
            other
            for last in range(name[-1] + 1, 127)
            if name < (other := name[:-1] + bytes((last,))) < after
        ),
        None,
    )

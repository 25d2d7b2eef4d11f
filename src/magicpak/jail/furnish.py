"""Furnish a jail: busybox, devices, and what else a container has that its image has not."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence

from magicpak.errors import IoError
from magicpak.jail.enter import Room
from magicpak.jail.plant import inside
from magicpak.system import process

log = logging.getLogger(__name__)

DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
"""Names in /dev, with major and minor number (null(4), random(4), tty(4))."""

LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
}

GIVEN = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""What a container runtime puts into /etc."""

SHELLS = frozenset({"ash", "sh"})
"""Applets that stay even where the bundle has a program of that name: one runs the command."""

SELF = b"\0/proc/self/exe\0"
"""How busybox finds itself, to run one of its applets in a new process."""


def furnish(root: str, executable: str) -> Room:
    """Add what a container runtime adds, where the bundle has no such thing."""
    for path, mode in (("/proc", 0o755), ("/dev", 0o755), ("/dev/shm", 0o1777), ("/tmp", 0o1777)):  # noqa: S108 - of the jail
        directory(root, path, mode)
    for path, target in LINKS.items():
        if not os.path.lexists(place(root, path)):
            os.symlink(target, place(root, path))
    for path in GIVEN:
        if os.path.isfile(path) and not os.path.lexists(place(root, path)):
            directory(root, "/etc")
            shutil.copyfile(path, place(root, path))
            os.chmod(place(root, path), 0o644)
    stand_ins = tuple(
        (f"/dev/{name}", place(root, f"/dev/{name}"))
        for name, number in DEVICES.items()
        if not _make_device(place(root, f"/dev/{name}"), number)
    )
    return Room(root, inside(root, "/proc"), stand_ins, executable)


def _make_device(path: str, number: tuple[int, int]) -> bool:
    """Make a device, or an empty file to mount one on; tell whether the device is there."""
    if os.path.lexists(path):
        return True
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(*number))
        os.chmod(path, 0o666)  # noqa: S103 - as in every /dev
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
    except OSError as e:
        if e.errno == errno.ENXIO:
            # /dev/tty of a process without a terminal.
            return True
        log.debug("no device %s: %s", path, e.strerror)
        if os.path.lexists(path):
            # The file system permits none (nodev).
            os.unlink(path)
        with open(path, "xb"):
            os.chmod(path, 0o666)  # noqa: S103 - it stands for a device
        return False
    return True


def directory(root: str, path: str, mode: int = 0o755) -> str:
    """Make a directory of the jail unless it is there; return where it is on the host."""
    here = inside(root, path)
    if not os.path.isdir(here):
        os.makedirs(here)
        os.chmod(here, mode)
    return here


def place(root: str, path: str) -> str:
    """Return where an entry of the jail is on the host: links are followed but for the last."""
    parent, name = os.path.split(path)
    return os.path.join(inside(root, parent), name)


def home(root: str) -> str:
    """Return root's home directory as container runtimes take it, from the bundle's passwd(5)."""
    try:
        with open(inside(root, "/etc/passwd"), "rb") as lines:
            for line in lines:
                fields = os.fsdecode(line).rstrip("\n").split(":")
                if len(fields) >= 6 and fields[2] == "0":
                    return fields[5] or "/"
    except OSError:
        pass
    return "/"


def add_busybox(root: str, busybox: str, taken: Collection[str]) -> frozenset[str]:
    """Add a copy of busybox that has no applets of the names in ``taken``.

    Return the names that the copy has nevertheless.
    """
    directory(root, "/bin")
    # busybox knows itself by the beginning of its name.
    names = ("busybox", *(f"busybox-{number}" for number in range(10)))
    name = next(name for name in names if not os.path.lexists(place(root, f"/bin/{name}")))
    copy = place(root, f"/bin/{name}")
    applets = _applets(busybox)
    hidden = frozenset(applets) & frozenset(taken) - SHELLS
    with open(busybox, "rb") as program:
        content = program.read()
    if not _write_checked(copy, adapt(content, applets, hidden, f"/bin/{name}"), applets, hidden):
        log.debug("%s: its applets %s cannot be hidden", busybox, sorted(hidden))
        _write_program(copy, content)
        hidden = frozenset()
    for applet in applets:
        link = place(root, f"/bin/{applet}")
        if (applet in SHELLS or applet not in taken) and not os.path.lexists(link):
            os.symlink(name, link)
    return frozenset(applets) & frozenset(taken) - hidden


def _applets(busybox: str) -> tuple[str, ...]:
    done = process.run([busybox, "--list"], timeout=30)
    return tuple(done.stdout.decode(errors="surrogateescape").split())


def adapt(
    content: bytes, applets: Sequence[str], hidden: Collection[str], path: str
) -> bytes | None:
    """Return a busybox that has other names for ``hidden`` applets and finds itself at ``path``.

    Debian's is built so that its shell, env, xargs and find run an applet of the given name without
    looking at PATH. So the names are changed in its table, where they are in order, each ending in
    NUL. None where there is no such table.
    """
    table = b"".join(name.encode() + b"\0" for name in applets)
    if hidden and content.count(b"\0" + table) != 1:
        return None
    names = [name.encode() for name in applets]
    for i, applet in enumerate(applets):
        if applet in hidden:
            before, after = names[i - 1 : i][:1], names[i + 1 : i + 2]
            other = _unused(names[i], b"".join(before), b"".join(after) or b"\xff")
            if other is None:
                return None
            names[i] = other
    renamed = b"".join(name + b"\0" for name in names)
    content = content.replace(b"\0" + table, b"\0" + renamed) if hidden else content
    return content.replace(SELF, b"\0" + path.encode().ljust(len(SELF) - 1, b"\0"))


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


def _write_checked(
    copy: str, content: bytes | None, applets: Sequence[str], hidden: Collection[str]
) -> bool:
    """Write a changed busybox, and tell whether it has just the applets that it should have."""
    if content is None:
        return False
    _write_program(copy, content)
    try:
        names = _applets(copy)
    except OSError:
        return False
    same = all((a == b) != (a in hidden) for a, b in zip(applets, names, strict=False))
    return same and len(names) == len(applets) and not set(names).intersection(hidden)


def _write_program(path: str, content: bytes) -> None:
    try:
        with open(path, "wb") as program:
            program.write(content)
        os.chmod(path, 0o755)  # noqa: S103 - a program
    except OSError as e:
        raise IoError.of(e, path) from e


def bundled_names(root: str, search: Iterable[str], executables: Iterable[str]) -> frozenset[str]:
    """Return the names by which programs of the bundle are found in the directories ``search``."""
    names = {os.path.basename(path) for path in executables}
    for path in search:
        here = inside(root, path)
        if os.path.isdir(here):
            names.update(os.listdir(here))
    return frozenset(names)


def environment(root: str, env: Mapping[str, str], executables: Sequence[str]) -> dict[str, str]:
    """Return the environment, with the programs' directories on PATH, and HOME where it has none.

    The directories come last: what a container finds without them is found.
    """
    search = [path for path in env.get("PATH", "").split(":") if path]
    for path in map(os.path.dirname, executables):
        if path not in search and ":" not in path:
            search.append(path)
    return {"HOME": home(root), **env, "PATH": ":".join(search)}

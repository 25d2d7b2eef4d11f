"""Furnish a jail with what a container has that its image has not."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from magicpak.errors import IoError
from magicpak.jail.container import (
    DEVICES,
    GIVEN,
    HARMLESS,
    HOSTS,
    LINKS,
    MASKED,
    MOUNTS,
    POINTS,
    READ_ONLY,
    Mount,
)
from magicpak.jail.plant import inside
from magicpak.system import kernel, user
from magicpak.system.user import User

WITHOUT_MOUNTS = (
    "no mounts are permitted: /proc has no more than self/exe and the outputs in self/fd, /sys has "
    "nothing, and there is no /dev/pts; root lacks CAP_SYS_CHROOT and CAP_MKNOD, with "
    "which it would get out, may not signal all processes at once, and has no_new_privs"
)

ONE_USER = (
    "without privileges there is one user: the files of the bundle belong to it, and it has no "
    "further groups"
)

SELF = b"/proc/self/exe\0"
"""How busybox finds itself, to run one of its applets in a new process."""

SHELL = "/dev/.busybox"
"""Where busybox lies in a jail without /proc; not longer than the path above."""


def prepare(root: str) -> None:
    """Add the directories and files that every container has. Raises IoError."""
    try:
        for path in POINTS:
            os.makedirs(inside(root, path), 0o755, exist_ok=True)
        name = os.uname().nodename
        _write(root, "/etc/hosts", f"{HOSTS}127.0.0.1\t{name}\n")
        _write(root, "/etc/hostname", f"{name}\n")
        _write(root, "/etc/resolv.conf", _content("/etc/resolv.conf"))
        if not os.path.lexists(table := os.path.join(inside(root, "/etc"), "mtab")):
            os.symlink("/proc/mounts", table)
    except OSError as e:
        raise IoError.of(e) from e


def _content(path: str) -> str:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return os.fsdecode(file.read())
    return ""


def _write(root: str, path: str, text: str) -> None:
    here = inside(root, path)
    os.makedirs(os.path.dirname(here), 0o755, exist_ok=True)
    # What is there may be a link to the bundle's own file.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(here)
    with open(here, "xb") as file:
        file.write(os.fsencode(text))
    os.chmod(here, 0o644)


def root_user(root: str) -> User:
    """Return root as the bundle's passwd(5) and group(5) have it, as container runtimes do."""
    passwd, group = (_content(inside(root, f"/etc/{name}")) for name in ("passwd", "group"))
    return user.find("0", passwd, group)


# In the new process


def mount(root: str) -> Iterator[str]:
    """Mount what a container has, and yield what cannot be."""
    # A mount point, to be the root of a namespace.
    kernel.mount(root, root, flags=kernel.MS_BIND | kernel.MS_REC)
    for each in MOUNTS:
        place = inside(root, each.place)
        os.makedirs(place, 0o755, exist_ok=True)
        if not _mounted(each, place):
            yield f"there is no {each.place}"
    for path in GIVEN:
        # An earlier test may have removed it.
        with contextlib.suppress(OSError):
            here = inside(root, path)
            kernel.mount(here, here, flags=kernel.MS_BIND)
    yield from _fill_dev(root, bind=True)
    if os.path.exists(inside(root, "/dev/pts/ptmx")):
        os.symlink("pts/ptmx", inside(root, "/dev") + "/ptmx")
    for path in (*READ_ONLY, *MASKED):
        # Where the kernel has no such thing, or it is masked in a container around this one.
        with contextlib.suppress(OSError):
            _protect(root, path)


def _mounted(wanted: Mount, place: str) -> bool:
    for data in wanted.data:
        with contextlib.suppress(OSError):
            kernel.mount(wanted.kind, place, wanted.kind, wanted.flags, data)
            return True
    # In a container that hides parts of /proc, only what is there already may be mounted.
    with contextlib.suppress(OSError):
        if wanted.bound:
            kernel.mount(wanted.place, place, flags=kernel.MS_BIND | kernel.MS_REC)
            if wanted.flags & kernel.MS_RDONLY:
                _remount(place, kernel.MS_RDONLY)
            return True
    return False


def _remount(place: str, flags: int) -> None:
    kernel.mount(None, place, flags=kernel.MS_REMOUNT | kernel.MS_BIND | HARMLESS | flags)


def _protect(root: str, path: str) -> None:
    """Hide a path, or make it read-only."""
    place = os.path.join(root, path[1:])
    if path in READ_ONLY:
        kernel.mount(place, place, flags=kernel.MS_BIND | kernel.MS_REC)
        _remount(place, kernel.MS_RDONLY)
    elif stat.S_ISDIR(os.lstat(place).st_mode):
        kernel.mount("tmpfs", place, "tmpfs", kernel.MS_RDONLY)
    else:
        kernel.mount(inside(root, "/dev/null"), place, flags=kernel.MS_BIND)


def make(root: str) -> Iterator[str]:
    """Make what can be had without mounts, and yield what cannot; once more, it adds nothing."""
    yield WITHOUT_MOUNTS
    for path in ("/proc", "/sys"):
        os.chmod(inside(root, path), 0o555)  # noqa: S103 - as where one is mounted
    for name in ("shm", "mqueue"):
        directory = os.path.join(inside(root, "/dev"), name)
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o1777)  # noqa: S103 - as in every /dev
    yield from _fill_dev(root, bind=False)


def _fill_dev(root: str, *, bind: bool) -> Iterator[str]:
    """Make the devices and links of /dev, and yield what cannot be made."""
    directory = inside(root, "/dev")
    for name, target in LINKS.items():
        # A kernel may have no /proc/kcore.
        if name != "core" or os.path.exists(target):
            with contextlib.suppress(FileExistsError):
                os.symlink(target, os.path.join(directory, name))
    for name, number in DEVICES.items():
        path = os.path.join(directory, name)
        if not os.path.lexists(path) and not _make_device(path, number, bind):
            yield f"there is no /dev/{name}"


def _make_device(path: str, number: tuple[int, int], bind: bool) -> bool:
    """Make a device, or bind that of the host; tell whether it is there."""
    name = os.path.basename(path)
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(*number))
        os.chmod(path, 0o666)  # noqa: S103 - as in every /dev
        # Where the file system or the control group permits none, opening one is refused; a
        # terminal is refused in any case, because there is none.
        if name != "tty":
            os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    else:
        return True
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.chmod(path, 0o666)  # noqa: S103 - it stands for a device
    with contextlib.suppress(OSError):
        if bind:
            kernel.mount(f"/dev/{name}", path, flags=kernel.MS_BIND)
            return True
    # An empty file reads like /dev/null, and like no other device.
    if name != "null":
        os.unlink(path)
    return False


def has_proc(root: str) -> bool:
    """Tell whether the jail has the /proc of a kernel."""
    return os.path.exists(inside(root, "/proc/version"))


def point_proc(root: str, executable: str) -> None:
    """Let /proc/self/exe be a link to this path of the jail.

    upx-packed programs open it, and the loader takes $ORIGIN from it. It is wrong for every other
    program; nothing at all would be wrong for this one too.
    """
    link = os.path.join(inside(root, "/proc"), "self/exe")
    os.makedirs(os.path.dirname(link), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(link)
    os.symlink(executable, link)


def place_shell(root: str, program: int) -> str:
    """Place a busybox where it finds itself without /proc/self/exe; return its path in the jail."""
    with open(program, "rb", closefd=False) as file:
        file.seek(0)
        content = file.read()
    here = inside(root, SHELL)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(here)
    with open(here, "xb") as file:
        file.write(content.replace(SELF, SHELL.encode().ljust(len(SELF) - 1, b"\0") + b"\0"))
    os.chmod(here, 0o755)  # noqa: S103 - a program
    return SHELL

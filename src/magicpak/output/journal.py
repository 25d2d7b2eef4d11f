"""Undo what a killed run has moved into an OUTPUT that it could not replace by one rename.

Such a run (OUTPUT is a mount point, or the working directory) moves the entries one by one. It
writes down their names beforehand, in its staging directory; the next run moves them back.
"""

from __future__ import annotations

import contextlib
import os
import stat

from magicpak.system import workdir

TREE = "bundle"
"""The bundle itself, in the staging directory."""
JOURNAL = "journal"


def write(stage: str, target: os.stat_result, names: list[str]) -> None:
    """Note which entries are about to be moved to which directory. Raises OSError."""
    lines = [f"{target.st_dev} {target.st_ino}", *names]
    with open(os.path.join(stage, JOURNAL), "xb") as file:
        file.write(os.fsencode("\0".join(lines)))


def recover(directory: str, output: str, target: os.stat_result) -> None:
    """Take back what dead runs that staged in ``directory`` have moved to ``output``."""
    with contextlib.suppress(OSError):  # without it, OUTPUT is refused, as not empty
        for name in os.listdir(directory):
            stage = os.path.join(directory, name)
            if workdir.is_private(stage) and workdir.is_dead(stage):
                _undo(stage, output, target)


def _undo(stage: str, output: str, target: os.stat_result) -> None:
    try:
        with open(os.path.join(stage, JOURNAL), "rb") as file:
            where, *names = os.fsdecode(file.read()).split("\0")
    except FileNotFoundError:
        return
    tree = os.path.join(stage, TREE)
    # Nothing is left to be moved: the bundle is whole, and stays.
    if where != f"{target.st_dev} {target.st_ino}" or not os.listdir(tree):
        return
    for name in names:
        if not os.path.lexists(os.path.join(tree, name)):
            move(os.path.join(output, name), os.path.join(tree, name))


def move(source: str, place: str) -> None:
    """Move an entry; without privileges, a directory has to be writable for that."""
    status = os.lstat(source)
    if stat.S_ISDIR(status.st_mode):
        os.chmod(source, 0o700)
    os.rename(source, place)
    if stat.S_ISDIR(status.st_mode):
        os.chmod(place, stat.S_IMODE(status.st_mode))

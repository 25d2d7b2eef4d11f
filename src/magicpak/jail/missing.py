"""Say what a run in a jail looked for in vain, with the option that brings it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence

from magicpak.jail.lookups import Lookup
from magicpak.jail.plant import inside

NAMED = 5
"""How many files a message names."""

NOT_BUNDLED = ("/proc/", "/sys/", "/dev/", "/run/", "/var/run/", "/tmp/", "/etc/ld.so.")  # noqa: S108
"""Where a file that was looked for is not the bundle's matter."""

SELDOM = ("/locale/", "/gconv/", "/terminfo/", "/localtime", "/nsswitch.conf", "/openssl.cnf")
"""Parts of paths that nearly every program looks for, and does well without."""

SHELL = "/bin/sh"

TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - of the jail
"""Directories that programs expect without making anything there yet."""

KERNEL = ("/proc/", "/sys/", "/dev/")
"""Directories that no bundle has to bring."""


def suspects(
    seen: Iterable[Lookup], root: str, exists: Callable[[str], bool] = os.path.exists
) -> tuple[str, ...]:
    """Return what was not found in the jail and is on the host, the likeliest first."""
    listed = list(seen)
    # What is found in one directory has often been looked for in others.
    had = {os.path.basename(lookup.path) for lookup in listed if lookup.found}
    candidates: dict[str, str] = {}
    # The last thing a program looked for is the likeliest reason for its end.
    for lookup in reversed(listed):
        path = os.path.normpath(lookup.path)
        passed_over = path.startswith(NOT_BUNDLED) or path == SHELL or os.path.basename(path) in had
        if lookup.found or passed_over:
            continue
        if exists(path) and _specific(path) and not os.path.lexists(inside(root, path)):
            # Of several names for one file, the one that was tried first.
            candidates[os.path.realpath(path)] = path
    named = list(candidates.values())
    # A directory brings what is in it.
    paths = [path for path in named if not path.startswith(tuple(f"{each}/" for each in named))]
    paths.sort(key=lambda path: any(part in path for part in SELDOM))
    return tuple(paths[:NAMED])


def _specific(path: str) -> bool:
    """Tell whether a path is a file, or a directory that belongs to one package (hier(7))."""
    if not os.path.isdir(path):
        return True
    name = os.path.basename(path)
    # The loader asks for the directories of libraries, which nobody wants whole.
    return path.count("/") >= 3 and not name.startswith("lib") and "-linux-" not in name


def reasons(seen: Sequence[Lookup], root: str, search: Sequence[str]) -> Iterator[str]:
    """Say which shell, directories and commands a run lacked; ``search`` is its PATH."""
    asked = any(lookup.path == SHELL and not lookup.found for lookup in seen)
    if asked and not os.path.lexists(inside(root, SHELL)):
        yield (
            f"it starts {SHELL}, as system(3) and popen(3) do, which is not in the bundle: "
            f"add --include {SHELL}"
        )
    for path in _directories(seen, root)[:NAMED]:
        yield f"it uses the directory {path}, which is not in the bundle: add --mkdir {path}"
    for name in _commands(seen, search)[:NAMED]:
        here = shutil.which(name)
        if here is None:
            yield f"it runs the command {name}, which this machine does not have either"
        elif os.path.dirname(here) not in search:
            yield f"it runs the command {name}: add --include {here}, and its directory to PATH"


def _directories(seen: Sequence[Lookup], root: str) -> list[str]:
    """Return the absent directories in which something was to be made, or was expected."""
    found: dict[str, None] = {}
    for lookup in reversed(seen):
        path = os.path.normpath(lookup.path)
        wanted = os.path.dirname(path) if lookup.made else path
        if lookup.found or not (lookup.made or wanted in TEMPORARY) or path.startswith(KERNEL):
            continue
        if not os.path.lexists(inside(root, wanted)):
            found[wanted] = None
    return list(found)


def _commands(seen: Sequence[Lookup], search: Sequence[str]) -> list[str]:
    """Return the names that were looked for in each directory of PATH, and found in none."""
    asked: dict[str, set[str]] = {}
    found = set()
    for lookup in seen:
        directory, name = os.path.split(lookup.path)
        if directory in search:
            asked.setdefault(name, set()).add(directory)
            if lookup.found:
                found.add(name)
    return [name for name, places in asked.items() if places == set(search) and name not in found]

"""Roots with databases of packages, and what the package managers themselves say."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from magicpak.host import Host
from magicpak.inventory import Inventory, Package

DPKG = "var/lib/dpkg"
APK = "lib/apk/db/installed"


def look_at(
    root: Path, files: Mapping[str, str | bytes], links: Mapping[str, str] | None = None
) -> Inventory:
    """Write links and files below a root, by their paths there, and look at it."""
    root.mkdir(exist_ok=True)
    for path, text in (links or {}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(text)
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content.encode() if isinstance(content, str) else content)
    return Inventory(Host(str(root)))


def stanza(name: str, *fields: str, version: str = "1", architecture: str = "amd64") -> str:
    """Describe an installed package as dpkg does; a field given again replaces the first."""
    said = dict(field.split(": ", 1) for field in (
        f"Package: {name}", "Status: install ok installed", f"Architecture: {architecture}",
        f"Version: {version}", *fields,
    ))  # fmt: skip
    return "".join(f"{field}: {value}\n" for field, value in said.items()) + "\n"


def listing(*paths: str) -> str:
    """List files as dpkg does, with the directories that they lie in."""
    parents = {str(parent) for path in paths for parent in Path(path).parents} - {"/"}
    return "".join(f"{path}\n" for path in ("/.", *sorted({*parents, *paths})))


def dpkg(packages: Mapping[str, Iterable[str]], *stanzas: str) -> dict[str, str]:
    """Make a database: lists by what stands before ``.list``, and the status."""
    lists = {f"{DPKG}/info/{key}.list": listing(*paths) for key, paths in packages.items()}
    described = stanzas or tuple(stanza(key.partition(":")[0]) for key in packages)
    return {f"{DPKG}/status": "".join(described), **lists}


def names(owners: Mapping[str, Package]) -> dict[str, str]:
    """Name the packages only."""
    return {str(path): package.name for path, package in owners.items()}


def owners_by_dpkg(paths: Iterable[str]) -> dict[str, set[str]]:
    """Ask dpkg-query(1) for the packages that have a path spelled like this."""
    run = subprocess.run(
        ["xargs", "-d", "\n", "dpkg-query", "--search"],
        input="\n".join(path.replace("\\", "\\\\") for path in paths),
        capture_output=True,
        text=True,
        check=False,
    )
    found: defaultdict[str, set[str]] = defaultdict(set)
    for line in run.stdout.splitlines():
        if not line.startswith(("diversion by ", "local diversion ")):
            packages, _, path = line.partition(": ")
            found[path].update(package.partition(":")[0] for package in packages.split(", "))
    return found


def diverted() -> set[str]:
    """Ask dpkg-divert(1) for the paths that are moved, and where they are moved to."""
    run = subprocess.run(["dpkg-divert", "--list"], capture_output=True, text=True, check=False)
    return {word for line in run.stdout.splitlines() for word in line.split() if word[0] == "/"}

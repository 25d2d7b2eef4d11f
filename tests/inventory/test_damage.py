"""Whatever the bytes of a database are, the run goes on."""

from __future__ import annotations

import functools
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magicpak.inventory.os_release import Distribution
from magicpak.inventory.purl import purl
from support.packages import APK, DPKG, dpkg, look_at, stanza
from support.rpms import bdb, header, ndb, sqlite

RPM = "var/lib/rpm"
PATHS = [f"/usr/lib/deep/{name}" for name in ("a", "b", "c")]


@functools.cache
def database(kind: str) -> tuple[str, dict[str, bytes]]:
    """Make a sound database; return the file to damage, and all of them."""
    headers = [header(path[-1] * 300, path, *map(str, range(1000))) for path in PATHS]
    if kind in ("status", "info/a:amd64.list", "diversions", "status.d/b", "status.d/b.md5sums"):
        files = dpkg({"a:amd64": PATHS[:1], "c": PATHS[2:]}, stanza("a"), stanza("c"))
        files[f"{DPKG}/diversions"] = f"{PATHS[2]}\n{PATHS[2]}.moved\na\n" * 3
        files[f"{DPKG}/status.d/b"] = stanza("b")
        files[f"{DPKG}/status.d/b.md5sums"] = f"{'0' * 32}  usr/lib/deep/b\n"
        return f"{DPKG}/{kind}", {path: text.encode() for path, text in files.items()}
    if kind == "apk":
        stanzas = (f"P:{p[-1]}\nV:1\nF:usr/lib/deep\nR:{p[-1]}\nZ:Q1x=\n\n" for p in PATHS)
        return APK, {APK: "".join(stanzas).encode()}
    if kind == "ndb":
        return f"{RPM}/Packages.db", {f"{RPM}/Packages.db": ndb(headers)}
    name = f"{RPM}/{'Packages' if kind == 'bdb' else 'rpmdb.sqlite'}"
    with tempfile.TemporaryDirectory() as directory:
        (bdb if kind == "bdb" else sqlite)(Path(directory, "store"), headers)
        return name, {name: Path(directory, "store").read_bytes()}


@pytest.mark.parametrize("kind", [
    "status", "info/a:amd64.list", "diversions", "status.d/b", "status.d/b.md5sums", "apk", "ndb",
    "sqlite", pytest.param("bdb", marks=pytest.mark.needs("db5.3_load")),
])  # fmt: skip
@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 30), st.none() | st.floats(0, 1))
def test_damage_is_never_raised(
    kind: str, chance: random.Random, flips: int, cut: float | None
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        damaged, sound = database(kind)
        content = bytearray(sound[damaged])
        # Most of what leads anywhere is at the beginning.
        for _ in range(flips):
            end = min(chance.choice([64, 512, 8192, len(content)]), len(content))
            content[chance.randrange(end)] = chance.choice([0, 1, 255, 10, 13, 7])
        left = bytes(content[: None if cut is None else int(cut * len(content))])
        inventory = look_at(Path(directory, "root"), {**sound, damaged: left})
        owners = inventory.owners([*PATHS, f"{PATHS[2]}.moved"])
        found = [package for path in PATHS for package in inventory.find(path[-1] * 300)]
        for package in (*owners.values(), *found):
            assert str(package).startswith(package.name)
            assert purl(package, Distribution()).startswith("pkg:")
            inventory.run_time_files(package)
            inventory.licence_files(package)
            inventory.checksums(package)
        if flips == 0 and cut is None:
            assert len(owners) >= len(PATHS) - (kind == "diversions")

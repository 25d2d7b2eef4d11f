"""In a bundle laid out for a merged /usr, each path leads to the same as before: random trees."""

from __future__ import annotations

import logging
import os
import random

import pytest

from magicpak import MagicpakError
from magicpak.plan import Bundle, Entry, File
from magicpak.plan.merged_usr import merge
from support.plans import directory, file, link, placed

CASES = int(os.environ.get("MAGICPAK_TESTS_CASES", "3000"))
SEED = int(os.environ.get("MAGICPAK_TESTS_SEED", "1"))
TOPS = ("bin", "lib", "sbin", "lib64")
NAMES = ("a", "b", "bin", "lib", "sub")


def tree(rng: random.Random) -> dict[str, Entry]:
    """Draw files, links and directories at and below /, /usr, /opt and what is merged."""
    heads = ["", "/usr", "/opt", *(f"{up}/{top}" for up in ("", "/usr") for top in TOPS)]
    below = [f"{head}/{name}" for head in heads for name in NAMES]
    paths = [*heads[1:], *below, *(f"{path}/{name}" for path in below for name in ("a", "b"))]
    entries: dict[str, Entry] = {}
    for path in rng.sample(paths, rng.randint(2, 14)):
        kind = rng.random()
        if kind < 0.4:
            entries[path] = file(len(entries) + 1)
        elif kind < 0.6:
            entries[path] = directory()
        else:
            entries[path] = link(text(rng, paths))
    return entries


def text(rng: random.Random, paths: list[str]) -> str:
    """Draw the text of a link: absolute, relative, with ``..`` at any place."""
    target = rng.choice(paths)
    if rng.random() < 0.3:
        return target
    if rng.random() < 0.3:
        return f"/{rng.choice(TOPS)}/../{rng.choice(NAMES)}"
    up = "../" * rng.randint(0, 3)
    middle = rng.choice(["", "", "sub/../", "./"])
    return up + middle + rng.choice([target[1:], rng.choice(NAMES), ".."])


def plan(entries: dict[str, Entry]) -> Bundle:
    """Lay the entries out as a run does; entries below a file are an error there."""
    bundle = Bundle().add(placed(path, each) for path, each in entries.items()).settled()
    bundle.refuse_below_files()
    return bundle


def leads_to(bundle: Bundle, path: str) -> object:
    """Tell what a path leads to: a file, a directory, or nothing."""
    place = bundle.resolve(path)
    item = bundle.get(place) if place is not None else None
    if item is not None and isinstance(item.entry, File):
        return item.entry.identity
    return None if place is None else "a directory"


def differences(entries: dict[str, Entry]) -> list[str]:
    """List the paths that lead elsewhere once the bundle is laid out for a merged /usr."""
    before = plan(entries)
    after = merge(before).settled()
    after.refuse_below_files()
    paths = {*entries, *(path for path, _ in before), *before.directories}
    # What is written has the directories that a link only passes.
    after = after.add(placed(path, directory()) for path in after.scaffold())
    found = [(path, leads_to(before, path), leads_to(after, path)) for path in sorted(paths)]
    return [f"{path}: {then} -> {now}" for path, then, now in found if then and then != now]


def test_every_path_leads_to_the_same_or_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    compared = 0
    for number in range(SEED, SEED + CASES):
        entries = tree(random.Random(number))  # noqa: S311  not for secrets
        caplog.clear()
        try:
            plan(entries)
        except MagicpakError:
            continue
        caplog.clear()
        try:
            found = differences(entries)
        except MagicpakError:
            continue
        told = [record for record in caplog.records if record.levelno >= logging.WARNING]
        compared += not told
        assert not found or told, (number, found, {path: str(e) for path, e in entries.items()})
    assert compared > CASES // 4


@pytest.mark.parametrize(
    "entries",
    [
        {"/sbin": directory()},
        {"/lib": directory(), "/usr/lib": link("../lib")},
        {"/lib/a": file(1), "/usr/lib": link("../lib"), "/etc/l": link("../usr/lib/a")},
        {"/lib/a": file(1), "/b": file(2), "/etc/l": link("/lib/../b")},
        {"/lib/sub": link("../opt"), "/opt/a": file(1), "/b": file(2), "/l": link("lib/sub/../b")},
        {"/lib/up": link(".."), "/b": file(1), "/l": link("lib/up/b")},
        {"/lib/a": file(1), "/usr/lib": link("../lib/sub"), "/lib/sub/b": file(2)},
        {"/lib": directory(), "/usr/lib": link("a")},
        {"/lib/a": file(1), "/usr/lib": link("/opt/b"), "/bin/a": file(2),
         "/l": link("/lib/../bin")},
    ],
)  # fmt: skip
def test_no_path_of_these_trees_leads_elsewhere(entries: dict[str, Entry]) -> None:
    assert differences(entries) == []

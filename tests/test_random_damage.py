"""15,000 files and patterns damaged at random end in a result or an error of ours."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from magicpak import MagicpakError, elf
from magicpak.host import Host, globbing, script
from magicpak.loader import cache, conf
from magicpak.loader.cache import CacheEntry
from magicpak.plan import patterns
from support.elves import Made, dlopen_note

Attack = Callable[[bytes, Path], object]

RARE = (b"\0", b"\xff", b"\xed\xa0\x80", b"\\", b"\n", b"\r", b"#!", b"[", b"**", b"'", b'"',
        b"/", b"include ", b"\x7f" * 8, b"\xff" * 4,
        b" " * 300, b"\\ud800", b"\\u0000", b"..")  # fmt: skip

CACHE = cache.serialise(
    [CacheEntry(f"lib{n}.so", f"/opt/lib{n}.so", 0x0303, "x86-64-v3") for n in range(9)], True
)
NOTE = '[{"soname": ["liba.so.1"], "feature": "x", "priority": "required"}]'


def run_script(data: bytes, _directory: Path) -> None:
    line = script.first_line("script", data)
    if line is not None:
        script.named("script", line)


def read_note(data: bytes, directory: Path) -> None:
    Made([("needed", "libc.so.6")], notes=data).write(directory / "elf")
    try:
        elf.read(str(directory / "elf"))
    except MagicpakError:
        pytest.fail("a note is never more than a warning")


def read_cache(data: bytes, _directory: Path) -> None:
    cache.select(cache.parse(data, True), 0x0303).lookup("lib1.so", ("x86-64-v3",))


def use_pattern(data: bytes, directory: Path) -> None:
    text = os.fsdecode(data)
    patterns.exclude(text)("/usr/lib/a")
    # None of them leads out of the directory.
    globbing.matches(Host(str(directory)), patterns.include(f"/x/{text}"))


def read_conf(data: bytes, directory: Path) -> None:
    (directory / "etc").mkdir(exist_ok=True)
    (directory / "etc/ld.so.conf").write_bytes(data)
    conf.cache(Host(str(directory)), 0x0303)


ATTACKS: dict[str, tuple[bytes, Attack]] = {
    "script": (b"#! /usr/bin/env -S A=b python3 -u 'x y'\nprint(1)\n", run_script),
    "note": (dlopen_note(NOTE), read_note),
    "cache": (CACHE, read_cache),
    "pattern": (b"usr/**/lib[!a-c]?/*.so.[0-9]", use_pattern),
    "conf": (b"include /etc/ld.so.conf.d/*.conf\n/usr/lib # x\n/opt/lib=libc6\n", read_conf),
}


def damaged(sound: bytes, chance: random.Random) -> bytes:
    """Cut, overwrite and insert, a few times."""
    data = bytearray(sound)
    for _ in range(chance.randrange(1, 9)):
        at = chance.randrange(len(data) + 1)
        piece = chance.choice((*RARE, bytes([chance.randrange(256)])))
        how = chance.randrange(3)
        if how == 0:
            data[at : at + len(piece)] = piece
        elif how == 1:
            data[at:at] = piece
        elif chance.randrange(4) == 0:
            del data[at:]
    return bytes(data)


@pytest.mark.parametrize("kind", ATTACKS)
def test_damage_at_random_is_told_or_borne(tmp_path: Path, kind: str) -> None:
    sound, attack = ATTACKS[kind]
    attack(sound, tmp_path)
    chance = random.Random(12)  # noqa: S311  the same damage each time
    for _ in range(3_000):
        data = damaged(sound, chance)
        with contextlib.suppress(MagicpakError):
            attack(data, tmp_path)

"""Which of the host's files an include pattern matches."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from magicpak import Options, pack
from magicpak.host import Host, globbing
from magicpak.plan import patterns
from support.command import paths
from support.packing import bundled, symlink, write


@pytest.fixture
def globbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a.c", "b.c", ".c.c", "d/e.c", "d/.f/g.c", "d/sp ace", "d/new\nline", "[x]"):
        write(tmp_path / name)
    (tmp_path / os.fsdecode(b"d/non\xff")).write_text("")
    symlink(tmp_path / "d" / "back", "..")
    symlink(tmp_path / "dangling.c", "gone")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("pattern", "expected"), [
    ("*.c", [".c.c", "a.c", "b.c", "dangling.c"]),
    ("?.c", ["a.c", "b.c"]),
    ("[!a].c", ["b.c"]),
    ("[a-c].c", ["a.c", "b.c"]),
    ("d/*.c", ["d/e.c"]),
    ("*/*.c", ["d/e.c"]),
    ("d/*/g.c", ["d/.f/g.c"]),
    ("**/g.c", ["d/.f/g.c"]),
    ("d/**/*.c", ["d/.f/g.c", "d/e.c"]),
    ("d/sp ace", ["d/sp ace"]),
    ("d/*\n*", ["d/new\nline"]),
    ("d/non?", ["d/non\udcff"]),
    ("d/n*", ["d/new\nline", "d/non\udcff"]),
    ("./a.c", ["./a.c"]),
    ("d/../a.*", ["d/../a.c"]),
    ("[[]x]", ["[x]"]),
    ("a.c/*", []),
    ("a.c/..", []),
    ("none/*", []),
    ("", []),
    ("d/", ["d"]),
    ("a.c/", []),
    ("*/", ["d"]),
    ("**/**/e.c", ["d/e.c"]),
    ("none/" * 3000 + "*", []),
])  # fmt: skip
def test_an_include_pattern_matches_by_component(
    globbed: Path, pattern: str, expected: list[str]
) -> None:
    found = globbing.matches(Host(), patterns.include(pattern))
    assert [path for path in found if "/back/" not in path] == expected
    absolute = globbing.matches(Host(), patterns.include(f"{globbed}/{pattern}"))
    if pattern and not pattern.startswith("./"):
        inside = [path.removeprefix(f"{globbed}/") for path in absolute]
        assert [path for path in inside if "/back/" not in path] == expected


def test_two_stars_follow_no_circle(globbed: Path) -> None:
    found = globbing.matches(Host(), patterns.include("**/a.c"))
    assert found == ["a.c"]
    assert globbed.is_dir()


def test_a_relative_pattern_keeps_relative_paths(globbed: Path) -> None:
    out = globbed / "out"
    pack(Options(("/bin/true",), str(out), include=("d/*.c", "../*/a.c")))
    assert "/d/e.c" in paths(out)
    assert f"/{globbed.name}/a.c" in paths(out)


def test_names_of_any_bytes_are_bundled(globbed: Path) -> None:
    out = bundled(globbed, "d")
    names = os.listdir(os.fsencode(out / "d"))
    assert {b"sp ace", b"new\nline", b"non\xff", b".f", b"e.c"} <= set(names)

"""The database of apk."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.packages import APK, look_at, names

MUSL = """\
C:Q1WoQZ0vHgfcjxzkQiRvkyAgTbVtQ=
P:musl
V:1.2.5-r0
A:x86_64
S:406902
I:667648
T:the musl c library (libc) implementation
U:https://musl.libc.org/
L:MIT
o:musl-source
m:Timo Teräs <timo.teras@iki.fi>
t:1709319416
c:6f5b2ea7d7d9e9d7f8d3d4aa0c3c4d0dd4d1c4d1
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1cFhPRCXQYvnqcK5CZpcZ7XtzFVQ=
R:libc.musl-x86_64.so.1
a:0:0:777
Z:Q17yJ3JFNypA4mxhJJr0ou6CzsJVI=
"""
TOOL = "P:tool\nV:2-r1\nA:noarch\nF:\nR:.at-the-root\nF:usr\nF:usr/bin\nM:0:0:1777\nR:tool\n"


def test_a_package_says_where_it_comes_from_and_what_it_has(tmp_path: Path) -> None:
    inventory = look_at(tmp_path / "root", {APK: f"{MUSL}\n{TOOL}\n"})
    (musl,) = inventory.find("musl")
    assert musl.type.value == "apk"
    assert musl[1:8] == (
        "musl", "1.2.5-r0", "x86_64", "musl-source", "1.2.5-r0",
        "Timo Teräs <timo.teras@iki.fi>", "MIT",
    )  # fmt: skip
    assert musl.record == MUSL
    libraries = ("/lib/ld-musl-x86_64.so.1", "/lib/libc.musl-x86_64.so.1")
    assert inventory.files(musl) == ("/lib", *libraries)
    (tool,) = inventory.find("tool")
    assert (tool.source, tool.source_version) == ("tool", "2-r1")
    assert inventory.files(tool) == ("/.at-the-root", "/usr", "/usr/bin", "/usr/bin/tool")
    assert inventory.licence_files(tool) == ()
    assert inventory.checksums(tool) == {}


@pytest.mark.parametrize("place", ["lib/apk/db/installed", "usr/lib/apk/db/installed"])
def test_the_database_is_where_apk_tools_2_or_3_have_it(tmp_path: Path, place: str) -> None:
    inventory = look_at(tmp_path / "root", {place: f"{MUSL}\n{TOOL}\n"})
    libc = "/lib/libc.musl-x86_64.so.1"
    expected = {"/usr/bin/tool": "tool", libc: "musl", "/.at-the-root": "tool"}
    assert names(inventory.owners([*expected, "/usr/bin/other"])) == expected


def test_one_database_at_both_places_is_read_once(tmp_path: Path) -> None:
    files = {"usr/lib/apk/db/installed": f"{MUSL}\n"}
    inventory = look_at(tmp_path / "root", files, {"lib": "usr/lib"})
    assert len(inventory.find("musl")) == 1
    loader = "/usr/lib/ld-musl-x86_64.so.1"
    assert names(inventory.owners([loader])) == {loader: "musl"}


@pytest.mark.parametrize(("text", "message"), [
    ("V:1-r0\nF:usr/bin\nR:x\n\n", "is damaged: a stanza without a name (P:) is left aside"),
    ("P:x\nF:usr/bin\nR:x\n\n", "apk's database has no version (V:) of x"),
    ("\0\0\0\0\n\n", "is damaged: a stanza without a name (P:) is left aside"),
])  # fmt: skip
def test_damage_is_told_and_what_is_known_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, message: str
) -> None:
    inventory = look_at(tmp_path / "root", {APK: f"{text}{TOOL}\n"})
    assert names(inventory.owners(["/usr/bin/tool"])) == {"/usr/bin/tool": "tool"}
    assert len(caplog.messages) == 1
    assert message in caplog.messages[0]

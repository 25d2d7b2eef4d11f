"""What programs record that they were built from is read as scanners read it."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from pathlib import Path

import pytest

from magicpak import elf
from magicpak.elf import MalformedExecutable
from magicpak.host import Host
from magicpak.sbom import python
from magicpak.sbom.modules import Module, of_cargo, of_go, of_python
from support.packages import look_at
from support.programs import compile_c

SENTINEL = b"0123456789abcdef"
LINES = (
    "path\texample.org/tool\nmod\texample.org/tool\t(devel)\t\n"
    "dep\tgithub.com/X/y\tv1.2.3\th1:a=\ndep\tgithub.com/old/z\tv0.1.0\n"
    "=>\tgithub.com/new/z\tv0.2.0+incompatible\th1:b=\nbuild\t-compiler=gc\n"
)
EXPECTED = [
    Module("golang", "stdlib", "1.21.3"), Module("golang", "example.org/tool", ""),
    Module("golang", "github.com/X/y", "v1.2.3"),
    Module("golang", "github.com/new/z", "v0.2.0+incompatible"),
]  # fmt: skip
CRATES = {"packages": [
    {"name": "serde", "version": "1.0.1", "source": "crates.io"},
    {"name": "cc", "version": "1.1.0", "source": "crates.io", "kind": "build"},
    {"name": "tool", "version": "0.1.0", "source": "local", "root": True},
]}  # fmt: skip


def program(path: Path, section: str, data: bytes, more: str = "") -> Path:
    """Compile a program with a section."""
    numbers = ",".join(map(str, data))
    return compile_c(path, (
        f'{more}\n__attribute__((section("{section}"), aligned(16), used)) '
        f"char data[] = {{ {numbers} }}; int main(void) {{ return 0; }}"
    ))  # fmt: skip


def info(path: Path) -> object:
    return elf.build_info(os.open(path, os.O_RDONLY), str(path))


def inline(*texts: bytes) -> bytes:
    """Write the section as Go does since 1.18."""
    def counted(text: bytes) -> bytes:
        length, found = len(text), b""
        while length >= 0x80:
            found += bytes([length & 0x7F | 0x80])
            length >>= 7
        return found + bytes([length]) + text

    return b"\xff Go buildinf:\x08\x02" + bytes(16) + b"".join(map(counted, texts))


@pytest.mark.needs("cc")
class TestElf:
    def test_go_since_1_18_has_texts(self, tmp_path: Path) -> None:
        text = SENTINEL + LINES.encode() + SENTINEL
        found = info(program(tmp_path / "tool", ".go.buildinfo", inline(b"go1.21.3", text)))
        assert found == ("go1.21.3", LINES, b"")

    def test_go_before_has_pointers(self, tmp_path: Path) -> None:
        lines = json.dumps("0" * 16 + LINES + "1" * 16)
        source = (
            f'char version[] = "go1.15.9"; char lines[] = {lines};'
            "struct { char *text; long size; } v = { version, sizeof version - 1 },"
            " l = { lines, sizeof lines - 1 };"
            '__attribute__((section(".go.buildinfo"), aligned(16), used))'
            'struct { char magic[16]; void *v, *l; } d = { "\\xff Go buildinf:\\x08", &v, &l };'
            "int main(void) { return 0; }"
        )
        path = compile_c(tmp_path / "tool", source, "-static", "-no-pie")
        assert info(path) == ("go1.15.9", LINES, b"")

    def test_cargo_auditable_has_compressed_json(self, tmp_path: Path) -> None:
        data = zlib.compress(json.dumps(CRATES).encode())
        assert info(program(tmp_path / "tool", ".dep-v0", data)) == ("", "", data)

    @pytest.mark.parametrize("data", [
        b"\xff Go buildinf:", b"\xff Go buildinf:\x08\x02" + bytes(16) + b"\xff" * 40,
        b"\xff Go buildinf:\x08\x00" + struct.pack("<QQ", 1 << 60, 1),
    ])  # fmt: skip
    def test_damage_is_a_malformed_executable_or_nothing(self, tmp_path: Path, data: bytes) -> None:
        path = program(tmp_path / "tool", ".go.buildinfo", data)
        with contextlib.suppress(MalformedExecutable):
            assert info(path) == ("", "", b"")

    def test_another_program_has_none(self) -> None:
        assert info(Path("/bin/sh")) == ("", "", b"")


def test_go_modules_are_those_that_are_in_the_program() -> None:
    assert list(of_go("go1.21.3", LINES)) == EXPECTED
    assert list(of_go("", "path\tcmd/x\n")) == [Module("golang", "cmd/x", "")]
    assert list(of_go("", "=>\nmod\ndep\n\t\n")) == []


def test_crates_of_the_build_are_not_in_the_program() -> None:
    data = zlib.compress(json.dumps(CRATES).encode())
    assert [each.name for each in of_cargo(data)] == ["serde", "tool"]


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"packages": [1]}', b'{"packages": 1}'])
def test_a_damaged_list_of_crates_is_an_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(of_cargo(zlib.compress(text)))
    with pytest.raises(ValueError, match=r"."):
        list(of_cargo(text))


def test_package_urls_follow_their_type() -> None:
    assert EXPECTED[2].purl == "pkg:golang/github.com/x/y@v1.2.3"
    assert Module("pypi", "Foo_Bar.baz", "1").purl == "pkg:pypi/foo-bar-baz@1"
    assert Module("cargo", "a_b", "1.0.0+x").purl == "pkg:cargo/a_b@1.0.0%2Bx"


def test_metadata_names_a_distribution() -> None:
    text = "Metadata-Version: 2.1\nName: Foo\nVersion: 1.2\nLicense: MIT\n\nName: Body\n"
    assert of_python(text) == Module("pypi", "Foo", "1.2", "MIT")
    assert of_python("License: UNKNOWN\nName: Foo\n") == Module("pypi", "Foo", "")
    assert of_python("") is None


SITE = "usr/lib/python3/site-packages"


def test_a_distribution_is_there_if_one_of_its_files_is(tmp_path: Path) -> None:
    def metadata(name: str) -> str:
        return f"Name: {name}\nVersion: 1\n"

    look_at(tmp_path / "root", {
        f"{SITE}/foo_bar-1.dist-info/METADATA": metadata("foo-bar"),
        f"{SITE}/foo_bar-1.dist-info/RECORD": '"odd/a,b.py",sha256=x,1\nodd/c.py,,\n',
        f"{SITE}/absent-1.dist-info/METADATA": metadata("absent"),
        f"{SITE}/absent-1.dist-info/RECORD": "absent.py,,\n",
        f"{SITE}/Top.egg-info/PKG-INFO": metadata("Top"),
        f"{SITE}/Top.egg-info/top_level.txt": "other_name\n",
        f"{SITE}/single-1.egg-info": metadata("single"),
        f"{SITE}/broken.dist-info/RECORD": "odd/c.py,,\n",
    })  # fmt: skip
    names = ("odd/a,b.py", "odd/d.py", "other_name/x.py", "single.py", "unknown.py")
    paths = [f"/{SITE}/{name}" for name in names]
    host = Host(str(tmp_path / "root"))
    assert [(path.rpartition("site-packages/")[2], each.name) for path, each in
            python.modules(host, paths)] == [
        ("other_name/x.py", "Top"), ("odd/a,b.py", "foo-bar"), ("single.py", "single"),
    ]  # fmt: skip

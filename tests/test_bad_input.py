"""What cannot work ends in one clear line and exit 1, with nothing written and no traceback."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from magicpak import MagicpakError, Options, pack
from support.command import done, failed, listing, magicpak, paths
from support.programs import Compile

Make = Callable[[Path], object]


def true() -> bytes:
    return Path("/bin/true").read_bytes()


def huge_offset(field: int) -> Callable[[Path], int]:
    """Write a program in whose header a field of 8 bytes is far beyond the end of the file."""
    content = true()
    damaged = content[:field] + (2**63 + 5).to_bytes(8, "little") + content[field + 8 :]
    return lambda path: path.write_bytes(damaged)


INPUTS: dict[str, tuple[Make, str]] = {
    "missing": (lambda _path: None, "IO error: No such file or directory (os error 2): "),
    "dangling": (lambda path: path.symlink_to("gone"), "IO error: No such file or directory"),
    "circular": (lambda path: path.symlink_to(path.name), "IO error: Too many levels of symbolic"),
    "directory": (lambda path: path.mkdir(), "The executable is malformed: "),
    "fifo": (os.mkfifo, "The executable is malformed: "),
    "null": (lambda path: path.symlink_to("/dev/null"), "The executable is malformed: "),
    "zero": (lambda path: path.symlink_to("/dev/zero"), "The executable is malformed: "),
    "empty": (lambda path: path.touch(), "The executable is malformed: "),
    "text": (lambda path: path.write_text("just text\n"), "The executable is malformed: "),
    "magic": (lambda path: path.write_bytes(b"\x7fELF"), "The executable is malformed: "),
    "header": (lambda path: path.write_bytes(true()[:64]), "The executable is malformed: "),
    "truncated": (lambda path: path.write_bytes(true()[:500]), "The executable is malformed: "),
    "half": (lambda path: path.write_bytes(true()[:15_000]), "The executable is malformed: "),
    "e_phoff": (huge_offset(32), "The executable is malformed: "),
    "zeros": (lambda path: path.write_bytes(bytes(100_000)), "The executable is malformed: "),
}


@pytest.mark.parametrize("name", [b"app", b"a b\nc", b"non\xff", b"-app", b"*[x]"])
@pytest.mark.parametrize("case", INPUTS)
def test_an_input_that_cannot_be_bundled_is_told(tmp_path: Path, case: str, name: bytes) -> None:
    make, expected = INPUTS[case]
    path = tmp_path / os.fsdecode(name)
    make(path)
    before = listing(tmp_path)
    with pytest.raises(MagicpakError) as raised:
        pack(Options((str(path),), str(tmp_path / "out")))
    assert str(raised.value).startswith(expected)
    assert str(path) in str(raised.value)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("case", INPUTS)
def test_the_error_is_one_line_of_the_command(tmp_path: Path, case: str) -> None:
    make, expected = INPUTS[case]
    make(tmp_path / "a b\nc")
    message = failed(magicpak("a b\nc", "out", cwd=tmp_path))
    assert message.startswith(expected)
    assert "a b\\nc" in message


@pytest.mark.parametrize("case", sorted(set(INPUTS) - {"missing"}))
def test_what_is_damaged_can_still_be_included(tmp_path: Path, case: str) -> None:
    make, _ = INPUTS[case]
    make(tmp_path / "f")
    run = magicpak("-i", "f", "/bin/true", "out", cwd=tmp_path)
    lines = done(run)
    assert all(line.startswith("warning: ") for line in lines)
    assert "/bin/true" in paths(tmp_path / "out")
    if case in ("fifo", "dangling", "circular"):
        assert lines
    else:
        assert os.path.lexists(tmp_path / "out" / "f")


@pytest.mark.needs("cc")
def test_a_missing_library_is_told_with_the_places_searched(
    tmp_path: Path, compile_c: Compile
) -> None:
    library = compile_c("libgone.so", "int f(void) { return 1; }", "-shared", "-fPIC")
    compile_c(
        "app", "int f(void); int main(void) { return f(); }", f"-L{tmp_path}", "-lgone",
        "-Wl,-rpath,/opt/some where", "-Wl,--enable-new-dtags",
    )  # fmt: skip
    library.unlink()
    message = failed(magicpak("app", "out", cwd=tmp_path))
    assert message.startswith("Unable to lookup shared library: libgone.so, needed by ")
    assert "/opt/some where" in message
    assert listing(tmp_path) == ["app"]


def test_an_input_that_is_twice_given_is_bundled_once(tmp_path: Path) -> None:
    assert done(magicpak("/bin/true", "/bin/true", "out", cwd=tmp_path)) == []
    assert "/bin/true" in paths(tmp_path / "out")


def test_the_input_is_never_written(tmp_path: Path) -> None:
    """1.4.0 truncated it here."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "exe").write_bytes(true())
    assert done(magicpak("../exe", "../out", cwd=tmp_path / "sub")) == []
    assert (tmp_path / "exe").read_bytes() == true()
    assert (tmp_path / "out" / "exe").read_bytes() == true()


@pytest.mark.parametrize("args", [
    ("../../../../../../../../bin/true",),
    ("/bin/true", "-r", "../../x"),
    ("/bin/true", "-r", "/../../x/"),
    ("/bin/true", "--mkdir", "../../y"),
    ("/bin/true", "-i", "../up/*"),
    ("/bin/true", "-i", "links"),
])  # fmt: skip
def test_nothing_is_written_outside_output(tmp_path: Path, args: tuple[str, ...]) -> None:
    cwd = tmp_path / "a" / "cwd"
    cwd.mkdir(parents=True)
    (tmp_path / "a" / "up").mkdir()
    (tmp_path / "a" / "up" / "f").touch()
    (cwd / "links").mkdir()
    (cwd / "links" / "up").symlink_to("../../../../../../../../../../../../etc/passwd")
    (cwd / "links" / "out").symlink_to("../../up")
    before = {str(path) for path in tmp_path.rglob("*")}
    assert done(magicpak(*args, "out", cwd=cwd)) == []
    new = {str(path) for path in tmp_path.rglob("*")} - before
    assert all(path.startswith(str(cwd / "out")) for path in new)
    assert paths(cwd / "out")


def test_included_files_that_are_damaged_at_random_are_no_obstacle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = Path("/bin/ls").read_bytes()
    generator = random.Random(2)  # noqa: S311 - the same each time
    (tmp_path / "d").mkdir()
    for number in range(200):
        damaged = bytearray(content[:8192])
        for _ in range(20):
            damaged[generator.randrange(512)] = generator.randrange(256)
        (tmp_path / "d" / str(number)).write_bytes(damaged)
    pack(Options(("/bin/true",), str(tmp_path / "out"), include=(f"{tmp_path}/d",)))
    assert len([path for path in paths(tmp_path / "out") if path.startswith(str(tmp_path))]) == 200
    assert caplog.records

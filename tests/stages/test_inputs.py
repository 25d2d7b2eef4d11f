"""Where an executable goes, and that it starts there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from magicpak import MagicpakError, Options, elf, pack
from magicpak.plan import PlaceTaken
from support.command import contents, done, magicpak, paths, refusal
from support.programs import FOO, USES_FOO, Compile


@pytest.mark.parametrize(("install_to", "place"), [
    ("/usr/bin/tool", "/usr/bin/tool"),
    ("usr/bin/tool", "/usr/bin/tool"),
    ("/opt/", "/opt/true"),
    ("opt/", "/opt/true"),
    ("/", "/true"),
    ("./", "/true"),
    ("../../opt/", "/opt/true"),
    ("/a/../b", "/b"),
])  # fmt: skip
def test_install_to_is_a_path_or_with_a_slash_a_directory(
    tmp_path: Path, install_to: str, place: str
) -> None:
    files = contents(tmp_path, "/bin/true", "-r", install_to)
    assert place in files
    assert "/bin/true" not in files


def test_several_inputs_go_below_one_directory(tmp_path: Path) -> None:
    files = contents(tmp_path, "/bin/true", "/bin/false", "-r", "/opt/")
    assert {"/opt/true", "/opt/false"} <= files


def test_several_inputs_at_one_path_are_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, "/bin/true", "/bin/false", "-r", "/opt/app")
    assert "/opt/app" in message
    assert "/bin/true" in message
    assert "/bin/false" in message
    (tmp_path / "false").write_bytes(Path("/bin/false").read_bytes())
    assert "false" in refusal(tmp_path, "/bin/false", "./false", "-r", "/opt/")


def test_an_executable_cannot_be_where_its_loader_is(tmp_path: Path) -> None:
    interpreter = elf.read("/bin/true").interpreter
    assert interpreter is not None
    with pytest.raises(PlaceTaken, match="--install-to"):
        pack(Options(("/bin/true",), str(tmp_path / "out"), install_to=interpreter))
    parent = os.path.dirname(interpreter)
    with pytest.raises(MagicpakError, match="give one of them another path"):
        pack(Options(("/bin/true",), str(tmp_path / "out"), install_to=parent))


def test_a_link_that_is_installed_elsewhere_still_starts(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "app").write_bytes(Path("/bin/true").read_bytes())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "app").symlink_to("../real/app")
    for number, (source, cwd) in enumerate([
        (str(tmp_path / "bin" / "app"), tmp_path),
        ("bin/app", tmp_path),
        ("app", tmp_path / "bin"),
        ("../bin/app", tmp_path / "real"),
    ]):  # fmt: skip
        out = tmp_path / str(number)
        assert done(magicpak(source, "-r", "/usr/bin/x", out, cwd=cwd)) == []
        inside = os.readlink(out / "usr" / "bin" / "x")
        assert inside.startswith("/")
        assert (out / inside.lstrip("/")).read_bytes() == Path("/bin/true").read_bytes()


@pytest.mark.needs("root", "cc")
def test_what_is_bundled_starts_by_chroot(tmp_path: Path, compile_c: Compile) -> None:
    compile_c("lib/libfoo.so", FOO, "-shared", "-fPIC")
    program = compile_c(
        "bin/app", USES_FOO, f"-L{tmp_path}/lib", "-lfoo", "-Wl,-rpath,$ORIGIN/../lib"
    )
    (tmp_path / "tool").symlink_to("bin/app")
    for number, args in enumerate([
        [program], [program, "-r", "/x/y"], [tmp_path / "tool", "-r", "/usr/bin/"],
    ]):  # fmt: skip
        out = tmp_path / str(number)
        assert done(magicpak(*args, out, cwd=tmp_path)) == []
        place = [str(program), "/x/y", "/usr/bin/tool"][number]
        assert subprocess.run(["chroot", out, place], check=False).returncode == 0


@pytest.mark.needs("cc")
def test_a_static_program_is_bundled_alone(tmp_path: Path, compile_c: Compile) -> None:
    compile_c("app", "int main(void) { return 0; }", "-static")
    lines = done(magicpak("app", "out", cwd=tmp_path, CC="no-such-cc"))
    assert lines == [
        "warning: app is statically linked or packed: nothing is bundled with it"
    ]
    assert paths(tmp_path / "out") == {"/app"}

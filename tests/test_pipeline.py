"""The job as a whole: the order of work, where the executable goes, how each stage fails."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from magicpak import MagicpakError, Options, elf, pack
from magicpak.errors import Unsupported
from magicpak.plan import PlaceTaken
from support.command import done, failed, listing, magicpak, paths
from support.programs import FOO, USES_FOO, Compile, script


@pytest.fixture
def lost(tmp_path: Path, compile_c: Compile) -> str:
    """A program whose library is gone."""
    library = compile_c("libfoo.so", FOO, "-shared", "-fPIC")
    program = compile_c("lost", USES_FOO, f"-L{tmp_path}", "-lfoo")
    library.unlink()
    return str(program)


def refusal(tmp_path: Path, *args: str | Path, **settings: str) -> str:
    """Return why a run fails, after which there is no OUTPUT and nothing temporary."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    before = listing(tmp_path)
    message = failed(magicpak(*args, "out", cwd=tmp_path, TMPDIR=str(scratch), **settings))
    assert listing(tmp_path) == before
    assert listing(scratch) == []
    return message


# How it fails: each row of the contract's table, brought about for real


def test_a_bad_pattern_is_told_before_any_work(tmp_path: Path) -> None:
    for option in ("-i", "-e"):
        message = refusal(tmp_path, option, "a**", "/no/such/input")
        assert message.startswith("Invalid glob pattern: ")
        assert "a**" in message


def test_an_output_with_entries_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "f").touch()
    for output, text in (("full", "not empty: full"), ("full/f", "invalid: full/f")):
        message = failed(magicpak("/no/such/input", output, cwd=tmp_path))
        assert message.startswith(f"The destination is {text}")


@pytest.mark.needs("cc")
def test_a_library_that_is_not_found_is_told(tmp_path: Path, lost: str) -> None:
    message = refusal(tmp_path, lost)
    assert message.startswith("Unable to lookup shared library: libfoo.so, needed by ")


@pytest.mark.needs("cc")
@pytest.mark.parametrize("how", ["option", "environment"])
def test_a_helper_that_does_not_compile_is_told(tmp_path: Path, lost: str, how: str) -> None:
    cc = script(tmp_path / "bad-cc", "echo 'bad-cc: no' >&2; echo 'way' >&2; exit 1")
    given: tuple[list[str], dict[str, str]] = (["--cc", cc], {})
    if how == "environment":
        given = ([], {"CC": cc})
    message = refusal(tmp_path, lost, *given[0], **given[1])
    assert message == (
        "Error happened during the compilation of library resolver: bad-cc: no; way"
    )


@pytest.mark.parametrize(("option", "stage"), [
    ("--cc", None), ("--upx", "-c"), ("--busybox", "-t"), ("--strace", "-d"),
])  # fmt: skip
@pytest.mark.parametrize("name", ["no-such-tool", "/no/such/tool"])
def test_a_tool_that_is_not_there_is_told_with_what_to_install(
    tmp_path: Path, option: str, stage: str | None, name: str
) -> None:
    args = [option, name] + ([stage] if stage else [])
    message = refusal(tmp_path, *args, "/bin/true")
    assert message.startswith(f"Unable to locate executable '{name}': cannot find binary path")
    assert "apt-get install" in message
    assert option in message


def test_a_cc_of_the_environment_that_is_not_there_is_told(tmp_path: Path) -> None:
    message = refusal(tmp_path, "/bin/true", CC="no-such-cc")
    assert message.startswith("Unable to locate executable 'no-such-cc': cannot find binary path")


def test_only_the_default_cc_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for settings in ({}, {"CC": ""}):
        run = magicpak("/bin/true", "out", cwd=tmp_path, PATH=f"{tmp_path}/bin", **settings)
        assert done(run) == []
        subprocess.run(["rm", "-r", tmp_path / "out"], check=True)


def test_upx_that_fails_is_told(tmp_path: Path) -> None:
    upx = script(tmp_path / "bad-upx", "echo one >&2; echo two >&2; exit 2")
    message = refusal(tmp_path, "-c", "--upx", upx, "/bin/true")
    assert message.startswith("upx failed with non-zero exit code: one; two")


@pytest.mark.needs("strace")
def test_a_traced_run_that_fails_is_told(tmp_path: Path) -> None:
    message = refusal(tmp_path, "-d", "/bin/false")
    assert message.startswith("Dynamic analysis subprocess failed: exit status: 1")


@pytest.mark.needs("busybox", "root")
def test_a_test_that_fails_is_told(tmp_path: Path) -> None:
    message = refusal(tmp_path, "-t", "/bin/false")
    assert message.startswith("Test failed: /bin/false returned non-zero exit code")
    message = refusal(tmp_path, "-t", "--test-command", "exit 3", "/bin/true")
    assert message.startswith("Test failed: exit 3 returned non-zero exit code")


@pytest.mark.needs("busybox", "root")
def test_a_test_that_prints_something_else_is_told(tmp_path: Path) -> None:
    command = "--test-command=echo ' B '"
    assert refusal(tmp_path, "-t", command, "--test-stdout=A", "/bin/true").startswith(
        "Test failed: Test command stdout mismatch. expected: 'A', but got 'B'"
    )


@pytest.mark.parametrize("options", [
    {"test_env": ("NAME",)},
    {"dynamic_run": ("'unclosed",)},
    {"sysroot": "/no/such/directory"},
    {"sysroot": "/", "dynamic": True},
    {"install_to": ""},
    {"install_to": ".."},
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(Unsupported):
        pack(Options(("/bin/true",), str(tmp_path / "out"), **options))  # type: ignore[arg-type]
    assert listing(tmp_path) == []


# Where the executable goes


def bundled(tmp_path: Path, *args: str | Path, cwd: Path | None = None) -> set[str]:
    assert done(magicpak(*args, tmp_path / "out", cwd=cwd or tmp_path)) == []
    return paths(tmp_path / "out")


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
    files = bundled(tmp_path, "/bin/true", "-r", install_to)
    assert place in files
    assert "/bin/true" not in files


def test_several_inputs_go_below_one_directory(tmp_path: Path) -> None:
    files = bundled(tmp_path, "/bin/true", "/bin/false", "-r", "/opt/")
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
def test_what_is_bundled_starts_by_chroot(
    tmp_path: Path, compile_c: Compile
) -> None:
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


# The order of work


@pytest.mark.needs("strace", "busybox", "root", "cc")
def test_the_stages_follow_one_another(tmp_path: Path, compile_c: Compile) -> None:
    """Exclude has the last word also over what was traced, and the test runs on what is left."""
    source = '#include <stdio.h>\nint main(void) { return fopen("/etc/passwd", "r") == 0; }'
    program = compile_c("app", source)
    out = tmp_path / "out"
    message = refusal(tmp_path, "-dt", "-e", "/etc/passwd", program)
    assert message.startswith("Test failed: ")
    assert done(magicpak("-dt", "-i", "/etc/group", "--mkdir", "/m", program, out)) == []
    assert {"/etc/passwd", "/etc/group", str(program)} <= paths(out)
    assert (out / "m").is_dir()


@pytest.mark.needs("strace", "root", "cc")
def test_a_traced_program_finds_its_files_by_the_links_it_followed(
    tmp_path: Path, compile_c: Compile
) -> None:
    """As node does with the links of pnpm: the real path of a directory, and from there on."""
    (tmp_path / "store" / "foo").mkdir(parents=True)
    (tmp_path / "store" / "data").write_text("x")
    (tmp_path / "foo").symlink_to("store/foo")
    program = compile_c(
        "app",
        "#include <limits.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
        f'int main(void) {{ char path[PATH_MAX]; if (!realpath("{tmp_path}/foo", path)) return 1;'
        'strcat(path, "/../data"); if (!fopen(path, "r")) return 2;'
        f'return fopen("{tmp_path}/foo/../data", "r") ? 0 : 3; }}',
    )
    out = tmp_path / "out"
    assert done(magicpak("-d", program, out)) == []
    assert subprocess.run(["chroot", out, program], check=False).returncode == 0


@pytest.mark.needs("upx", "busybox", "root")
def test_the_compressed_program_is_what_is_tested_and_written(tmp_path: Path) -> None:
    original = Path("/bin/ls").read_bytes()
    assert done(magicpak("-tc", "--test-command", "ls /", "--upx-arg", "-1", "/bin/ls", "out",
                         cwd=tmp_path)) == []  # fmt: skip
    packed = (tmp_path / "out" / "bin" / "ls").read_bytes()
    assert packed != original
    assert b"UPX!" in packed
    assert Path("/bin/ls").read_bytes() == original


def test_a_pattern_that_matches_nothing_is_warned_of(tmp_path: Path) -> None:
    lines = done(
        magicpak("-i", "none*", "-i", "/etc/passwd", "-i", "", "/bin/true", "out", cwd=tmp_path)
    )
    assert lines == [f"warning: --include {shown} matches nothing" for shown in ("none*", "''")]


@pytest.mark.needs("cc")
def test_an_included_object_brings_its_libraries(
    tmp_path: Path, compile_c: Compile
) -> None:
    library = compile_c("lib/libfoo.so", FOO, "-shared", "-fPIC")
    compile_c("plugins/deep/plugin.so", USES_FOO, "-shared", "-fPIC", f"-L{tmp_path}/lib",
              "-lfoo", f"-Wl,-rpath,{tmp_path}/lib")  # fmt: skip
    files = bundled(tmp_path, "/bin/true", "-i", tmp_path / "plugins")
    assert str(library) in files


@pytest.mark.needs("cc", "root")
@pytest.mark.parametrize("pattern", ["app/bin/*", "app/bin", "link", "../*/app/bin/prog"])
def test_a_relative_pattern_finds_libraries_beside_the_program(
    tmp_path: Path, compile_c: Compile, pattern: str
) -> None:
    library = compile_c("app/lib/libfoo.so", FOO, "-shared", "-fPIC")
    compile_c("app/bin/prog", USES_FOO, f"-L{tmp_path}/app/lib", "-lfoo",
              "-Wl,-rpath,$ORIGIN/../lib")  # fmt: skip
    (tmp_path / "link").symlink_to("app/bin/prog")
    done(magicpak("-i", pattern, "/bin/true", "out", cwd=tmp_path))
    assert str(library) in paths(tmp_path / "out")
    prog = next(path for path in (tmp_path / "out").rglob("prog"))
    subprocess.run(["chroot", tmp_path / "out", f"/{prog.relative_to(tmp_path / 'out')}"],
                   check=True)  # fmt: skip


@pytest.mark.needs("cc")
def test_a_static_program_is_bundled_alone(
    tmp_path: Path, compile_c: Compile
) -> None:
    compile_c("app", "int main(void) { return 0; }", "-static")
    lines = done(magicpak("app", "out", cwd=tmp_path, CC="no-such-cc"))
    assert lines == [
        "warning: app is statically linked or packed: nothing is bundled with it"
    ]
    assert paths(tmp_path / "out") == {"/app"}

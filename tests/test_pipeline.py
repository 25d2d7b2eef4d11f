"""The job as a whole: how it fails, and the order of work."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest

from magicpak import Options, pack
from magicpak.errors import IoError, Unsupported
from support.command import done, failed, listing, magicpak, paths, refusal
from support.packing import simple
from support.programs import FOO, USES_FOO, Compile, script


@pytest.fixture
def lost(tmp_path: Path, compile_c: Compile) -> str:
    """A program whose library is gone."""
    library = compile_c("libfoo.so", FOO, "-shared", "-fPIC")
    program = compile_c("lost", USES_FOO, f"-L{tmp_path}", "-lfoo")
    library.unlink()
    return str(program)


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


def test_without_a_temporary_directory_the_error_is_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.mkdtemp", nowhere)
    with pytest.raises(IoError, match="No usable temporary directory"):
        simple(tmp_path / "out")


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


@pytest.mark.needs("upx", "busybox", "root")
def test_the_compressed_program_is_what_is_tested_and_written(tmp_path: Path) -> None:
    original = Path("/bin/ls").read_bytes()
    assert done(magicpak("-tc", "--test-command", "ls /", "--upx-arg", "-1", "/bin/ls", "out",
                         cwd=tmp_path)) == []  # fmt: skip
    packed = (tmp_path / "out" / "bin" / "ls").read_bytes()
    assert packed != original
    assert b"UPX!" in packed
    assert Path("/bin/ls").read_bytes() == original

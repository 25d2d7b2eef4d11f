"""upx packs a copy, and its failures are told in its words."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from magicpak import Options, elf, pack
from magicpak.errors import IoError, Unsupported
from magicpak.host import Host
from magicpak.plan import BundlePath, File
from magicpak.stages import compress
from magicpak.stages.compress import CompressionFailed, NothingCompressed
from magicpak.system.process import Completed
from magicpak.system.tools import ToolNotFound
from support.machine import mounted
from support.plans import INPUT
from support.programs import Compile

pytestmark = pytest.mark.needs("upx", "cc")

HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


def upx(executable: str, arguments: Sequence[str], **settings: Any) -> str:
    """Pack what a path leads to."""
    *_, end = Host().entries(executable, BundlePath("/app"), INPUT)
    assert isinstance(end.entry, File)
    return compress.upx(end.entry, arguments, **settings)


@pytest.fixture
def scratch(tmp_path: Path) -> str:
    path = tmp_path / "scratch"
    path.mkdir(mode=0o700)
    return str(path)


@pytest.fixture
def hello(compile_c: Compile) -> Path:
    return compile_c("hello", HELLO, "-static")


def test_packed_copy_is_smaller_and_does_the_same(hello: Path, scratch: str) -> None:
    packed = upx(str(hello), ["-1"], scratch=scratch)
    assert packed.startswith(f"{scratch}/")
    assert os.path.getsize(packed) < hello.stat().st_size
    assert subprocess.run([packed], capture_output=True, check=True).stdout == b"hello\n"


def test_programs_of_one_name_are_packed_apart(
    hello: Path, scratch: str, compile_c: Compile
) -> None:
    other = compile_c("other/hello", HELLO.replace("hello", "other"), "-static")
    packed = [upx(str(program), ["-1"], scratch=scratch) for program in (hello, other)]
    printed = [subprocess.run([p], capture_output=True, check=True).stdout for p in packed]
    assert printed == [b"hello\n", b"other\n"]


@pytest.mark.needs("root")
def test_a_full_temporary_directory_is_named(hello: Path, scratch: str) -> None:
    full = mounted(Path(scratch), "-t", "tmpfs", "-o", "size=64k", "none")
    error = rf"No space left on device .*: {scratch}/.*/hello$"
    with full, pytest.raises(IoError, match=error):
        upx(str(hello), [], scratch=scratch)


def test_original_is_never_touched(hello: Path, scratch: str) -> None:
    hello.chmod(0o555)
    before = hello.read_bytes(), hello.stat()
    upx(str(hello), ["-1"], scratch=scratch)
    assert (hello.read_bytes(), hello.stat().st_mtime_ns) == (before[0], before[1].st_mtime_ns)
    assert hello.stat().st_mode == before[1].st_mode


def test_set_user_id_program_is_packed(hello: Path, scratch: str) -> None:
    hello.chmod(0o4555)
    assert os.stat(upx(str(hello), ["-1"], scratch=scratch)).st_mode & 0o6000 == 0


def test_link_is_packed_as_the_program_it_leads_to(hello: Path, scratch: str) -> None:
    link = hello.with_name("link")
    link.symlink_to("hello")
    packed = upx(str(link), ["-1"], scratch=scratch)
    assert not os.path.islink(packed)
    assert os.path.getsize(packed) < hello.stat().st_size


def test_relative_name_that_looks_like_an_option_is_no_option(
    hello: Path, scratch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hello.parent)
    hello.rename("-h")
    assert os.path.getsize(upx("-h", ["-1"], scratch=scratch)) < os.path.getsize("-h")


def test_packed_program_is_refused_with_advice(hello: Path, scratch: str, tmp_path: Path) -> None:
    packed = shutil.copy(upx(str(hello), ["-1"], scratch=scratch), tmp_path / "packed")
    with pytest.raises(CompressionFailed) as failure:
        upx(str(packed), [], scratch=scratch)
    text = str(failure.value)
    assert text.startswith("upx failed with non-zero exit code: upx: ")
    assert f"{packed}: AlreadyPackedException" in text
    assert "leave out --compress" in text
    assert scratch not in text
    assert "\n" not in text


def test_script_is_refused_with_advice(tmp_path: Path, scratch: str) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(CompressionFailed, match="leave out --compress"):
        upx(str(script), [], scratch=scratch)


def test_unknown_option_is_reported_in_upx_words(hello: Path, scratch: str) -> None:
    with pytest.raises(CompressionFailed, match="unrecognized option '--fast-please'"):
        upx(str(hello), ["--fast-please"], scratch=scratch)


def test_upx_that_says_nothing_is_reported_by_its_status(hello: Path, scratch: str) -> None:
    def killed(
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float | None = None,
    ) -> Completed:
        del argv, stdin, env, cwd, timeout
        return Completed(-9, b"", b"")

    with pytest.raises(CompressionFailed, match=r"exit code: signal: 9 \(SIGKILL\)"):
        upx(str(hello), [], scratch=scratch, run=killed)


def test_missing_upx_is_named_with_its_package(hello: Path, scratch: str) -> None:
    with pytest.raises(ToolNotFound, match="upx-ucl"):
        upx(str(hello), [], scratch=scratch, tool="no-such-upx")


def test_output_of_upx_is_shown_at_debug_only(
    hello: Path,
    scratch: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    upx(str(hello), ["-1"], scratch=scratch)
    said = [record for record in caplog.records if "Packed 1 file" in record.getMessage()]
    assert [record.levelno for record in said] == [logging.DEBUG]
    assert capfd.readouterr() == ("", "")


# What upx does not do


@pytest.mark.parametrize("arguments", [["-V"], ["-h"], ["--fileinfo"], ["-9", "--sysinfo"]])
def test_upx_that_packs_nothing_is_an_error(
    hello: Path, scratch: str, arguments: list[str]
) -> None:
    with pytest.raises(NothingCompressed) as failure:
        upx(str(hello), arguments, scratch=scratch)
    text = f"{failure.value}"
    assert text.startswith(f"upx has compressed nothing: {hello} is unchanged; ")
    assert text.endswith(f"--upx-arg {' '.join(arguments)}")


def test_upx_may_keep_a_backup_and_write_in_place(hello: Path, scratch: str) -> None:
    for argument in ("-k", "--lzma", "-qf"):
        assert os.path.getsize(upx(str(hello), [argument], scratch=scratch)) < 500_000


@pytest.mark.parametrize("arguments", [
    ["-o", "stray"], ["-ostray"], ["-qo", "stray"], ["-9ostray"], ["--output=stray"],
    ["--outp", "stray"], ["--best", "-ostray"],
])  # fmt: skip
def test_upx_may_not_write_elsewhere(
    hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Unsupported, match="makes upx write to another file"):
        pack(Options((str(hello),), "out", compress=True, upx_arg=tuple(arguments)))
    assert not Path("stray").exists()
    pack(Options((str(hello),), "out", upx_arg=tuple(arguments)))


@pytest.mark.parametrize("argument", ["--overlay=copy", "--no-lzma", "--best", "-9", "--color"])
def test_what_only_has_an_o_is_for_upx(argument: str) -> None:
    Options(("app",), "out", compress=True, upx_arg=(argument,)).check()


# Payloads: what a program reads from its own file


def payload(program: Path) -> int:
    """Return the size of a program's payload."""
    return elf.payload(os.open(program, os.O_RDONLY), str(program))


def packed(program: Path, caplog: pytest.LogCaptureFixture) -> bool:
    """Bundle a program with --compress; tell whether it was compressed, which a warning denies."""
    out = program.with_name(f"out-{program.name}")
    caplog.clear()
    pack(Options((str(program),), str(out), compress=True))
    bundled = out / str(program).lstrip("/")
    same = bundled.read_bytes() == program.read_bytes()
    text = f"{program} is not compressed: it has a payload of "
    warned = [message for message in caplog.messages if text in message]
    assert len(warned) == same
    return not same


READS_ITS_END = """
#include <stdio.h>
int main(void) {
    long at; char text[8] = "";
    FILE *self = fopen("/proc/self/exe", "rb");
    if (!self || fseek(self, -8, SEEK_END) || fread(&at, 8, 1, self) != 1) return 1;
    if (fseek(self, at, SEEK_SET) || fread(text, 1, 7, self) != 7 || text[0] != 'P') return 2;
    return puts(text) < 0;
}
"""
"""A program that finds its payload by an offset from the start, as deno, pkg and SBCL do."""


def test_a_payload_keeps_its_place(
    tmp_path: Path, compile_c: Compile, caplog: pytest.LogCaptureFixture
) -> None:
    program = compile_c("app", READS_ITS_END, "-static")
    assert packed(program, caplog)
    whole = program.read_bytes()
    program = tmp_path / "app-with-payload"
    program.write_bytes(whole + b"PAYLOAD" + len(whole).to_bytes(8, "little"))
    program.chmod(0o755)
    assert not packed(program, caplog)
    bundled = tmp_path / f"out-{program.name}" / str(program).lstrip("/")
    assert subprocess.run([bundled], capture_output=True, check=True).stdout == b"PAYLOAD\n"


@pytest.mark.parametrize("size", [1, 15, 5000, 300_000])
@pytest.mark.parametrize("linked", ["-static", "-pie"])
def test_a_payload_of_any_size_is_seen(
    compile_c: Compile, caplog: pytest.LogCaptureFixture, size: int, linked: str
) -> None:
    program = compile_c("app", HELLO + "char room[40000] = {1};", linked)
    assert payload(program) == 0
    with program.open("ab") as file:
        file.write(b"z" * size)
    assert payload(program) == size
    assert not packed(program, caplog)


@pytest.mark.needs("objcopy")
def test_a_section_of_its_own_is_a_payload(
    tmp_path: Path, hello: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Upx drops it; PyInstaller adds such a section, pydata."""
    (tmp_path / "data").write_bytes(b"z" * 1000)
    for name, size in (("pydata", 1000), (".comment2", 0)):
        program = tmp_path / f"with-{name}"
        section = f"--add-section={name}={tmp_path}/data"
        subprocess.run(["objcopy", section, hello, program], check=True)
        assert payload(program) == size
        assert packed(program, caplog) == (size == 0)


def test_what_is_packed_already_is_no_payload(hello: Path, scratch: str, tmp_path: Path) -> None:
    packed = shutil.copy(upx(str(hello), ["-1"], scratch=scratch), tmp_path / "packed")
    with pytest.raises(CompressionFailed, match="AlreadyPackedException"):
        pack(Options((str(packed),), str(tmp_path / "out"), compress=True))


def test_zeros_at_the_end_are_no_payload(hello: Path) -> None:
    with hello.open("ab") as file:
        file.write(bytes(100))
    assert payload(hello) == 0


def test_the_programs_of_a_distribution_have_no_payload() -> None:
    programs = [path for path in sorted(Path("/usr/bin").iterdir()) if elf.is_elf(str(path))]
    having = {str(path): size for path in programs if (size := payload(path))}
    assert len(having) < len(programs) / 100, having


def test_below_a_sysroot_its_executable_is_packed(hello: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "opt" / "real").mkdir(parents=True)
    hello.rename(root / "opt" / "real" / "hello")
    (root / "bin").symlink_to("/opt/real")
    options = Options(("/bin/hello",), str(tmp_path / "out"), sysroot=str(root), compress=True)
    pack(options)
    packed = tmp_path / "out" / "bin" / "hello"
    assert packed.stat().st_size < (root / "opt" / "real" / "hello").stat().st_size
    assert subprocess.run([packed], capture_output=True, check=True).stdout == b"hello\n"

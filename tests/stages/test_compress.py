"""upx packs a copy, and its failures are told in its words."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from magicpak.errors import IoError
from magicpak.stages.compress import CompressionFailed, upx
from magicpak.system.process import Completed
from magicpak.system.tools import ToolNotFound
from support.machine import mounted
from support.programs import Compile

pytestmark = pytest.mark.needs("upx", "cc")

HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


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
    assert os.stat(upx(str(hello), ["-1"], scratch=scratch)).st_mode & 0o777 == 0o755


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

"""What glibc would miss without a word in the bundle is mended, or told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.elves import Made
from support.loader import CALLS, INTERPRETER, SEVEN, bundled, here, start
from support.programs import Compile

pytestmark = [here, pytest.mark.needs("root")]


def loads(out: Path, program: str | Path) -> str:
    """Let the loader in the bundle list what it loads."""
    return start(out, INTERPRETER, "--list", str(program)).stdout


def test_an_auxiliary_library_that_ld_library_path_found_is_found(
    tmp_path: Path, out: Path
) -> None:
    exe = Made([("needed", "liba.so"), ("rpath", str(tmp_path))], INTERPRETER).write(
        tmp_path / "exe"
    )
    Made([("auxiliary", "libx.so")]).write(tmp_path / "liba.so")
    Made().write(tmp_path / "env" / "libx.so")
    for options in ((), ("--merged-usr",)):
        place = out / str(len(options))
        assert bundled(place, exe, *options, LD_LIBRARY_PATH=f"{tmp_path}/env") == ""
        assert "libx.so => " in loads(place, exe)


def test_an_auxiliary_library_that_cannot_be_found_is_told(tmp_path: Path, out: Path) -> None:
    exe = Made([("needed", "liba.so"), ("rpath", str(tmp_path))], INTERPRETER).write(
        tmp_path / "exe"
    )
    Made([("auxiliary", "libx.so")]).write(tmp_path / "liba.so")
    Made().write(tmp_path / "env" / "libx.so")
    log = bundled(out, exe, "-e", "**/libx.so", LD_LIBRARY_PATH=f"{tmp_path}/env")
    assert f"warning: {exe} will not find libx.so: it is excluded" in log
    assert "libx.so => " not in loads(out, exe)


@pytest.mark.needs("mounts")
@pytest.mark.parametrize("options", [(), ("--merged-usr",)])
def test_what_ld_so_preload_names_and_ld_library_path_found_is_found(
    tmp_path: Path, out: Path, options: tuple[str, ...]
) -> None:
    exe = Made([("needed", "liba.so"), ("rpath", str(tmp_path))], INTERPRETER).write(
        tmp_path / "exe"
    )
    Made().write(tmp_path / "liba.so")
    Made().write(tmp_path / "env" / "libx.so")
    etc = tmp_path / "etc"
    shutil.copytree("/etc", etc, symlinks=True)
    (etc / "ld.so.preload").write_text("libx.so # one\n")
    mount = f'mount --bind {etc} /etc && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", mount, "sh")
    log = bundled(out, exe, *options, prefix=prefix, LD_LIBRARY_PATH=f"{tmp_path}/env")
    assert [line for line in log.splitlines() if line.startswith("warning")] == []
    assert "libx.so => " in loads(out, exe)


@pytest.mark.needs("cc")
def test_a_name_with_origin_needs_proc_or_a_variable(out: Path, compile_c: Compile) -> None:
    found = compile_c("app/libf.so", SEVEN, "-shared", "-fPIC", "-Wl,-soname,$ORIGIN/libf.so")
    program = compile_c("app/program", CALLS, str(found))
    bundled(out, program)
    assert start(out, program).returncode == 127
    assert start(out, program, LD_ORIGIN_PATH=str(program.parent)).returncode == 7

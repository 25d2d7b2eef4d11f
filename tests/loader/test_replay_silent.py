"""What glibc would miss without a word in the bundle is mended, or told."""

from __future__ import annotations

import shutil
import subprocess
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


def test_an_auditor_whose_name_the_program_needs_too_is_told(tmp_path: Path, out: Path) -> None:
    """The program finds its own by RPATH, and LD_LIBRARY_PATH found the auditor."""
    dynamic = [("audit", "libau.so"), ("needed", "liba.so"), ("rpath", f"{tmp_path}/one")]
    exe = Made(dynamic, INTERPRETER).write(tmp_path / "exe")
    Made([("needed", "libau.so"), ("rpath", f"{tmp_path}/two")]).write(tmp_path / "one/liba.so")
    Made().write(tmp_path / "two" / "libau.so")
    Made(strings=("another",)).write(tmp_path / "env" / "libau.so")
    log = bundled(out, exe, LD_LIBRARY_PATH=f"{tmp_path}/env")
    assert f"{exe} will not find libau.so in the bundle: {tmp_path}/two/libau.so is found" in log


@pytest.mark.needs("mounts", "cc")
@pytest.mark.parametrize("options", [(), ("--merged-usr",)])
def test_of_libraries_by_one_name_that_are_loaded_later_the_first_in_the_hosts_cache_counts(
    tmp_path: Path, out: Path, options: tuple[str, ...], compile_c: Compile
) -> None:
    flags = ("-shared", "-fPIC", "-Wl,-soname,libf.so")
    first = compile_c("a/libf.so", SEVEN, *flags)
    second = compile_c("z/libf.so", "int f(void) { return 1; }", *flags)
    source = """#include <dlfcn.h>
    int main(void) {
        void *found = dlopen("libf.so", RTLD_NOW);
        return found ? ((int (*)(void)) dlsym(found, "f"))() : 2;
    }"""
    program = compile_c("program", source)
    configuration, made = tmp_path / "conf", tmp_path / "cache"
    lines = ("include /etc/ld.so.conf", str(first.parent), str(second.parent), "")
    configuration.write_text("\n".join(lines))
    subprocess.run(["/sbin/ldconfig", "-X", "-f", configuration, "-C", made], check=True)
    mount = f'mount --bind {made} /etc/ld.so.cache && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", mount, "sh")
    on_host = subprocess.run([*prefix, program], check=False).returncode
    bundled(out, *options, program, "-i", first, "-i", second, prefix=prefix)
    assert start(out, program).returncode == on_host == 7

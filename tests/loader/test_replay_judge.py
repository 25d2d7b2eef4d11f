"""What will not be found in the bundle is an error where it stops a start, and else a warning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.elves import Made
from support.loader import CALLS, CHROOT, SEVEN, bundled, library, packed, start
from support.programs import Compile

needs_root = pytest.mark.needs("cc", "root")


def test_a_program_that_would_not_start_is_an_error(tmp_path: Path, out: Path) -> None:
    """Its RUNPATH leads to /lib from where it lay only, and DF_1_NODEFLIB bars what has /lib."""
    tree = tmp_path / "tree"
    Made().write(tree / "ld.so")
    dynamic = [("needed", "libf.so"), ("runpath", "$ORIGIN/../lib")]
    Made(dynamic, "/ld.so", flags_1=0x800).write(tree / "app" / "program")
    Made().write(tree / "lib" / "libf.so")
    run = packed("--sysroot", tree, "--install-to", "/x/y/", "/app/program", out)
    assert run.returncode == 1
    assert "error: /x/y/program would not start in the bundle: libf.so: looked in /x/y/../lib" in (
        run.stderr
    )
    assert not out.exists()
    assert packed("--sysroot", tree, "/app/program", out).returncode == 0


@needs_root
def test_what_is_excluded_is_a_warning(out: Path, compile_c: Compile) -> None:
    found = library(compile_c, "lib/libf.so.1")
    link = found.with_name("libf.so")
    link.symlink_to("libf.so.1")
    program = compile_c("program", CALLS, str(found), f"-Wl,-rpath,{found.parent}")
    log = bundled(out, "--exclude", f"{found}", program)
    assert f"warning: {program} will not find libf.so.1: it is excluded" in log
    assert start(out, program).returncode == 127


@needs_root
def test_the_excluded_target_of_a_link_is_a_warning(out: Path, compile_c: Compile) -> None:
    found = library(compile_c, "lib/libf.so.1")
    program = compile_c("program", CALLS, str(found), f"-Wl,-rpath,{found.parent}")
    target = found.rename(found.with_name("libf.so.1.2.3"))
    found.symlink_to(target.name)
    log = bundled(out, "--exclude", f"{target}", program)
    assert f"{program} will not find libf.so.1: it is excluded" in log


@needs_root
def test_the_excluded_loader_is_a_warning(out: Path, compile_c: Compile) -> None:
    program = compile_c("program", "int main(void) { return 0; }")
    assert "it is excluded" in bundled(out, "--exclude", "**/ld-linux*", program)


@needs_root
def test_what_only_its_program_can_have_loaded_is_no_warning(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    machine = library(compile_c, "machine/libmachine.so")
    calls = "int f(void); int g(void) { return f(); }"
    part = library(compile_c, "part.so", str(machine), source=calls)
    program = compile_c(
        "program",
        "#include <dlfcn.h>\nint main(void) {"
        f'dlopen("{machine}", RTLD_NOW | RTLD_GLOBAL); void *p = dlopen("{part}", RTLD_NOW);'
        'return p ? ((int (*)(void)) dlsym(p, "g"))() : 1; }',
    )
    subprocess.run(["patchelf", "--replace-needed", str(machine), machine.name, part], check=True)
    assert bundled(out, program, "-i", machine, "-i", part) == ""
    assert start(out, program).returncode == 7
    (warning,) = bundled(tmp_path / "alone", program, "-i", part).splitlines()
    assert warning.startswith(f"warning: {part} will not find libmachine.so in the bundle: looked ")


@pytest.mark.needs("cc", "root", "strace")
@pytest.mark.parametrize("flags", [("-Wl,-soname,libf.so",), ()], ids=["soname", "no_soname"])
def test_a_script_may_say_where_the_libraries_are(
    tmp_path: Path, out: Path, compile_c: Compile, flags: tuple[str, ...]
) -> None:
    found = compile_c("lib/libf.so", SEVEN, "-shared", "-fPIC", *flags)
    program = compile_c("program", CALLS, f"-L{found.parent}", "-lf")
    script = tmp_path / "start"
    script.write_text(f"#!/bin/sh\nLD_LIBRARY_PATH={found.parent} {program}; test $? = 7\n")
    script.chmod(0o755)
    assert bundled(out, script, "-d") == (
        f"warning: {program} will not find libf.so "
        f"unless LD_LIBRARY_PATH has the directory of {found}\n"
    )
    assert start(out, script).returncode == 0


@needs_root
def test_what_is_missing_is_told_once_although_the_search_is_replayed(
    out: Path, compile_c: Compile
) -> None:
    json = '[{\\"soname\\":[\\"libnone.so.1\\"],\\"priority\\":\\"required\\"}]'
    source = (
        '__attribute__((used, section(".note.dlopen"), aligned(4))) static const struct '
        f'{{ unsigned n, d, t; char o[4], j[sizeof "{json}"]; }} note = '
        f'{{ 4, sizeof "{json}", 0x407c0c0a, "FDO", "{json}" }};'
    )
    program = compile_c("program", source + "int main(void) { return 7; }", "-Wl,-rpath,$ORIGIN")
    assert bundled(out, program).splitlines() == [
        f"warning: dlopen note of {program} requires libnone.so.1: not found"
    ]
    assert start(out, program).returncode == 7


@needs_root
def test_what_depends_on_the_working_directory_is_a_warning(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    found = compile_c("sub/libf.so", SEVEN, "-shared", "-fPIC", "-Wl,-soname,sub/libf.so")
    program = compile_c("program", CALLS, str(found))
    run = subprocess.run(
        [sys.executable, "-m", "magicpak", program, out],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run
    assert f"{program} will not find sub/libf.so in the bundle" in run.stderr
    inside = ["env", "-i", CHROOT, out, "/lib64/ld-linux-x86-64.so.2", "--list", program]
    assert "sub/libf.so" in subprocess.run(
        inside, capture_output=True, text=True, check=False
    ).stderr

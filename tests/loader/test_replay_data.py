"""What a library that is not found means: an error for what has to start, else a warning."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.elves import EM_386, EM_AARCH64, Made
from support.loader import CALLS, bundled, library, packed, start
from support.programs import Compile, script

needs_root = pytest.mark.needs("cc", "root")
MAIN = "int main(void) { return 7; }"


def platforms(app: Path) -> int:
    """Write what packages ship for all platforms; return how many files do not load here."""
    libc = [("needed", "libc.so.6")]
    made = {
        "arm64/tool": Made(libc, "/lib/ld-linux-none.so.1", machine=EM_AARCH64),
        "arm/tool": Made(libc, "/lib/ld-none.so.3", machine=40, bits=32),
        "i386/tool": Made([("needed", "libnone.so")], "/lib/ld-none.so.2", machine=EM_386, bits=32),
        "musl/tool": Made([("needed", "libc.musl-none.so.1")], "/lib/ld-musl-none.so.1"),
        "arm64/addon.node": Made(libc, machine=EM_AARCH64),
        "s390x/addon.node": Made(libc, machine=22, little_endian=False),
    }
    for name, elf in made.items():
        elf.write(app / "prebuilds" / name)
    return len(made)


@needs_root
def test_programs_of_other_platforms_are_data(tmp_path: Path, out: Path) -> None:
    count = platforms(tmp_path / "app")
    log = bundled(out, "--include", tmp_path / "app", "/bin/true")
    (warning,) = log.splitlines()
    assert f"warning: {count} of the bundled files lack their loader" in warning
    assert f"(first: {tmp_path}/app/prebuilds/arm/tool: /lib/ld-none.so.3: " in warning
    for tool in (tmp_path / "app").rglob("*"):
        assert (out / str(tool).lstrip("/")).exists()
    assert not (out / "etc").exists()
    assert start(out, "/bin/true").returncode == 0


def test_each_is_told_to_those_who_want_to_know(tmp_path: Path, out: Path) -> None:
    platforms(tmp_path / "app")
    log = bundled(out, "-v", "--include", tmp_path / "app", "/bin/true")
    for tool in (tmp_path / "app").rglob("*[td]*.*"):
        assert f"info: {tool} will not find " in log
    assert f"info: {tmp_path}/app/prebuilds/arm64/tool will not find /lib/ld-linux-none" in log


def test_what_is_excluded_lacks_nothing(tmp_path: Path, out: Path) -> None:
    platforms(tmp_path / "app")
    assert bundled(out, "-i", tmp_path / "app", "-e", "*/prebuilds/*", "/bin/true") == ""


@pytest.mark.needs("cc")
@pytest.mark.parametrize(
    "flags", [("-c",), ("-static",), ("-static-pie",), ("-r", "-nostdlib")], ids="/".join
)
def test_what_no_loader_loads_lacks_none(
    out: Path, compile_c: Compile, flags: tuple[str, ...]
) -> None:
    built = compile_c("app/built.ko", MAIN, *flags)
    assert bundled(out, "/bin/true", "--include", built.parent) == ""
    assert (out / str(built).lstrip("/")).exists()


@needs_root
@pytest.mark.needs("musl-gcc")
def test_what_can_be_resolved_of_other_platforms_is(tmp_path: Path, out: Path) -> None:
    source, program = tmp_path / "code.c", tmp_path / "app" / "musl" / "tool"
    source.write_text(MAIN)
    program.parent.mkdir(parents=True)
    subprocess.run(["musl-gcc", "-o", program, source], check=True)
    assert bundled(out, "/bin/true", "--include", tmp_path / "app") == ""
    assert start(out, program).returncode == 7


@pytest.mark.needs("cc")
def test_an_included_program_without_a_library_is_data(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    found = library(compile_c, "libf.so")
    programs = [compile_c(f"tools/{name}", CALLS, f"-L{tmp_path}", "-lf") for name in "ab"]
    found.unlink()
    (warning,) = bundled(out, "/bin/true", "-i", programs[0]).splitlines()
    assert warning.startswith(f"warning: {programs[0]} will not find libf.so in the bundle: looked")
    shutil.rmtree(out)
    (warning,) = bundled(out, "/bin/true", "-i", programs[0].parent).splitlines()
    assert warning.startswith("warning: 2 of the bundled files lack ")
    assert f"{programs[0]}: libf.so: looked in " in warning
    shutil.rmtree(out)
    assert bundled(out, "/bin/true", "-i", programs[0].parent, "-e", f"{tmp_path}/tools/*") == ""


@pytest.mark.needs("cc", "strace")
@pytest.mark.parametrize("executed", [True, False], ids=["executed", "read"])
def test_what_a_traced_run_executed_must_start(
    tmp_path: Path, out: Path, compile_c: Compile, executed: bool
) -> None:
    found = library(compile_c, "lib/libf.so")
    program = compile_c("program", CALLS, f"-L{found.parent}", "-lf")
    runs = f"LD_LIBRARY_PATH={found.parent} {program}" if executed else f"cat {program} >/dev/null"
    start_it = script(tmp_path / "start", f"{runs}\nrm -f {found}")
    run = packed(start_it, "--dynamic", out)
    assert run.returncode == executed, run.stderr
    level, would = ("error", "start") if executed else ("warning", "find")
    (line,) = [line for line in run.stderr.splitlines() if line.startswith(level)]
    assert str(program) in line
    assert would in line
    assert out.exists() is not executed


@pytest.mark.needs("cc")
def test_all_libraries_that_are_not_found_are_told_at_once(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    found = [library(compile_c, f"lib{name}.so") for name in range(8)]
    programs = [
        compile_c(f"p{name}", CALLS, f"-L{tmp_path}", f"-l{name}") for name in range(8)
    ]
    for path in found:
        path.unlink()
    lines = packed(*programs, out).stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: Unable to lookup shared library: lib0.so, needed by ")
    assert f"; not found either: lib1.so (needed by {programs[1]}), lib2.so" in lines[0]
    assert "and 2 more; install the package" in lines[0]
    run = packed(programs[0], programs[1], out)
    assert f"; not found either: lib1.so (needed by {programs[1]}); install" in run.stderr


def test_all_programs_that_would_not_start_are_told_at_once(tmp_path: Path, out: Path) -> None:
    """They lie where their RUNPATH leads nowhere, and DF_1_NODEFLIB bars the other way."""
    tree = tmp_path / "tree"
    Made().write(tree / "ld.so")
    Made().write(tree / "lib" / "libf.so")
    for name in ("one", "two"):
        dynamic = [("needed", "libf.so"), ("runpath", "$ORIGIN/../lib")]
        Made(dynamic, "/ld.so", flags_1=0x800).write(tree / "app" / name)
    run = packed("--sysroot", tree, "--install-to", "/x/y/", "/app/one", "/app/two", out)
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: /x/y/one would not start in the bundle: libf.so: looked in ")
    assert "; nor would: /x/y/two: libf.so: looked in " in line


@pytest.mark.needs("cc")
def test_a_file_that_a_loader_stops_at_is_told_with_others(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    programs = []
    for name in "ab":
        found = library(compile_c, f"lib/lib{name}.so")
        programs.append(compile_c(f"p{name}", CALLS, str(found), f"-Wl,-rpath,{found.parent}"))
        os.replace(compile_c("program", MAIN), found)
    run = packed(*programs, out)
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: Unable to lookup shared library: liba.so, needed by ")
    assert f"; likewise: {tmp_path}/lib/libb.so (for {programs[1]}): " in line


def test_a_library_for_another_machine_is_not_the_one_that_is_missed(
    tmp_path: Path, out: Path
) -> None:
    tree = tmp_path / "tree"
    Made().write(tree / "ld.so")
    Made(bits=32).write(tree / "ld32.so")
    Made([("needed", "libf.so")], "/ld32.so", bits=32).write(tree / "app" / "program")
    Made([("soname", "libf.so")]).write(tree / "app" / "libf.so")
    log = bundled(out, "--sysroot", tree, "/ld.so", "-i", "/app")
    assert "LD_LIBRARY_PATH" not in log
    assert "/app/program will not find libf.so in the bundle: looked in" in log

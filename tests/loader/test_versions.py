"""Symbol versions that are not there: the loader of this machine refuses what magicpak does."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from support.loader import CALLS, SEVEN, bundled, here, library, packed, start
from support.programs import Compile, script

pytestmark = [here, pytest.mark.needs("cc", "root")]
WEAK = "int f(void) __attribute__((weak)); int main(void) { return f ? f() : 7; }"


def versioned(compile_c: Compile, directory: Path, version: str, *flags: str) -> Path:
    """Compile lib/libf.so, whose function has a symbol version."""
    text = directory / "versions"
    text.write_text(f"{version} {{ f; }};")
    return library(compile_c, "lib/libf.so", f"-Wl,--version-script={text}", *flags)


def refused(program: Path) -> str:
    """Start a program, which the loader refuses, and return what it says."""
    run = subprocess.run([program], capture_output=True, text=True, check=False)
    assert run.returncode in (1, 127)
    return run.stderr


def two_versions(directory: Path, compile_c: Compile) -> tuple[Path, Path]:
    """Compile two libraries of one name that define V_2 and V_1."""
    for version in ("V_2", "V_1"):
        made = versioned(compile_c, directory, version)
        (directory / version).mkdir()
        made.rename(directory / version / made.name)
    return directory / "V_2" / "libf.so", directory / "V_1" / "libf.so"


@pytest.fixture
def program(tmp_path: Path, compile_c: Compile) -> Path:
    """Compile a program that needs version V_2, and put a library beside it that has V_1 only."""
    found = versioned(compile_c, tmp_path, "V_2")
    made = compile_c("program", CALLS, str(found), f"-Wl,-rpath,{found.parent}")
    versioned(compile_c, tmp_path, "V_1")
    return made


def test_a_missing_version_is_an_error_for_an_input(
    tmp_path: Path, out: Path, program: Path
) -> None:
    assert "version `V_2' not found" in refused(program)
    run = packed(program, out)
    found = tmp_path / "lib" / "libf.so"
    assert run.stderr.startswith(
        f"error: {program} would not start in the bundle: version V_2 of libf.so: {program} asks "
        f"for it, and {found} does not define it; --include the missing file, or --exclude "
    )
    assert not out.exists()


def test_a_version_that_libc_has_not_is_an_error(out: Path, compile_c: Compile) -> None:
    program = compile_c("program", "#include <stdio.h>\nint main(void) { return puts(\"\"); }")
    content = program.read_bytes()
    assert content.count(b"\0GLIBC_2.2.5\0") == 1
    program.write_bytes(content.replace(b"\0GLIBC_2.2.5\0", b"\0GLIBC_2.9.9\0"))
    assert "version `GLIBC_2.9.9' not found" in refused(program)
    assert "would not start in the bundle: version GLIBC_2.9.9 of libc.so.6: " in (
        packed(program, out).stderr
    )


def test_a_library_that_asks_for_the_version_is_named(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    found = versioned(compile_c, tmp_path, "V_2")
    calls = "int f(void); int g(void) { return f(); }"
    link = f"-Wl,-rpath,{found.parent}"
    between = library(compile_c, "lib/libg.so", link, str(found), source=calls)
    calls = "int g(void); int main(void) { return g(); }"
    program = compile_c("program", calls, link, str(between))
    versioned(compile_c, tmp_path, "V_1")
    assert f"(required by {between})" in refused(program)
    assert f"version V_2 of libf.so: {between} asks for it" in packed(program, out).stderr


def test_it_is_a_warning_for_what_is_data(tmp_path: Path, out: Path, program: Path) -> None:
    (warning,) = bundled(out, "/bin/true", "--include", program).splitlines()
    assert warning.startswith(f"warning: {program} will not find version V_2 of libf.so in the ")
    shutil.rmtree(out)
    again = shutil.copy(program, tmp_path / "again")
    (warning,) = bundled(out, "/bin/true", "-i", program, "-i", again).splitlines()
    assert warning.startswith("warning: 2 of the bundled files lack ")


def test_it_is_a_warning_for_what_is_loaded_later(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    found = versioned(compile_c, tmp_path, "V_2")
    calls = "int f(void); int g(void) { return f(); }"
    library(compile_c, "lib/libg.so", str(found), "-Wl,-rpath,$ORIGIN", source=calls)
    text = json.dumps([{"soname": ["libg.so"]}]).replace('"', '\\"')
    note = (
        '__attribute__((used, section(".note.dlopen"), aligned(4))) static const struct '
        f'{{ unsigned n, d, t; char o[4], j[sizeof "{text}"]; }} note = '
        f'{{ 4, sizeof "{text}", 0x407c0c0a, "FDO", "{text}" }};'
    )
    later = compile_c(
        "program", f"{note}int main(void) {{ return 7; }}", f"-Wl,-rpath,{found.parent}"
    )
    versioned(compile_c, tmp_path, "V_1")
    (warning,) = bundled(out, later).splitlines()
    assert warning.startswith(f"warning: {later} will not find version V_2 of libf.so in the ")
    assert start(out, later).returncode == 7


def test_the_excluded_library_that_had_the_version_is_a_warning(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    new, old = two_versions(tmp_path, compile_c)
    program = compile_c("program", CALLS, str(new), f"-Wl,-rpath,{new.parent}:{old.parent}")
    log = bundled(out, program, "--exclude", new, "--include", old)
    assert f"warning: {program} will not find version V_2 of libf.so: it is excluded" in log
    assert "version `V_2' not found" in start(out, program).stderr


@pytest.mark.needs("strace")
def test_a_script_may_say_where_the_version_is(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    new, old = two_versions(tmp_path, compile_c)
    program = compile_c("program", CALLS, str(new), f"-Wl,-rpath,{old.parent}")
    run = f"LD_LIBRARY_PATH={new.parent} {program}; test $? = 7"
    started = script(tmp_path / "start", run)
    assert bundled(out, started, "--dynamic") == (
        f"warning: {program} will not find version V_2 of libf.so "
        f"unless LD_LIBRARY_PATH has the directory of {new}\n"
    )
    assert start(out, started).returncode == 0


def test_a_weak_version_may_be_missing(tmp_path: Path, out: Path, compile_c: Compile) -> None:
    found = versioned(compile_c, tmp_path, "V_2")
    flags = ("-Wl,--no-as-needed", str(found), f"-Wl,-rpath,{found.parent}")
    program = compile_c("program", WEAK, *flags)
    told = subprocess.run(["readelf", "-V", program], capture_output=True, text=True, check=True)
    if "Name: V_2  Flags: WEAK" not in told.stdout:
        content = bytearray(program.read_bytes())
        at = content.index(struct.pack("<I", elf_hash("V_2")))
        struct.pack_into("<H", content, at + 4, 2)
        program.write_bytes(content)
    versioned(compile_c, tmp_path, "V_1")
    assert bundled(out, program) == ""
    assert start(out, program).returncode == 7


def test_a_library_without_versions_is_accepted(
    out: Path, program: Path, compile_c: Compile
) -> None:
    source = f"#include <stdio.h>\n{SEVEN} void g(void) {{ puts(\"\"); }}"
    library(compile_c, "lib/libf.so", source=source)
    assert bundled(out, program) == ""
    run = start(out, program)
    assert run.returncode == 7
    assert "no version information available" in run.stderr


@pytest.mark.needs("patchelf")
def test_versions_of_a_file_that_nothing_loads_are_an_error(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    found = versioned(compile_c, tmp_path, "V_2")
    program = compile_c("program", CALLS, str(found), f"-Wl,-rpath,{found.parent}")
    subprocess.run(["patchelf", "--remove-needed", "libf.so", program], check=True)
    assert "needed != NULL" in refused(program)
    run = packed(program, out)
    assert f"version V_2 of libf.so: {program} asks for it, and nothing loads libf.so" in run.stderr


def elf_hash(name: str) -> int:
    """Hash a name (gabi, "Hash Table")."""
    value = 0
    for byte in os.fsencode(name):
        value = (value << 4) + byte
        value = (value ^ (value >> 24 & 0xF0)) & 0x0FFFFFFF
    return value


RELATIVE = "static int a; int *many[] = {&a, &a, &a, &a};"


def packs(compile_c: Compile, name: str, source: str, *flags: str) -> Path:
    """Compile with DT_RELR; skip where the linker or the loader do not know it."""
    try:
        made = compile_c(name, source, "-Wl,-z,pack-relative-relocs", *flags)
    except subprocess.CalledProcessError:
        pytest.skip("the linker knows no DT_RELR")
    told = subprocess.run(["readelf", "-d", made], capture_output=True, text=True, check=True)
    if "(RELR)" not in told.stdout:
        pytest.skip("the linker makes no DT_RELR")
    return made


def without_relr_version(path: Path) -> None:
    """Let a file ask twice for another version in place of GLIBC_ABI_DT_RELR."""
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<I", elf_hash("GLIBC_ABI_DT_RELR")))
    (following,) = struct.unpack_from("<I", content, at + 12)
    other = at + following if following else at - 16
    content[at : at + 4] = content[other : other + 4]
    content[at + 8 : at + 12] = content[other + 8 : other + 12]
    path.write_bytes(content)


def test_packed_relocations_without_their_version_are_an_error(
    out: Path, compile_c: Compile
) -> None:
    program = packs(compile_c, "program", f"{RELATIVE} int main(void) {{ return 7; }}")
    if subprocess.run([program], capture_output=True, check=False).returncode != 7:
        pytest.skip("the loader knows no DT_RELR")
    assert bundled(out, program) == ""
    assert start(out, program).returncode == 7
    shutil.rmtree(out)
    without_relr_version(program)
    assert "DT_RELR without GLIBC_ABI_DT_RELR dependency" in refused(program)
    assert (
        f"version GLIBC_ABI_DT_RELR of libc.so.6: {program} has DT_RELR and does not ask for it"
        in packed(program, out).stderr
    )


def test_packed_relocations_of_what_needs_no_libc_are_accepted(
    out: Path, compile_c: Compile
) -> None:
    flags = ("-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libf.so")
    found = packs(compile_c, "lib/libf.so", f"{RELATIVE} {SEVEN}", *flags)
    program = compile_c("program", CALLS, str(found), f"-Wl,-rpath,{found.parent}")
    assert bundled(out, program) == ""
    assert start(out, program).returncode == 7

"""What starts here starts in the bundle, by chroot, whatever its libraries are like."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from magicpak.loader import cache
from magicpak.loader.cache import CacheEntry
from support.loader import CALLS, SEVEN, bundled, library, mended, packed, start
from support.programs import Compile

needs_root = pytest.mark.needs("cc", "root")


@needs_root
@pytest.mark.parametrize("program", ["ls", "clang-format"])
def test_what_needs_no_cache_gets_none(out: Path, program: str) -> None:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"needs {program}")
    bundled(out, path)
    assert not (out / "etc").exists()
    assert start(out, path, "--version").returncode == 0


@needs_root
@pytest.mark.parametrize("program", ["redis-server", "ffmpeg"])
def test_libraries_that_cannot_be_loaded_alone_are_found(out: Path, program: str) -> None:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"needs {program}")
    bundled(out, path)
    version = "-version" if program == "ffmpeg" else "--version"
    assert start(out, path, version).returncode == 0


CONSTRUCTORS = {
    "nodlopen": ("", "-Wl,-z,nodlopen"),
    "prints": ('__attribute__((constructor)) void c(void) { write(1, "noise", 5); }', ""),
    "exits": (
        '__attribute__((constructor)) void c(void) { if (!access("/etc", 0)) _exit(3); }', "",
    ),
    "crashes": (
        '__attribute__((constructor)) void c(void) { if (!access("/etc", 0)) abort(); }', "",
    ),
    "tls": (
        "__thread char many[1 << 20]; char *t(void) { return many; }", "-ftls-model=initial-exec",
    ),
}  # fmt: skip


@needs_root
@pytest.mark.parametrize("case", sorted(CONSTRUCTORS))
def test_what_a_library_does_when_it_is_loaded_does_not_matter(
    out: Path, compile_c: Compile, case: str
) -> None:
    code, flag = CONSTRUCTORS[case]
    found = library(
        compile_c, "lib/libf.so", *filter(None, [flag]),
        source=f"#include <unistd.h>\n#include <stdlib.h>\n{code}\n{SEVEN}",
    )  # fmt: skip
    program = compile_c("program", CALLS, str(found), f"-Wl,-rpath,{found.parent}")
    run = packed(program, out)
    assert (run.returncode, run.stdout) == (0, ""), run
    assert (out / str(found).lstrip("/")).exists()
    assert start(out, program).returncode == 7


@needs_root
@pytest.mark.parametrize("flag", ["-static", "-static-pie"])
def test_a_static_program_is_alone(out: Path, compile_c: Compile, flag: str) -> None:
    program = compile_c("program", "int main(void) { return 7; }", flag)
    bundled(out, program)
    assert start(out, program).returncode == 7
    assert [path for path in out.rglob("*") if path.is_file()] == [out / str(program)[1:]]


@needs_root
@pytest.mark.parametrize(
    "source",
    [
        "#include <threads.h>\nint f(void *p) { (void) p; thrd_exit(7); }"
        "int main(void) { thrd_t t; int r; thrd_create(&t, f, 0); thrd_join(t, &r); return r; }",
        "#include <execinfo.h>\n"
        "int main(void) { void *a[9]; return backtrace(a, 9) > 0 ? 7 : 1; }",
        "#include <pthread.h>\n#include <unistd.h>\nvoid *f(void *p) { pause(); return p; }"
        "int main(void) { pthread_t t; void *r; pthread_create(&t, 0, f, 0); pthread_cancel(t);"
        "pthread_join(t, &r); return r == PTHREAD_CANCELED ? 7 : 1; }",
    ],
    ids=["thrd_exit", "backtrace", "pthread_cancel"],
)
def test_what_unwinds_its_stack_finds_libgcc(out: Path, compile_c: Compile, source: str) -> None:
    program = compile_c("program", source, "-pthread")
    assert bundled(out, program) == ""
    assert start(out, program).returncode == 7


@needs_root
def test_a_program_of_another_word_size_starts(out: Path, compile_c: Compile) -> None:
    try:
        found = library(compile_c, "lib/libf.so", "-m32")
        program = compile_c("program", CALLS, "-m32", str(found))
    except subprocess.CalledProcessError:
        pytest.skip("needs libc6-dev-i386")
    variables = {"LD_LIBRARY_PATH": str(found.parent)}
    if subprocess.run([program], env=variables, check=False).returncode != 7:
        pytest.skip("programs of i386 do not run here")
    bundled(out, program, **variables)
    assert start(out, program).returncode == 7
    assert mended(out)["libf.so"] == str(found)


@needs_root
def test_a_variant_for_newer_processors_starts_and_so_does_the_plain_one(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    plain = library(compile_c, "lib/libf.so", source="int f(void) { return 1; }")
    special = "lib/glibc-hwcaps/x86-64-v2/libf.so"
    library(compile_c, special, source="int f(void) { return 2; }")
    program = compile_c("program", CALLS, str(plain))
    variables = {"LD_LIBRARY_PATH": str(plain.parent)}
    status = subprocess.run([program], env=variables, check=False).returncode
    if status != 2:
        pytest.skip("this machine does not use x86-64-v2")
    bundled(out, program, **variables)
    assert start(out, program).returncode == 2
    older = start(out, "/lib64/ld-linux-x86-64.so.2", "--glibc-hwcaps-mask", "none", str(program))
    assert older.returncode == 1, older.stderr
    file = (out / "etc" / "ld.so.cache").read_bytes()
    assert set(cache.parse(file, little_endian=True)) == {
        CacheEntry("libf.so", str(tmp_path / special), 0x303, "x86-64-v2"),
        CacheEntry("libf.so", str(plain), 0x303),
    }


@needs_root
@pytest.mark.parametrize("directory", ["tls", "x86_64"])
def test_a_directory_for_processors_of_old_is_searched_where_the_loader_does(
    out: Path, compile_c: Compile, directory: str
) -> None:
    plain = library(compile_c, "lib/libf.so", source="int f(void) { return 1; }")
    library(compile_c, f"lib/{directory}/libf.so", source="int f(void) { return 2; }")
    program = compile_c("program", CALLS, str(plain))
    variables = {"LD_LIBRARY_PATH": str(plain.parent)}
    status = subprocess.run([program], env=variables, check=False).returncode
    bundled(out, program, **variables)
    assert start(out, program).returncode == status


@pytest.mark.needs("aarch64-linux-gnu-gcc", "readelf")
def test_a_program_of_another_architecture_is_taken_from_its_tree(
    tmp_path: Path, out: Path
) -> None:
    system = Path("/usr/aarch64-linux-gnu/lib")
    tree = tmp_path / "tree"
    for name in ("lib", "opt/lib", "opt/bin", "etc/ld.so.conf.d"):
        (tree / name).mkdir(parents=True)
    for name in ("libc.so.6", "ld-linux-aarch64.so.1"):
        shutil.copy(system / name, tree / "lib")
    source = tmp_path / "code.c"
    cross = ["aarch64-linux-gnu-gcc", source, "-o"]
    source.write_text(SEVEN)
    real = tree / "opt" / "lib" / "libf.so.1.2"
    subprocess.run([*cross, real, "-shared", "-Wl,-soname,libf.so.1"], check=True)
    (tree / "opt" / "lib" / "libf.so.1").symlink_to("/opt/lib/libf.so.1.2")
    source.write_text(CALLS)
    subprocess.run([*cross, tree / "opt" / "bin" / "program", real], check=True)
    (tree / "etc" / "ld.so.conf").write_text("include /etc/ld.so.conf.d/*.conf\n")
    (tree / "etc" / "ld.so.conf.d" / "opt.conf").write_text("# here\n/opt/lib\n")
    bundled(
        out, "--sysroot", tree, "/opt/bin/program",
        LD_LIBRARY_PATH="/nonsense", LD_PRELOAD="",
    )  # fmt: skip
    names = {str(path.relative_to(out)) for path in out.rglob("*") if not path.is_dir()}
    assert names == {
        "etc/ld.so.cache", "etc/ld.so.conf", "lib/ld-linux-aarch64.so.1", "lib/libc.so.6",
        "opt/bin/program", "opt/lib/libf.so.1", "opt/lib/libf.so.1.2",
    }  # fmt: skip
    assert mended(out)["libf.so.1"] == "/opt/lib/libf.so.1"

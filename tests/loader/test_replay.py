"""What the loader finds here, it finds in the bundle: a start in a chroot proves every rule."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from magicpak.loader import cache
from magicpak.loader.cache import CacheEntry
from support.elves import Made
from support.loader import CALLS, CHROOT, SEVEN, bundled, library, mended, packed, start
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
def test_ld_library_path_is_replaced_by_a_cache(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    deep = library(compile_c, "deep/libdeep.so", source="int g(void) { return 7; }")
    found = library(
        compile_c, "lib/libf.so", str(deep), source="int g(void); int f(void) { return g(); }"
    )
    program = compile_c("program", CALLS, str(found), f"-Wl,-rpath-link,{deep.parent}")
    log = bundled(
        out, "-v", program, LD_LIBRARY_PATH=f"{tmp_path}/nowhere:{found.parent};{deep.parent}"
    )
    assert start(out, program).returncode == 7
    assert mended(out) == {"libf.so": str(found), "libdeep.so": str(deep)}
    assert "LD_LIBRARY_PATH" in log


@needs_root
@pytest.mark.needs("unshare")
def test_what_only_the_hosts_cache_knows_is_in_the_bundles(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    found = library(compile_c, "lib/libf.so")
    program = compile_c("program", CALLS, str(found))
    configuration, made = tmp_path / "conf", tmp_path / "cache"
    configuration.write_text(f"include /etc/ld.so.conf\n{found.parent}\n")
    subprocess.run(["/sbin/ldconfig", "-X", "-f", configuration, "-C", made], check=True)
    mount = f"mount --bind {made} /etc/ld.so.cache && exec \"$@\""
    prefix = ("unshare", "--mount", "sh", "-c", mount, "sh")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    bundled(out, program, prefix=prefix)
    assert start(out, program).returncode == 7
    assert mended(out) == {"libf.so": str(found)}
    assert len(list((out / "etc").iterdir())) == 2


@needs_root
@pytest.mark.parametrize("tag", ["--enable-new-dtags", "--disable-new-dtags"])
def test_origin_survives_to_be_installed_elsewhere(
    out: Path, compile_c: Compile, tag: str
) -> None:
    found = library(compile_c, "app/lib/libf.so")
    program = compile_c(
        "app/bin/program", CALLS, f"-Wl,-rpath,$ORIGIN/../lib,{tag}", str(found)
    )
    bundled(out, "--install-to", "/srv/", program)
    assert start(out, "/srv/program").returncode == 7
    assert mended(out) == {"libf.so": str(found)}
    shutil.rmtree(out)
    # A plain chroot has no /proc, without which the loader does not know $ORIGIN of a program.
    bundled(out, program)
    assert start(out, program).returncode == 7
    assert mended(out) == {"libf.so": str(found)}


@pytest.mark.needs("cc", "root", "busybox", "patchelf")
def test_a_library_needed_by_a_path_from_the_origin_is_linked_there(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    needed = library(compile_c, "lib/libb.so", source="int g(void) { return 7; }")
    calls = "int g(void); int f(void) { return g(); }"
    liba = library(compile_c, "lib/liba.so", str(needed), source=calls)
    program = compile_c("bin/program", CALLS, str(liba), "-Wl,--allow-shlib-undefined")
    for path, old, new in (
        (program, liba, "$ORIGIN/../lib/liba.so"), (liba, needed, "${ORIGIN}/libb.so"),
    ):  # fmt: skip
        subprocess.run(["patchelf", "--replace-needed", old.name, new, path], check=True)
    assert subprocess.run([program], check=False).returncode == 7
    test = ("-t", "--test-command", "/x/y/program; test $? = 7")
    assert bundled(out, program, "-r", "/x/y/", *test) == ""
    assert os.readlink(out / "x" / "lib" / "liba.so") == str(liba)
    # The origin of a library is where it was found, not where the link leads.
    assert os.readlink(out / "x" / "lib" / "libb.so") == str(needed)
    assert bundled(tmp_path / "same", program) == ""
    assert not (tmp_path / "same" / "x").exists()


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
@pytest.mark.needs("musl-gcc")
def test_musl_gets_one_path_file_for_all(tmp_path: Path, out: Path, compile_c: Compile) -> None:
    directories, programs = [], []
    for name in ("one", "two"):
        found = compile_c(f"{name}/lib{name}.so", SEVEN, "-shared", "-fPIC", "-nostdlib")
        program, source = tmp_path / name / "program", tmp_path / "program.c"
        source.write_text(CALLS)
        link = ["musl-gcc", "-o", program, source, f"-L{found.parent}", f"-l:lib{name}.so"]
        subprocess.run(link, check=True)
        directories.append(str(found.parent))
        programs.append(program)
    bundled(out, *programs, LD_LIBRARY_PATH=":".join(directories))
    assert [start(out, program).returncode for program in programs] == [7, 7]
    (made,) = (out / "etc").iterdir()
    assert re.fullmatch(r"ld-musl-\w+\.path", made.name)
    assert set(directories) <= set(made.read_text().split())


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


def test_no_link_is_made_where_something_else_lies(tmp_path: Path, out: Path) -> None:
    tree = tmp_path / "tree"
    Made().write(tree / "ld.so")
    Made([("needed", "$ORIGIN/../lib/libf.so")], "/ld.so").write(tree / "app" / "program")
    Made().write(tree / "lib" / "libf.so")
    Made(bits=32).write(tree / "x" / "lib" / "libf.so")
    options = ("--sysroot", tree, "--install-to", "/x/y/", "--include", "/x/lib/*")
    run = packed(*options, "/app/program", out)
    assert run.returncode == 1
    assert "error: /x/y/program would not start in the bundle: /x/y/../lib/libf.so" in run.stderr


def test_nodeflib_is_mended_where_the_cache_may_be_used(tmp_path: Path, out: Path) -> None:
    tree = tmp_path / "tree"
    Made().write(tree / "ld.so")
    Made([("needed", "libf.so")], "/ld.so", flags_1=0x800).write(tree / "program")
    Made().write(tree / "opt" / "libf.so")
    (tree / "etc").mkdir()
    (tree / "etc" / "ld.so.conf").write_text("/opt\n")
    bundled(out, "--sysroot", tree, "/program")
    assert mended(out) == {"libf.so": "/opt/libf.so"}


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
def test_what_unwinds_its_stack_finds_libgcc(
    out: Path, compile_c: Compile, source: str
) -> None:
    program = compile_c("program", source, "-pthread")
    assert bundled(out, program) == ""
    assert start(out, program).returncode == 7


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
        f"warning: {program} will not find libf.so, unless LD_LIBRARY_PATH has {found}\n"
    )
    assert start(out, script).returncode == 0


@needs_root
def test_an_included_program_that_does_not_start_may_be_excluded(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    found = library(compile_c, "libf.so")
    program = compile_c("tools/program", CALLS, f"-L{tmp_path}", "-lf")
    found.unlink()
    run = packed("/bin/true", "-i", program.parent, out)
    assert f"error: {program} would not start in the bundle: libf.so: looked in" in run.stderr
    assert bundled(out, "/bin/true", "-i", program.parent, "-e", program) == ""


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
def test_a_missing_symbol_version_is_a_warning(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    script = tmp_path / "versions"
    script.write_text("V_2 { f; };")
    found = library(compile_c, "lib/libf.so", f"-Wl,--version-script={script}")
    program = compile_c("program", CALLS, str(found), f"-Wl,-rpath,{found.parent}")
    script.write_text("V_1 { f; };")
    library(compile_c, "lib/libf.so", f"-Wl,--version-script={script}")
    log = bundled(out, program)
    assert f"{program} needs version V_2 of libf.so, which {found} does not define" in log
    assert log.count("V_2") == 1


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

"""A bundle for an image that has a cache: links in a default directory, found without one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.command import paths
from support.loader import CALLS, bundled, here, library, packed, start
from support.programs import Compile

pytestmark = [here, pytest.mark.needs("cc", "root")]
DEFAULT = "usr/lib/x86_64-linux-gnu"


def linked(out: Path) -> dict[str, str]:
    """Return the links that lead out of the default directory."""
    return {
        str(path.relative_to(out / DEFAULT)): os.readlink(path)
        for path in (out / DEFAULT).rglob("*")
        if path.is_symlink() and "/" in os.readlink(path)
    }


def test_what_only_ld_library_path_had_is_linked(out: Path, compile_c: Compile) -> None:
    found = library(compile_c, "lib/libf.so")
    program = compile_c("program", CALLS, str(found))
    log = bundled(out, "--merged-usr", program, LD_LIBRARY_PATH=str(found.parent))
    assert log == ""
    assert start(out, program).returncode == 7
    assert linked(out) == {"libf.so": str(found)}
    assert not (out / "etc").exists()


def test_the_cache_of_the_image_is_left_alone(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    base = tmp_path / "base"
    system = base / DEFAULT
    for directory in (system, base / "usr" / "lib64", base / "usr" / "local" / "lib", base / "etc"):
        directory.mkdir(parents=True)
    (base / "lib").symlink_to("usr/lib")
    (base / "lib64").symlink_to("usr/lib64")
    shutil.copy("/lib64/ld-linux-x86-64.so.2", base / "usr" / "lib64")
    shutil.copy("/lib/x86_64-linux-gnu/libc.so.6", system)
    theirs = library(compile_c, "theirs/libg.so", source="int f(void) { return 3; }")
    shutil.copy(compile_c("their_program", CALLS, str(theirs)), base)
    shutil.copy(theirs, base / "usr" / "local" / "lib")
    (base / "etc" / "ld.so.conf").write_text("/usr/local/lib\n")
    subprocess.run(["/sbin/ldconfig", "-r", base], check=True)
    found = library(compile_c, "lib/libf.so")
    program = compile_c("program", CALLS, str(found))
    bundled(out, "--merged-usr", program, LD_LIBRARY_PATH=str(found.parent))
    subprocess.run(["cp", "-a", f"{out}/.", base], check=True)
    for _ in range(2):
        assert start(base, program).returncode == 7
        assert start(base, "/their_program").returncode == 3
        subprocess.run(["/sbin/ldconfig", "-r", base], check=True)


def test_what_the_link_hides_of_its_origin_is_linked_too(out: Path, compile_c: Compile) -> None:
    deep = library(compile_c, "lib/private/libdeep.so", source="int g(void) { return 7; }")
    calls = "int g(void); int f(void) { return g(); }"
    origin = "-Wl,-rpath,$ORIGIN/private"
    found = library(compile_c, "lib/libf.so", str(deep), origin, source=calls)
    program = compile_c("program", CALLS, str(found))
    bundled(out, "--merged-usr", program, LD_LIBRARY_PATH=str(found.parent))
    assert start(out, program).returncode == 7
    assert linked(out) == {"libf.so": str(found), "libdeep.so": str(deep)}
    assert not (out / "etc").exists()


def test_what_lies_beside_its_program_is_linked_for_a_chroot_without_proc(
    out: Path, compile_c: Compile
) -> None:
    found = library(compile_c, "app/lib/libf.so")
    program = compile_c("app/bin/program", CALLS, "-Wl,-rpath,$ORIGIN/../lib", str(found))
    bundled(out, "--merged-usr", "--install-to", "/srv/", program)
    assert start(out, "/srv/program").returncode == 7
    assert linked(out) == {"libf.so": str(found)}


def test_a_variant_for_newer_processors_is_linked_beside_the_plain_one(
    out: Path, compile_c: Compile
) -> None:
    plain = library(compile_c, "lib/libf.so", source="int f(void) { return 1; }")
    level = "glibc-hwcaps/x86-64-v2/libf.so"
    newer = library(compile_c, f"lib/{level}", source="int f(void) { return 2; }")
    program = compile_c("program", CALLS, str(plain))
    variables = {"LD_LIBRARY_PATH": str(plain.parent)}
    if subprocess.run([program], env=variables, check=False).returncode != 2:
        pytest.skip("this machine does not use x86-64-v2")
    bundled(out, "--merged-usr", program, **variables)
    assert linked(out) == {"libf.so": str(plain), level: str(newer)}
    assert start(out, program).returncode == 2
    older = start(out, "/lib64/ld-linux-x86-64.so.2", "--glibc-hwcaps-mask", "none", str(program))
    assert older.returncode == 1, older.stderr


@pytest.mark.needs("musl-gcc")
def test_musl_follows_links_as_well(tmp_path: Path, out: Path, compile_c: Compile) -> None:
    found = compile_c("one/libf.so", "int f(void) { return 7; }", "-shared", "-fPIC", "-nostdlib")
    program, source = tmp_path / "one" / "program", tmp_path / "program.c"
    source.write_text(CALLS)
    command = ["musl-gcc", "-o", program, source, f"-L{found.parent}", "-l:libf.so"]
    subprocess.run(command, check=True)
    bundled(out, "--merged-usr", program, LD_LIBRARY_PATH=str(found.parent))
    assert start(out, program).returncode == 7
    assert not (out / "etc").exists()


@pytest.mark.needs("mounts")
def test_what_the_hosts_cache_knows_can_be_loaded_later(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    found = library(compile_c, "lib/libf.so")
    loads = '#include <dlfcn.h>\nint main(void) { return dlopen("libf.so", RTLD_NOW) ? 7 : 1; }'
    program = compile_c("program", loads)
    configuration, made = tmp_path / "conf", tmp_path / "cache"
    configuration.write_text(f"include /etc/ld.so.conf\n{found.parent}\n")
    subprocess.run(["/sbin/ldconfig", "-X", "-f", configuration, "-C", made], check=True)
    mount = f'mount --bind {made} /etc/ld.so.cache && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", mount, "sh")
    bundled(out, "--merged-usr", program, "--include", found, prefix=prefix)
    assert start(out, program).returncode == 7
    assert linked(out) == {"libf.so": str(found)}
    assert not (out / "etc").exists()


def test_where_a_file_has_the_name_the_cache_is_made_and_told(
    out: Path, compile_c: Compile
) -> None:
    # Of glibc, and needed by no Python: one may need libz.so.1, and takes what LD_LIBRARY_PATH has.
    name = "libBrokenLocale.so.1"
    found = library(compile_c, f"lib/{name}")
    program = compile_c("program", CALLS, str(found))
    options = ("--merged-usr", "--include", f"/lib/x86_64-linux-gnu/{name}")
    log = bundled(out, *options, program, LD_LIBRARY_PATH=str(found.parent))
    assert start(out, program).returncode == 7
    (warning,) = log.splitlines()
    assert "/etc/ld.so.cache hides the cache of an image" in warning
    conf = out / "etc" / "ld.so.conf.d" / "magicpak.conf"
    assert conf.read_text() == f"{found.parent}\n"
    assert not (out / "etc" / "ld.so.conf").exists()


def test_what_reads_the_cache_gets_it_and_the_danger_is_told(out: Path) -> None:
    (warning,) = bundled(out, "--merged-usr", "/bin/true", "-i", "/sbin/ldconfig").splitlines()
    assert "/etc/ld.so.cache hides the cache of an image" in warning
    assert "/etc/ld.so.cache" in paths(out)


def test_an_excluded_cache_is_done_without(out: Path, compile_c: Compile) -> None:
    found = library(compile_c, "lib/libf.so")
    program = compile_c("program", CALLS, str(found))
    log = bundled(out, program, "-e", "/etc/*", LD_LIBRARY_PATH=str(found.parent))
    assert log == ""
    assert start(out, program).returncode == 7
    assert not (out / "etc").exists()


def test_where_it_cannot_be_done_without_the_run_fails(out: Path, compile_c: Compile) -> None:
    found = library(compile_c, "lib/libf.so")
    program = compile_c("program", CALLS, str(found), "-Wl,-z,nodefaultlib")
    variables = {"LD_LIBRARY_PATH": f"{found.parent}:/lib/x86_64-linux-gnu"}
    run = packed(program, out, "-e", "/etc/*", **variables)
    assert run.returncode == 1
    assert f"error: {program} would not start in the bundle: " in run.stderr
    assert not out.exists()

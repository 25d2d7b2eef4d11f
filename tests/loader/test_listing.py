"""The cache for what reads it beside the loader; ldconfig(8) is the judge of what it has."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from magicpak.loader import cache
from support.loader import SEVEN, bundled, library, start
from support.programs import Compile, compile_c, script

LDCONFIG = "/sbin/ldconfig"
ZLIB = "/lib/x86_64-linux-gnu/libz.so.1"
pytestmark = [
    pytest.mark.needs("root"),
    pytest.mark.skipif(not os.path.exists(LDCONFIG), reason="needs ldconfig"),
]


def printed(tree: Path) -> list[str]:
    """List what ldconfig reads in the cache of a tree."""
    told = subprocess.run(
        [LDCONFIG, "-p", "-C", tree / "etc" / "ld.so.cache"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [line.strip() for line in told.splitlines() if line.startswith("\t")]


def made_by_ldconfig(tree: Path, copy: Path) -> list[str]:
    """List what a cache has that ldconfig makes for the same tree; of one name the first alone."""
    shutil.copytree(tree, copy, symlinks=True)
    (copy / "etc" / "ld.so.cache").unlink()
    subprocess.run([LDCONFIG, "-X", "-r", copy], check=True, capture_output=True)
    return list({line.split(" =>")[0]: line for line in reversed(printed(copy))}.values())[::-1]


@pytest.mark.needs("strace")
def test_what_runs_ldconfig_is_told_of_all_libraries(tmp_path: Path, out: Path) -> None:
    reads = script(tmp_path / "reads", f"{LDCONFIG} -p")
    bundled(out, "--dynamic", reads, "/usr/bin/python3", "--include", ZLIB)
    assert printed(out) == made_by_ldconfig(out, tmp_path / "copy")
    run = start(out, reads)
    assert "libc.so.6 (libc6,x86-64) => /lib/x86_64-linux-gnu/libc.so.6" in run.stdout
    assert "libz.so.1 (libc6,x86-64) => " in run.stdout
    assert not (out / "etc" / "ld.so.conf").exists()


@pytest.mark.needs("strace", "cc")
def test_find_library_finds_what_only_ld_library_path_had(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    found = library(compile_c, "lib/libseven.so.3")
    program = tmp_path / "find.py"
    program.write_text(
        "import ctypes.util as u, ctypes as c, subprocess\n"
        "subprocess.run(['/sbin/ldconfig', '-p'], stdout=-1)\n"
        "print(u.find_library('seven'), c.CDLL('libseven.so.3').f())\n"
    )
    log = bundled(
        out, "-d", "--dynamic-arg", program, "/usr/bin/python3", LD_LIBRARY_PATH=str(found.parent)
    )
    assert log == ""
    (out / "dev").mkdir()
    os.mknod(out / "dev" / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    assert start(out, "/usr/bin/python3", str(program)).stdout == "libseven.so.3 7\n"
    assert str(found.parent) in (out / "etc" / "ld.so.conf").read_text().splitlines()
    assert printed(out) == made_by_ldconfig(out, tmp_path / "copy")


READERS = {
    "fopen": '#include <stdio.h>\nint main(void) { return !fopen("/etc/ld.so.cache", "r"); }',
    "stat": '#include <unistd.h>\nint main(void) { return access("/etc/ld.so.cache", R_OK); }',
    "cloexec": (
        "#define _GNU_SOURCE\n#include <fcntl.h>\n#include <sys/stat.h>\n"
        'int main(void) { int d = open("/etc/ld.so.cache", O_RDONLY | O_CLOEXEC); struct stat s;'
        'fstat(d, &s); return open("/etc/passwd", O_RDONLY) < 0; }'
    ),
}
LOADS = (
    '#include <dlfcn.h>\nint main(void) { dlopen("libnone.so.3", RTLD_NOW);'
    'return !dlopen("libz.so.1", RTLD_NOW); }'
)


@pytest.mark.needs("strace", "cc")
@pytest.mark.parametrize("case", sorted(READERS))
def test_what_opens_the_cache_itself_gets_one(out: Path, compile_c: Compile, case: str) -> None:
    program = compile_c("program", READERS[case])
    bundled(out, "--dynamic", program)
    names = {line.split()[0] for line in printed(out)}
    assert {"libc.so.6", "ld-linux-x86-64.so.2"} <= names
    assert "libz.so.1" not in names
    assert start(out, program).returncode == 0


@pytest.mark.needs("strace", "cc")
def test_what_the_loader_opens_for_itself_is_no_reason(out: Path, compile_c: Compile) -> None:
    bundled(out, "--dynamic", compile_c("program", LOADS))
    assert not (out / "etc").exists()


def test_an_included_cache_is_made_for_the_bundle(out: Path) -> None:
    assert bundled(out, "/bin/true", "--include", "/etc/ld.so.cache") == ""
    assert [line.split()[0] for line in printed(out)] == ["libc.so.6", "ld-linux-x86-64.so.2"]


def test_it_may_be_excluded(out: Path) -> None:
    bundled(out, "/bin/true", "-i", LDCONFIG, "-e", "*/ld.so.cache")
    assert not (out / "etc").exists()


@pytest.mark.needs("cc")
def test_links_and_names_are_those_of_ldconfig(tmp_path: Path, out: Path) -> None:
    """The link for ld(1) has its own name, others the soname; a file without one has its name."""
    lib = tmp_path / "lib"
    shared = ("-shared", "-fPIC")
    compile_c(lib / "libone.so.1.2", SEVEN, *shared, "-Wl,-soname,libone.so.1")
    (lib / "libone.so.1").symlink_to("libone.so.1.2")
    (lib / "libone.so").symlink_to("libone.so.1")
    (lib / "libalias.so.9").symlink_to("libone.so.1.2")
    compile_c(lib / "libtwo-2.0.so", SEVEN, *shared)
    compile_c(lib / "ld-three.so", SEVEN, *shared)
    compile_c(lib / "plugin.so", SEVEN, *shared)
    (lib / "libscript.so").write_text("INPUT(libone.so.1)\n")
    compile_c(lib / "libobject.so", SEVEN, "-c")
    bundled(out, "/bin/true", "-i", lib, "-i", LDCONFIG)
    assert (out / "etc" / "ld.so.conf").read_text() == f"{lib}\n"
    assert printed(out) == made_by_ldconfig(out, tmp_path / "copy")
    names = [line.split()[0] for line in printed(out) if str(lib) in line]
    assert names == ["libtwo-2.0.so", "libone.so.1", "libone.so", "ld-three.so"]


@pytest.mark.needs("cc")
def test_a_soname_without_a_link_stands_for_the_file(tmp_path: Path, out: Path) -> None:
    found = compile_c(
        tmp_path / "lib" / "libf.so.1.2", SEVEN, "-shared", "-fPIC", "-Wl,-soname,libf.so.1"
    )
    bundled(out, "/bin/true", "-i", found, "-i", LDCONFIG)
    assert f"libf.so.1 (libc6,x86-64) => {found}" in printed(out)


def test_of_two_by_one_name_the_one_that_the_loader_takes_is_listed(
    tmp_path: Path, out: Path
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    shutil.copy(ZLIB, private / "libz.so.1")
    bundled(out, "/bin/true", "-i", private, "-i", ZLIB, "-i", LDCONFIG)
    assert [line for line in printed(out) if "libz" in line] == [
        f"libz.so.1 (libc6,x86-64) => {ZLIB}"
    ]


@pytest.mark.needs("musl-gcc", "aarch64-linux-gnu-gcc")
def test_what_no_loader_of_glibc_here_loads_is_not_listed(tmp_path: Path, out: Path) -> None:
    source = tmp_path / "code.c"
    source.write_text(SEVEN)
    for compiler in ("musl-gcc", "aarch64-linux-gnu-gcc"):
        command = [compiler, "-shared", "-fPIC", "-Wl,--no-as-needed", "-o"]
        subprocess.run([*command, tmp_path / f"lib{compiler}.so", source], check=True)
    bundled(out, "/bin/true", "-i", f"{tmp_path}/*.so", "-i", LDCONFIG)
    assert [line.split()[0] for line in printed(out)] == ["libc.so.6", "ld-linux-x86-64.so.2"]


def test_variants_for_newer_processors_keep_their_level(tmp_path: Path, out: Path) -> None:
    for level in ("", "glibc-hwcaps/x86-64-v2/"):
        place = tmp_path / "lib" / level
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(ZLIB, place / "libown.so")
    bundled(out, "/bin/true", "-i", tmp_path / "lib", "-i", LDCONFIG)
    file = (out / "etc" / "ld.so.cache").read_bytes()
    listed = [e for e in cache.parse(file, little_endian=True) if e.name == "libz.so.1"]
    assert [(entry.hwcap, entry.path) for entry in listed] == [
        ("x86-64-v2", f"{tmp_path}/lib/glibc-hwcaps/x86-64-v2/libown.so"),
        ("", f"{tmp_path}/lib/libown.so"),
    ]



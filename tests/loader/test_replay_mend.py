"""What only this machine's settings find is found in the bundle by a cache, a list or a link."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.elves import Made
from support.loader import CALLS, SEVEN, bundled, library, mended, packed, start
from support.programs import Compile

needs_root = pytest.mark.needs("cc", "root")


@needs_root
def test_ld_library_path_is_replaced_by_a_cache(
    tmp_path: Path, out: Path, compile_c: Compile
) -> None:
    deep = library(compile_c, "deep/libdeep.so", source="int g(void) { return 7; }")
    found = library(
        compile_c, "lib/libf.so", str(deep), source="int g(void); int f(void) { return g(); }"
    )
    program = compile_c("program", CALLS, str(found), f"-Wl,-rpath-link,{deep.parent}")
    searched = f"{tmp_path}/nowhere:{found.parent};{deep.parent}"
    log = bundled(out, "--log-level=Debug", program, LD_LIBRARY_PATH=searched)
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
def test_origin_survives_to_be_installed_elsewhere(out: Path, compile_c: Compile, tag: str) -> None:
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


def test_nodeflib_is_mended_where_the_cache_may_be_used(tmp_path: Path, out: Path) -> None:
    tree = tmp_path / "tree"
    Made().write(tree / "ld.so")
    Made([("needed", "libf.so")], "/ld.so", flags_1=0x800).write(tree / "program")
    Made().write(tree / "opt" / "libf.so")
    (tree / "etc").mkdir()
    (tree / "etc" / "ld.so.conf").write_text("/opt\n")
    bundled(out, "--sysroot", tree, "/program")
    assert mended(out) == {"libf.so": "/opt/libf.so"}


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

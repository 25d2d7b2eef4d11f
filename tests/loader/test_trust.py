"""Only a loader of the system is run; what a file names as its loader is read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from magicpak.loader.trust import only_root_writes
from support.command import magicpak

EVIL = """
#include <stdlib.h>
#include <unistd.h>
const char interpreter[] __attribute__((section(".interp"))) = "/lib64/ld-linux-x86-64.so.2";
__attribute__((force_align_arg_pointer)) void start(void) { system("touch " MARK); _exit(0); }
"""
PROGRAM = "int main(void) { return 0; }"
LOADER = "/lib64/ld-linux-x86-64.so.2"


@pytest.fixture
def evil(tmp_path: Path, compile_c: Callable[..., Path]) -> Path:
    """A file that leaves a mark when it is run, and calls itself a loader."""
    mark = f'-DMARK="{tmp_path}/mark"'
    return compile_c(
        "ld-evil.so.1", EVIL, mark, "-shared", "-fPIC", "-Wl,-soname,ld-evil.so.1,-e,start"
    )


@pytest.mark.parametrize("resolver", [(), ("--experimental-noload-resolver",)])
@pytest.mark.parametrize("how", ["input", "included", "script", "relative"])
def test_what_a_program_names_as_its_loader_is_not_run(
    tmp_path: Path, compile_c: Callable[..., Path], evil: Path, how: str, resolver: tuple[str, ...]
) -> None:
    subprocess.run([evil], check=False)
    (tmp_path / "mark").unlink()  # it would have left one
    name = "./ld-evil.so.1" if how == "relative" else str(evil)
    program = compile_c("program", PROGRAM, f"-Wl,--dynamic-linker={name}")
    script = tmp_path / "script"
    script.write_text(f"#!{program}\n")
    script.chmod(0o755)
    arguments: dict[str, tuple[str | Path, ...]] = {
        "input": (program,),
        "relative": (program,),
        "included": ("-i", program, "/bin/true"),
        "script": (script,),
    }
    run = magicpak("-v", *resolver, *arguments[how], tmp_path / "out", cwd=tmp_path)
    assert f"info: {name} is read and not run" in run.stderr
    assert not (tmp_path / "mark").exists()


@pytest.mark.needs("root")
def test_a_file_that_others_may_change_is_not_trusted(tmp_path: Path) -> None:
    tmp_path.parent.chmod(0o755)
    assert only_root_writes(os.path.realpath("/bin/sh"))
    assert only_root_writes("/bin/sh")
    assert not only_root_writes("/no/such/file")
    assert not only_root_writes("/bin")
    file = tmp_path / "file"
    file.touch()
    # The tests' own directory lies below /tmp, where everybody may write.
    assert not only_root_writes(str(file))

"""Ask the dynamic loader: the one of this machine, and the one of a bundle in a chroot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from magicpak.loader import cache
from support.command import Printed
from support.programs import Compile

INTERPRETER = "/lib64/ld-linux-x86-64.so.2"
here = pytest.mark.skipif(
    not os.path.exists(INTERPRETER), reason="needs the glibc loader of x86_64"
)
"""Marks what compares with the loader of this machine."""

CHROOT = "/usr/sbin/chroot"
SEVEN = "int f(void) { return 7; }"
"""A library."""

CALLS = "int f(void); int main(void) { return f(); }"
"""A program that needs it."""


def library(compile_c: Compile, name: str, *flags: str, source: str = SEVEN) -> Path:
    """Compile a library whose soname is the name of its file."""
    return compile_c(name, source, "-shared", "-fPIC", f"-Wl,-soname,{Path(name).name}", *flags)


def packed(*arguments: str | Path, prefix: tuple[str, ...] = (), **variables: str) -> Printed:
    """Run the command with no more than PATH in its environment."""
    return subprocess.run(
        [*prefix, sys.executable, "-m", "magicpak", *arguments],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def bundled(
    out: Path, *arguments: str | Path, prefix: tuple[str, ...] = (), **variables: str
) -> str:
    """Make a bundle, which has to succeed, and return what was logged."""
    run = packed(*arguments, out, prefix=prefix, **variables)
    assert run.returncode == 0, run.stderr
    return run.stderr


def start(out: Path, program: str | Path, *arguments: str, **variables: str) -> Printed:
    """Start a program of the bundle in a chroot, with an empty environment."""
    settings = [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(
        ["env", "-i", *settings, CHROOT, out, program, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def mended(out: Path) -> dict[str, str]:
    """Read the cache that was made; ldconfig has to read the same in it."""
    file = out / "etc" / "ld.so.cache"
    entries = cache.parse(file.read_bytes(), little_endian=True)
    told = subprocess.run(
        ["/sbin/ldconfig", "-p", "-C", file], capture_output=True, text=True, check=True
    ).stdout
    assert re.findall(r"^\t(\S+) \(.*=> (.*)$", told, re.MULTILINE) == [
        (entry.name, entry.path) for entry in entries
    ]
    listed = (out / "etc" / "ld.so.conf").read_text().split()
    assert {os.path.dirname(e.path).partition("/glibc-hwcaps")[0] for e in entries} == set(listed)
    return {entry.name: entry.path for entry in entries}


def sysroot_of(program: str, root: Path) -> Path:
    """Make a tree with a program and what it needs, and a directory /etc."""
    (root / "etc").mkdir(parents=True)
    run = subprocess.run(
        [INTERPRETER, "--list", program], capture_output=True, text=True, check=True
    )
    for path in (program, *(word for word in run.stdout.split() if word.startswith("/"))):
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path[1:])
    return root

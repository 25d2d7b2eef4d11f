"""On other architectures, the closure is what the loader there says: asked under qemu-user(1)."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from magicpak import Options, pack
from magicpak.host import Host
from support import architectures
from support.architectures import ARCHITECTURES, Architecture

ENOUGH = 100
"""Programs that each tree has to have."""

LISTED = re.compile(r"^\t(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)

pytestmark = [
    pytest.mark.architectures,
    pytest.mark.needs("root", "apt-get", *(f"qemu-{kind.qemu}-static" for kind in ARCHITECTURES)),
]


def said(tree: Path, kind: Architecture, program: str, *later: str) -> set[str]:
    """Ask the loader of a tree for what it maps, and with libraries that are loaded later.

    Returns the real paths there; none if the program is static.
    """
    preload = ("--preload", " ".join(later)) if later else ()
    run = architectures.emulated(tree, kind, kind.loader, *preload, "--list", program)
    if "statically linked" in run.stdout:
        return set()
    assert (run.returncode, run.stderr) == (0, ""), (program, run.stdout, run.stderr)
    inside = Host(str(tree))
    return {inside.real(path) for path in (kind.loader, *LISTED.findall(run.stdout))}


def resolved(tree: Path, program: str, report: Path) -> dict[str, str]:
    """Bundle a program, and return the real paths of all else, each by the name it is found by."""
    out = str(report.with_name("out"))
    pack(Options((program,), out, sysroot=str(tree), dry_run=True, report=str(report)))
    entries = json.loads(report.read_text())["entries"]
    inside = Host(str(tree))
    return {
        os.path.basename(each["path"]): inside.real(each["path"])
        for each in entries
        if each["reasons"][0]["why"] in ("needed by", "interpreter of")
    }


def differs(tree: Path, kind: Architecture, program: str, report: Path) -> str:
    """Compare magicpak with the loader; return nothing where they agree.

    What is more has to be loaded later: then another file there has its name, and the loader finds
    the same if it is told to load that too.
    """
    then, now = said(tree, kind, program), resolved(tree, program, report)
    later = [name for name, path in now.items() if path not in then]
    found = said(tree, kind, program, *later) if later else then
    if found != set(now.values()):
        return f"the loader says {sorted(found)}, magicpak {sorted(now.values())}"
    named = [name for name in later if _named(name, tree, {program, *now.values()} - {now[name]})]
    return "" if named == later else f"of {later}, only {named} are named"


def _named(name: str, tree: Path, paths: set[str]) -> bool:
    return any(name.encode() in Path(f"{tree}{path}").read_bytes() for path in paths)


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=[each.debian for each in ARCHITECTURES])
def kind(request: pytest.FixtureRequest) -> Architecture:
    """Each architecture."""
    found: Architecture = request.param
    return found


@pytest.fixture(scope="module")
def tree(kind: Architecture, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Unpack Debian for the architecture, once for all tests."""
    place = tmp_path_factory.mktemp(kind.debian)
    architectures.make(place / "tree", kind)
    yield place / "tree"
    shutil.rmtree(place)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Leave out the advice on run-time data, hundreds of lines."""
    caplog.set_level(logging.ERROR)


def test_the_closure_is_what_the_loader_of_the_architecture_says(
    kind: Architecture, tree: Path, tmp_path: Path
) -> None:
    programs = list(architectures.programs(tree))
    assert len(programs) >= ENOUGH
    told = {name: differs(tree, kind, name, tmp_path / "report.json") for name in programs}
    assert {name: text for name, text in told.items() if text} == {}


def test_the_cache_of_the_architecture_is_read_as_its_loader_does(
    kind: Architecture, tree: Path, tmp_path: Path
) -> None:
    moved = tree / "opt/lib"
    moved.mkdir(parents=True)
    (tree / "etc/ld.so.conf.d/moved.conf").write_text("/opt/lib\n")
    for library in (tree / "usr/lib").glob("*-linux-gnu*/libz.so.1*"):
        library.rename(moved / library.name)
    run = architectures.emulated(tree, kind, "/sbin/ldconfig")
    assert run.returncode == 0, run.stderr
    for name in ("curl", "git", "file", "openssl", "python3.11", "python3.13"):
        program = f"/usr/bin/{name}"
        if (tree / program[1:]).exists():
            assert differs(tree, kind, program, tmp_path / "report.json") == ""
    assert any(path.startswith("/opt/lib/") for path in said(tree, kind, "/usr/bin/curl"))

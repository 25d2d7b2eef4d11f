"""Byte code of Python stays that of its source, whatever SOURCE_DATE_EPOCH does to its time."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.command import facts
from support.packing import simple

EPOCH = 1_500_000_000
MODES = py_compile.PycInvalidationMode


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for modules; the time that a build may have is in the past."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(EPOCH))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "package").mkdir()
    return tmp_path / "package"


def module(package: Path, name: str = "module", at: int = EPOCH + 1000) -> Path:
    """Write a module, with a time."""
    source = package / f"{name}.py"
    source.write_text("print('imported')\n")
    os.utime(source, (at, at))
    return source


def compiled(
    source: Path, to: Path | None = None, *, optimize: int = 0, mode: Any = MODES.TIMESTAMP
) -> Path:
    """Compile a module, and return the path of its byte code."""
    made = py_compile.compile(
        str(source), to and str(to), doraise=True, optimize=optimize, invalidation_mode=mode
    )
    return Path(str(made))


def bundled(package: Path) -> Path:
    """Bundle the modules; return where they then lie."""
    simple("out", include=("package",))
    return package.parent / "out" / "package"


def import_verbosely(directory: Path, *options: str, name: str = "module") -> str:
    """Import a module; return what Python says of its byte code."""
    run = subprocess.run(
        [sys.executable, "-B", "-v", *options, "-c", f"import {name}"],
        cwd=directory, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout == "imported\n"
    lines = [line for line in run.stderr.splitlines() if f"/{name}." in line]
    return "\n".join(lines)


def test_byte_code_stays_valid_when_the_time_of_its_source_changes(package: Path) -> None:
    for option, optimize in (("-b", 0), ("-O", 1), ("-OO", 2)):
        compiled(module(package), optimize=optimize)
        assert " matches " in import_verbosely(package, option)
    at = bundled(package)
    assert (at / "module.py").stat().st_mtime == EPOCH
    for option in ("-b", "-O", "-OO"):
        said = import_verbosely(at, option)
        assert " matches " in said
        assert "stale" not in said


def test_the_content_is_the_same_but_for_the_time(package: Path) -> None:
    cached = compiled(module(package))
    before = cached.read_bytes()
    after = (bundled(package) / cached.relative_to(package)).read_bytes()
    assert int.from_bytes(after[8:12], "little") == EPOCH
    assert (after[:8], after[12:]) == (before[:8], before[12:])
    assert cached.read_bytes() == before


def test_byte_code_beside_its_source_is_adapted_too(package: Path) -> None:
    compiled(module(package), package / "module.pyc")
    after = (bundled(package) / "module.pyc").read_bytes()
    assert int.from_bytes(after[8:12], "little") == EPOCH


def test_the_header_of_older_versions_is_known(package: Path) -> None:
    """Python 2 records the time at offset 4."""
    stamp = (EPOCH + 1000).to_bytes(4, "little")
    module(package)
    (package / "module.pyc").write_bytes(b"\x03\xf3\r\n" + stamp + b"rest of it")
    after = (bundled(package) / "module.pyc").read_bytes()
    assert after == b"\x03\xf3\r\n" + EPOCH.to_bytes(4, "little") + b"rest of it"


@pytest.mark.parametrize("mode", [MODES.CHECKED_HASH, MODES.UNCHECKED_HASH])
def test_byte_code_with_a_hash_of_its_source_stays_as_it_is(
    package: Path, mode: py_compile.PycInvalidationMode
) -> None:
    cached = compiled(module(package), mode=mode)
    before = cached.read_bytes()
    assert (bundled(package) / cached.relative_to(package)).read_bytes() == before


@pytest.mark.parametrize("what", ["stale", "old", "without a source", "no byte code", "short"])
def test_what_is_not_of_its_source_stays_as_it_is(package: Path, what: str) -> None:
    source = module(package, at=EPOCH - 1000 if what == "old" else EPOCH + 1000)
    cached = compiled(source)
    if what == "stale":
        os.utime(source, (EPOCH + 2000, EPOCH + 2000))
    elif what == "without a source":
        source.unlink()
    elif what == "no byte code":
        cached.write_bytes(os.urandom(64))
    elif what == "short":
        cached.write_bytes(b"abc")
    before = cached.read_bytes()
    assert (bundled(package) / cached.relative_to(package)).read_bytes() == before


def test_without_the_variable_nothing_is_touched(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    cached = compiled(module(package))
    before = cached.read_bytes()
    at = bundled(package)
    assert (at / cached.relative_to(package)).read_bytes() == before
    assert " matches " in import_verbosely(at)


def test_two_checkouts_give_the_same_bundle(package: Path) -> None:
    trees = []
    for at in (EPOCH + 1000, EPOCH + 5000):
        compiled(module(package, at=at))
        out = f"out-{at}"
        simple(out, include=("package",))
        trees.append(facts(package.parent / out))
    assert trees[0] == trees[1]


def test_one_file_at_two_paths_is_two_where_one_has_another_source(package: Path) -> None:
    cached = compiled(module(package))
    other = cached.with_name("other.pyc")
    os.link(cached, other)
    at = bundled(package) / "__pycache__"
    assert (at / other.name).read_bytes() == other.read_bytes()
    assert int.from_bytes((at / cached.name).read_bytes()[8:12], "little") == EPOCH


def test_a_source_that_is_a_link_counts(package: Path) -> None:
    """As Debian shares the sources of several versions."""
    shared = module(package.parent, name="shared")
    (package / "module.py").symlink_to("../shared.py")
    os.utime(shared, (EPOCH + 1000, EPOCH + 1000))
    compiled(package / "module.py")
    assert " matches " in import_verbosely(bundled(package))

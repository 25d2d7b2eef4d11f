"""The closure, rule by rule: the loader that is installed here judges, and every program of it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from magicpak.elf import is_elf
from magicpak.host import Host
from magicpak.loader.cache import CacheEntry, select
from magicpak.loader.closure import closure
from magicpak.loader.errors import LookupFailed, LookupRefused
from magicpak.loader.identify import Identified
from magicpak.loader.library import Closure
from magicpak.loader.search import Environment, Flavour, How, Loader
from support.elves import EM_386, Made, dlopen_note
from support.loader import INTERPRETER, here

NODEFLIB, PIE = 0x800, 0x8000000


@pytest.fixture
def loaders(tmp_path: Path) -> Iterator[Identified]:
    """The loaders of this machine."""
    host = Host()
    with contextlib.ExitStack() as stack:
        yield Identified(host, str(tmp_path), stack)


def program(path: Path, *dynamic: tuple[str, str], flags_1: int = 0) -> Path:
    return Made(list(dynamic), INTERPRETER, flags_1=flags_1).write(path)


def library(path: Path, *dynamic: tuple[str, str], flags_1: int = 0, bits: int = 64) -> Path:
    machine = 62 if bits == 64 else EM_386
    return Made(list(dynamic), flags_1=flags_1, bits=bits, machine=machine).write(path)


def found_by(
    loaders: Identified, path: Path, library_path: str = "", preload: tuple[str, ...] = ()
) -> Closure:
    host = Host()
    elf = host.read(str(path))
    loader, _ = loaders.loader(INTERPRETER, elf)
    return closure(elf, os.path.realpath(path), loader, host, Environment(library_path, preload))


def loaded(path: Path, **variables: str) -> list[str]:
    """List what the real loader maps as it starts a program, in its order."""
    run = subprocess.run(
        [path], env={**variables, "LD_DEBUG": "files"}, capture_output=True, text=True, check=False
    )
    found = re.findall(r"file=(\S+) \[0\];  generating link map", run.stderr)
    assert found, run
    return found


def names(closure_: Closure) -> list[str]:
    return [each.name for each in closure_.libraries]


@here
def test_agrees_with_the_loader_on_every_program_of_this_machine(loaders: Identified) -> None:
    host = Host()
    checked = 0
    entries = (entry.path for place in ("/usr/bin", "/usr/sbin") for entry in os.scandir(place))
    for path in sorted(set(map(os.path.realpath, entries))):
        if not (os.path.isfile(path) and is_elf(path)):
            continue
        elf = host.read(path)
        if elf.interpreter != INTERPRETER:
            continue
        told = subprocess.run(
            [INTERPRETER, "--list", path], env={}, capture_output=True, text=True, check=False
        )
        if told.returncode:
            continue  # it does not start here
        lines = re.findall(r"^\t(?:\S+ => )?(/\S+) \(0x", told.stdout, re.MULTILINE)
        loader, _ = loaders.loader(INTERPRETER, elf)
        found = closure(elf, path, loader, host, Environment())
        ours = dict.fromkeys(each.path for each in found.libraries if not each.optional)
        assert list(ours) == [line for line in lines if line != INTERPRETER], path
        assert not found.failures
        checked += 1
    assert checked > 20


@here
@pytest.mark.parametrize("tag", ["filter", "auxiliary"])
def test_what_a_program_filters_is_loaded_before_what_its_libraries_need(
    tmp_path: Path, loaders: Identified, tag: str
) -> None:
    exe = program(tmp_path / "exe", ("needed", "liba.so"), (tag, "libf.so"), ("needed", "libb.so"))
    library(tmp_path / "liba.so", ("needed", "libq.so"))
    library(tmp_path / "libb.so")
    library(tmp_path / "libf.so", ("needed", "libr.so"))
    library(tmp_path / "libq.so")
    library(tmp_path / "libr.so")
    ours = names(found_by(loaders, exe, str(tmp_path)))
    theirs = loaded(exe, LD_LIBRARY_PATH=str(tmp_path))
    assert sorted(ours) == sorted(theirs)
    assert ours.index("libr.so") < ours.index("libq.so")
    assert theirs.index("libr.so") < theirs.index("libq.so")


@here
def test_an_auxiliary_object_may_be_missing_and_a_filter_not(
    tmp_path: Path, loaders: Identified
) -> None:
    auxiliary = program(tmp_path / "one", ("auxiliary", "libnone.so"))
    filtering = program(tmp_path / "two", ("filter", "libnone.so"))
    assert not found_by(loaders, auxiliary).failures
    assert [failure.name for failure in found_by(loaders, filtering).failures] == ["libnone.so"]
    told = subprocess.run([filtering], env={}, capture_output=True, text=True, check=False)
    assert told.returncode == 127
    assert "libnone.so" in told.stderr


@here
def test_a_missing_library_tells_every_place_in_the_loaders_order(
    tmp_path: Path, loaders: Identified
) -> None:
    exe = program(tmp_path / "exe", ("needed", "liba.so"), ("rpath", f"{tmp_path}/r:$ORIGIN/o"))
    library(tmp_path / "r" / "liba.so", ("needed", "libnone.so"), ("rpath", f"{tmp_path}/own"))
    for name in ("o", "own", "env"):
        (tmp_path / name).mkdir()
    (failure,) = found_by(loaders, exe, f"{tmp_path}/env").failures
    assert isinstance(failure, LookupFailed)
    assert (failure.name, failure.needed_by) == ("libnone.so", f"{tmp_path}/r/liba.so")
    run = subprocess.run(
        [exe],
        env={"LD_DEBUG": "libs", "LD_LIBRARY_PATH": f"{tmp_path}/env"},
        capture_output=True,
        text=True,
        check=False,
    )
    searched = run.stderr[run.stderr.index("find library=libnone.so") :]
    tried = [
        os.path.dirname(path)
        for path in re.findall(r"trying file=(\S+)", searched)
        if "glibc-hwcaps" not in path and "/tls/" not in path and "/x86_64/" not in path
    ]
    ours = [place.partition(" (")[0] for place in failure.places if place != "the loader's cache"]
    assert ours == list(dict.fromkeys(tried))
    assert "the loader's cache" in failure.places
    text = str(failure)
    assert all(place in text for place in (*ours, "libnone.so", f"{tmp_path}/r/liba.so"))


@here
@pytest.mark.parametrize("case", ["text", "directory", "program", "empty"])
def test_what_the_loader_stops_at_is_refused(
    tmp_path: Path, loaders: Identified, case: str
) -> None:
    exe = program(tmp_path / "exe", ("needed", "liba.so"))
    candidate = tmp_path / "first" / "liba.so"
    candidate.parent.mkdir()
    library(tmp_path / "second" / "liba.so")
    if case == "text":
        candidate.write_text("INPUT(liba.so.1) " * 9)
    elif case == "empty":
        candidate.write_bytes(b"")
    elif case == "directory":
        candidate.mkdir()
    else:
        library(candidate, flags_1=PIE)
    where = f"{tmp_path}/first:{tmp_path}/second"
    (failure,) = found_by(loaders, exe, where).failures
    assert isinstance(failure, LookupRefused)
    assert (failure.name, failure.path) == ("liba.so", str(candidate))
    told = subprocess.run(
        [exe], env={"LD_LIBRARY_PATH": where}, capture_output=True, text=True, check=False
    )
    assert told.returncode == 127
    assert str(candidate) in told.stderr or "liba.so" in told.stderr


@here
def test_a_library_of_another_class_is_passed_over(tmp_path: Path, loaders: Identified) -> None:
    exe = program(tmp_path / "exe", ("needed", "liba.so"))
    library(tmp_path / "first" / "liba.so", bits=32)
    right = library(tmp_path / "second" / "liba.so")
    found = found_by(loaders, exe, f"{tmp_path}/first:{tmp_path}/second")
    assert [each.path for each in found.libraries] == [str(right)]


@here
def test_a_variant_for_this_processor_brings_the_plain_one_and_what_that_needs(
    tmp_path: Path, loaders: Identified
) -> None:
    exe = program(tmp_path / "exe", ("needed", "liba.so"), ("runpath", "$ORIGIN/lib"))
    loader, _ = loaders.loader(INTERPRETER, Host().read(str(exe)))
    if not loader.hwcaps:
        pytest.skip("this processor has no level of glibc-hwcaps")
    special = tmp_path / "lib" / "glibc-hwcaps" / loader.hwcaps[-1] / "liba.so"
    library(special)
    plain = library(tmp_path / "lib" / "liba.so", ("needed", "libb.so"), ("rpath", "$ORIGIN"))
    old = library(tmp_path / "lib" / "libb.so")
    found = found_by(loaders, exe)
    assert [each.path for each in found.libraries] == [str(special)]
    assert [each.path for each in found.baseline] == [str(plain), str(old)]


@here
def test_a_preloaded_library_that_is_missing_stops_nothing(
    tmp_path: Path, loaders: Identified
) -> None:
    exe = program(tmp_path / "exe", ("needed", "liba.so"))
    library(tmp_path / "liba.so")
    there = library(tmp_path / "libp.so")
    found = found_by(loaders, exe, str(tmp_path), ("libnone.so", str(there)))
    assert names(found) == [str(there), "liba.so"]
    assert not found.failures


GLIBC = Loader("/ld.so", Flavour.GLIBC, ("/lib", "/usr/lib"), "lib", "x86_64")


def by_value(tmp_path: Path, loader: Loader, needed: str = "liba.so", **made: int) -> Closure:
    """Resolve a program of a sysroot, whose loader is there."""
    host = Host(str(tmp_path))
    library(tmp_path / loader.interpreter.lstrip("/"))
    program(tmp_path / "exe", ("needed", needed), **made)
    return closure(host.read("/exe"), "/exe", loader, host, Environment())


def cached(path: str) -> Loader:
    entries = [CacheEntry("liba.so", path, 0x303), CacheEntry("liba.so", "/second/liba.so", 0x303)]
    return Loader("/ld.so", Flavour.GLIBC, ("/lib", "/usr/lib"), cache=select(entries, 0x303))


def test_the_cache_comes_before_the_default_directories(tmp_path: Path) -> None:
    library(tmp_path / "opt" / "liba.so")
    library(tmp_path / "lib" / "liba.so")
    (found,) = by_value(tmp_path, cached("/opt/liba.so")).libraries
    assert (found.path, found.place.how) == ("/opt/liba.so", How.CACHE)


def test_only_the_best_entry_of_the_cache_is_tried(tmp_path: Path) -> None:
    library(tmp_path / "second" / "liba.so")
    library(tmp_path / "lib" / "liba.so")
    (found,) = by_value(tmp_path, cached("/gone/liba.so")).libraries
    assert (found.path, found.place.how) == ("/lib/liba.so", How.DEFAULT)


def test_nodeflib_bars_the_default_directories_and_what_the_cache_has_of_them(
    tmp_path: Path,
) -> None:
    library(tmp_path / "lib" / "liba.so")
    found = by_value(tmp_path, cached("/lib/liba.so"), flags_1=NODEFLIB)
    assert [failure.name for failure in found.failures] == ["liba.so"]
    library(tmp_path / "opt" / "liba.so")
    found = by_value(tmp_path, cached("/opt/liba.so"), flags_1=NODEFLIB)
    assert [each.path for each in found.libraries] == ["/opt/liba.so"]


@pytest.mark.parametrize("first", [False, True], ids=["after", "before"])
@pytest.mark.parametrize(
    ("flavour", "library_path", "made"),
    [
        (Flavour.GLIBC, "", Made([("needed", "liba.so"), ("runpath", "/one")], "/ld.so")),
        (Flavour.GLIBC, "", Made([("needed", "libb.so"), ("rpath", "/one")], "/ld.so")),
        (Flavour.MUSL, "", Made([("needed", "libb.so"), ("runpath", "/one")], "/ld.so")),
        (Flavour.GLIBC, "", Made([("needed", "liba.so")], "/ld.so", flags_1=NODEFLIB)),
        (Flavour.GLIBC, "", Made([("needed", "liba.so")], "/ld.so", machine=EM_386, bits=32)),
        (Flavour.GLIBC, "$ORIGIN", Made([("needed", "liba.so")], "/ld.so")),
    ],
    ids=["runpath", "rpath inherited", "runpath inherited", "nodeflib", "abi", "origin"],
)
def test_what_one_program_finds_does_not_change_what_another_finds(
    tmp_path: Path, flavour: Flavour, library_path: str, made: Made, first: bool
) -> None:
    loader = GLIBC._replace(flavour=flavour)
    library(tmp_path / "ld.so")
    library(tmp_path / "lib" / "libb.so", ("needed", "liba.so"))
    for directory in ("lib", "one"):
        library(tmp_path / directory / "liba.so")
    library(tmp_path / "usr" / "lib" / "liba.so", bits=32)
    plain = program(tmp_path / "bin" / "plain", ("needed", "libb.so"))
    special = made.write(tmp_path / "one" / "special")
    host, environment, known = Host(str(tmp_path)), Environment(library_path), {}
    for path in (special, plain, special) if first else (plain, special, plain):
        place = f"/{path.relative_to(tmp_path)}"
        elf = host.read(place)
        alone = closure(elf, place, loader, host, environment)
        together = closure(elf, place, loader, host, environment, known=known)
        assert together.libraries == alone.libraries
        assert [*map(str, together.failures)] == [*map(str, alone.failures)]
    assert known or library_path


def test_a_loader_that_is_missing_is_named_first(tmp_path: Path) -> None:
    program(tmp_path / "exe", ("needed", "liba.so"))
    host = Host(str(tmp_path))
    found = closure(host.read("/exe"), "/exe", GLIBC, host, Environment())
    assert [failure.name for failure in found.failures] == ["/ld.so", "liba.so"]


def test_musl_inherits_rpath_and_runpath_alike(tmp_path: Path) -> None:
    musl = Loader("/ld-musl.so", Flavour.MUSL, ("/lib",))
    library(tmp_path / "ld-musl.so")
    program(tmp_path / "exe", ("needed", "liba.so"), ("runpath", "$ORIGIN/one"))
    library(tmp_path / "one" / "liba.so", ("needed", "libb.so"), ("rpath", "/two"))
    library(tmp_path / "two" / "libb.so", ("needed", "libd.so"), ("needed", "libc.so"))
    library(tmp_path / "one" / "libd.so")
    host = Host(str(tmp_path))
    found = closure(host.read("/exe"), "/exe", musl, host, Environment())
    assert [each.path for each in found.libraries] == [
        "/one/liba.so", "/two/libb.so", "/one/libd.so",
    ]  # fmt: skip
    assert not found.failures


@pytest.mark.parametrize(
    ("priority", "bundled"), [("required", True), ("recommended", True), ("suggested", False)]
)
def test_a_dlopen_note_brings_what_it_requires_and_recommends(
    tmp_path: Path, priority: str, bundled: bool
) -> None:
    note = dlopen_note(
        f'[{{"soname":["libnone.so","libd.so"],"feature":"f","priority":"{priority}"}}]'
    )
    library(tmp_path / "ld.so")
    library(tmp_path / "lib" / "libd.so", ("needed", "libe.so"))
    library(tmp_path / "lib" / "libe.so")
    Made(interpreter="/ld.so", notes=note).write(tmp_path / "exe")
    host = Host(str(tmp_path))
    found = closure(host.read("/exe"), "/exe", GLIBC, host, Environment())
    assert names(found) == (["libd.so", "libe.so"] if bundled else [])
    assert all(each.optional for each in found.libraries)


def test_what_is_worth_telling_is_told_once_and_by_value(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    note = dlopen_note('[{"soname":["libnone.so"],"priority":"required"}]')
    library(tmp_path / "ld.so")
    library(tmp_path / "lib" / "glibc-hwcaps" / "v9" / "liba.so")
    Made([("needed", "liba.so")], "/ld.so", notes=note).write(tmp_path / "exe")
    loader, host = GLIBC._replace(hwcaps=("v9",)), Host(str(tmp_path))
    with caplog.at_level("DEBUG"):
        found = closure(host.read("/exe"), "/exe", loader, host, Environment())
    assert [text for level, text in found.notices if level == logging.WARNING] == [
        "dlopen note of /exe requires libnone.so: not found",
        "/lib/glibc-hwcaps/v9/liba.so has no baseline variant for older processors",
    ]
    assert not caplog.records


UNWINDING = ["pthread_exit", "pthread_cancel", "thrd_exit", "backtrace"]


@pytest.mark.parametrize("name", UNWINDING)
def test_a_program_that_unwinds_its_stack_brings_libgcc(tmp_path: Path, name: str) -> None:
    library(tmp_path / "ld.so")
    library(tmp_path / "lib" / "libgcc_s.so.1")
    Made(interpreter="/ld.so", strings=(name,)).write(tmp_path / "exe")
    host = Host(str(tmp_path))
    found = closure(host.read("/exe"), "/exe", GLIBC, host, Environment())
    assert names(found) == ["libgcc_s.so.1"]

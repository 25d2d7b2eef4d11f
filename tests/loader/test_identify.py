"""What a loader knows: asked in two ways and read from its file, it is the same."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from magicpak import Options, pack
from magicpak.elf import Abi
from magicpak.host import Host
from magicpak.loader import helper
from magicpak.loader.diagnostics import active_hwcaps, legacy_hwcaps, told_by
from magicpak.loader.errors import LookupFailed
from magicpak.loader.helper import Helper
from magicpak.loader.identify import Compiler, Identified, musl_directories
from magicpak.loader.search import Flavour
from support.elves import EM_AARCH64, Made
from support.loader import INTERPRETER, here
from support.programs import Compile

X86_64 = Abi(64, True, "EM_X86_64")


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    """Ends what was started."""
    with contextlib.ExitStack() as opened:
        yield opened


def tree(tmp_path: Path, stack: contextlib.ExitStack) -> tuple[Host, Identified]:
    """Look at a sysroot below a temporary directory."""
    host = Host(str(tmp_path))
    return host, Identified(host, str(tmp_path), stack, native=False)


@here
@pytest.mark.needs("cc")
def test_asked_by_a_program_and_by_its_option_and_read_it_says_the_same(
    tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    host = Host()
    elf = host.read(INTERPRETER)
    compiler = Compiler().find()
    assert compiler is not None
    asked = Helper(INTERPRETER, compiler, str(tmp_path), stack).search_path()
    assert asked is not None
    asked_in_full = Identified(host, str(tmp_path), stack)
    read = Identified(host, str(tmp_path), stack, native=False)
    told, _ = asked_in_full.loader(INTERPRETER, elf)
    known, ask = read.loader(INTERPRETER, elf)
    assert ask is None
    assert asked.directories == told.directories == known.directories
    assert asked.lib == told.lib == known.lib
    assert asked.platform == told.platform == known.platform


@here
def test_the_levels_are_those_that_the_loader_prints(
    tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    told = subprocess.run(
        [INTERPRETER, "--help"], capture_output=True, text=True, check=True
    ).stdout
    if "glibc-hwcaps" not in told:
        pytest.skip("this loader does not tell")
    host = Host()
    loader, _ = Identified(host, str(tmp_path), stack).loader(
        INTERPRETER, host.read(INTERPRETER)
    )
    levels = told.partition("Subdirectories of glibc-hwcaps")[2].partition("\n\n")[0]
    assert list(loader.hwcaps) == [
        line.split()[0] for line in levels.splitlines()[1:] if "searched)" in line
    ]
    assert bool(loader.legacy) == ("Legacy HWCAP" in told)


@here
@pytest.mark.needs("strace")
def test_subdirectories_are_tried_in_the_loaders_order(
    tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    program = Made([("needed", "liba.so"), ("runpath", str(tmp_path / "lib"))], INTERPRETER)
    program.write(tmp_path / "program")
    (tmp_path / "lib").mkdir()
    log = tmp_path / "log"
    subprocess.run(
        ["strace", "-o", log, "-e", "trace=openat,open", tmp_path / "program"],
        capture_output=True,
        check=False,
    )
    tried = [
        line.split('"')[1].removeprefix(f"{tmp_path}/lib/").removesuffix("liba.so").rstrip("/")
        for line in log.read_text().splitlines()
        if f'"{tmp_path}/lib/' in line
    ]
    host = Host()
    loader, _ = Identified(host, str(tmp_path), stack).loader(
        INTERPRETER, host.read(INTERPRETER)
    )
    assert [*loader.subdirectories, ""] == list(dict.fromkeys(tried))


def test_diagnostics_tell_the_search_path() -> None:
    told = {
        "path.system_dirs[0x0]": "/lib/arch/", "path.system_dirs[0x1]": "/lib/",
        "dl_dst_lib": "lib/arch", "dl_platform": "plat",
        "dl_hwcaps_subdirs": "v4:v3:v2", "dl_hwcaps_subdirs_active": "0x6",
    }  # fmt: skip
    path = told_by(told)
    assert path is not None
    assert path.directories == ("/lib/arch", "/lib")
    assert (path.lib, path.platform) == ("lib/arch", "plat")
    assert active_hwcaps(told) == ("v3", "v2")
    assert told_by({}) is None
    assert active_hwcaps({}) == ()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.36", ("tls/haswell/x86_64", "tls/haswell", "tls/x86_64", "tls",
                  "haswell/x86_64", "haswell", "x86_64")),
        ("2.37", ()), ("3.0", ()), ("", ()),
    ],
)  # fmt: skip
def test_legacy_subdirectories_end_with_glibc_2_36(
    version: str, expected: tuple[str, ...]
) -> None:
    told = {
        "version.version": version, "dl_platform": "haswell",
        "dl_hwcap": "0x2", "dl_hwcap_important": "0x6",
    }  # fmt: skip
    assert legacy_hwcaps(told, X86_64) == expected


def test_a_sysroot_is_read_and_nothing_in_it_run(
    tmp_path: Path, stack: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[object] = []
    monkeypatch.setattr("magicpak.system.process.run", lambda *argv, **_: ran.append(argv))
    loader = tmp_path / "lib" / "ld-linux-aarch64.so.1"
    Made([("soname", "ld-linux-aarch64.so.1")], machine=EM_AARCH64).write(loader)
    with loader.open("ab") as file:
        file.write(b"/lib/arch/\0/usr/lib/arch/\0/lib/\0/usr/lib/\0")
    Made([("needed", "libc.so.6")], machine=EM_AARCH64).write(tmp_path / "liba.so")
    host, loaders = tree(tmp_path, stack)
    elf = host.read("/liba.so")
    assert loaders.governing(elf) == "/lib/ld-linux-aarch64.so.1"
    known, ask = loaders.loader("/lib/ld-linux-aarch64.so.1", elf)
    assert known.directories == ("/lib/arch", "/usr/lib/arch", "/lib", "/usr/lib")
    assert (known.lib, known.platform, known.hwcaps, ask) == ("lib/arch", "aarch64", (), None)
    assert not ran


@pytest.mark.needs("cc")
def test_what_is_named_as_the_loader_and_is_none_is_not_run(
    tmp_path: Path, stack: contextlib.ExitStack, compile_c: Compile
) -> None:
    trace = tmp_path / "ran"
    source = f'#include <fcntl.h>\nint main(void) {{ return creat("{trace}", 0644) < 0; }}'
    for interpreter in (
        compile_c("interpreter", source),
        compile_c("static", source, "-static"),
        Path(shutil.copy("/bin/sh", tmp_path)),
    ):
        elf_file = Made([("needed", "libc.so.6")], str(interpreter)).write(tmp_path / "program")
        host = Host()
        loaders = Identified(host, str(tmp_path), stack, Compiler("cc", chosen=True))
        known, ask = loaders.loader(str(interpreter), host.read(str(elf_file)))
        assert (known.hwcaps, ask) == ((), None)
    assert not trace.exists()


def test_ld_so_conf_stands_in_for_a_cache_in_a_sysroot(
    tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    Made(machine=EM_AARCH64).write(tmp_path / "lib" / "ld.so")
    for name in ("one/liba.so", "two/liba.so", "two/libb.so.1", "two/other"):
        Made(machine=EM_AARCH64).write(tmp_path / name)
    (tmp_path / "etc" / "conf").mkdir(parents=True)
    (tmp_path / "etc" / "ld.so.conf").write_text(
        "# first\n/one/ # here\ninclude conf/*.conf\ninclude /etc/ld.so.conf\n"
    )
    (tmp_path / "etc" / "conf" / "b.conf").write_text("/two=libc6\n/absent\nrelative\n")
    (tmp_path / "etc" / "conf" / "b.other").write_text("/lib\n")
    host, loaders = tree(tmp_path, stack)
    known, _ = loaders.loader("/lib/ld.so", host.read("/one/liba.so"))
    assert known.cache is not None
    assert known.cache.lookup("liba.so", ()) == ("/one/liba.so", "/two/liba.so")
    assert known.cache.lookup("libb.so.1", ()) == ("/two/libb.so.1",)
    assert known.cache.lookup("ld.so", ()) == known.cache.lookup("other", ()) == ()


def test_ld_so_preload_is_read_with_its_comments(
    tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    Made().write(tmp_path / "lib" / "ld.so")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "ld.so.preload").write_text("# none\n liba.so:/x/libb.so\t# two\nlibd.so")
    host, loaders = tree(tmp_path, stack)
    known, _ = loaders.loader("/lib/ld.so", host.read("/lib/ld.so"))
    assert known.preload == ("liba.so", "/x/libb.so", "libd.so")


@pytest.mark.parametrize(
    ("listed", "expected"),
    [(None, ("/lib", "/usr/local/lib", "/usr/lib")), ("/a:/b\n/c\n", ("/a", "/b", "/c")), ("", ())],
)
def test_musl_reads_its_path_file(
    tmp_path: Path, stack: contextlib.ExitStack, listed: str | None, expected: tuple[str, ...]
) -> None:
    Made().write(tmp_path / "lib" / "ld-musl-x86_64.so.1")
    if listed is not None:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "ld-musl-x86_64.path").write_text(listed)
    host, loaders = tree(tmp_path, stack)
    elf = host.read("/lib/ld-musl-x86_64.so.1")
    known, ask = loaders.loader("/lib/ld-musl-x86_64.so.1", elf)
    assert (known.flavour, known.directories, ask) == (Flavour.MUSL, expected, None)
    assert musl_directories(b"/a:\n:/b") == ("/a", "/b")


@here
@pytest.mark.needs("cc")
def test_no_compiler_is_needed_to_find_the_libraries(
    tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    program = shutil.which("ls") or "/bin/ls"
    host = Host()
    loaders = Identified(
        host, str(tmp_path), stack, Compiler("no-such-compiler", chosen=False)
    )
    loader, ask = loaders.loader(INTERPRETER, host.read(program))
    assert ask is None
    assert loader.directories


@pytest.mark.parametrize("script", ["exit 1", "exec sleep 300"])
def test_a_compiler_that_fails_does_not_hide_which_library_is_missing(
    tmp_path: Path, compile_c: Compile, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(helper, "COMPILE_SECONDS", 0.5)
    library = compile_c("libmissing.so", "int f(void) { return 0; }", "-shared", "-fPIC")
    app = compile_c("app", "int f(void); int main(void) { return f(); }", str(library))
    library.unlink()
    (tmp_path / "cc").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(LookupFailed, match=r"libmissing\.so"):
        pack(Options((str(app),), str(tmp_path / "out")))

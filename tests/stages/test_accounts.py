"""Of traced tables of accounts, people come for whom a program can have asked, and no others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.command import done, magicpak

SYSTEM = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\n"
ALICE = "alice:x:1501:1501:Alice:/home/alice:/bin/sh\n"
BOB = "bob:x:1502:1502:Bob:/home/bob:/bin/sh\n"
NOBODY = "nobody:x:65534:65534::/nonexistent:/bin/false\n"
PASSWD = SYSTEM + ALICE + BOB + NOBODY
GROUP = "root:x:0:\nwheel:x:10:alice,www-data,bob\nalice:x:1501:\nbob:x:1502:\nnogroup:x:65534:\n"
READ = '1 open("%s", O_RDONLY) = 3\n'

Trace = Callable[..., Path]


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    """Bundle what a log says of a machine with these accounts; return where the bundle is."""
    root, log, out = tmp_path / "root", tmp_path / "log", tmp_path / "out"
    for name, content in (("etc/passwd", PASSWD), ("etc/group", GROUP), ("bin/app", "")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    shutil.copy("/bin/busybox", root / "bin" / "app")

    def run(*options: str, files: tuple[str, ...] = ("/etc/passwd", "/etc/group")) -> Path:
        calls = ['1 execve("/bin/app", [], 0x0) = 0\n', *(READ % file for file in files)]
        log.write_text("".join(calls) + "1 +++ exited with 0 +++\n")
        arguments = ("--sysroot", root, "--dynamic-log", log, *options, "/bin/app", out)
        static = "warning: /bin/app is statically linked or packed: nothing is bundled with it"
        useless = [f"warning: {o.partition('=')[0]} has no effect with --dynamic-log"
                   for o in options if o.startswith("--dynamic")]  # fmt: skip
        assert done(magicpak(*arguments)) == [*useless, static]
        return out

    return run


pytestmark = pytest.mark.needs("busybox")


def test_people_whom_nothing_names_are_left_out(trace: Trace) -> None:
    out = trace()
    assert (out / "etc/passwd").read_text() == SYSTEM + NOBODY
    assert (out / "etc/group").read_text() == "root:x:0:\nwheel:x:10:www-data\nnogroup:x:65534:\n"


def test_who_is_named_by_an_argument_stays(trace: Trace) -> None:
    out = trace("--dynamic-arg=--user=alice")
    assert (out / "etc/passwd").read_text() == SYSTEM + ALICE + NOBODY
    assert "wheel:x:10:alice,www-data\nalice:x:1501:\nnogroup" in (out / "etc/group").read_text()


def test_the_user_of_the_image_stays(trace: Trace) -> None:
    out = trace("--user=bob")
    assert (out / "etc/passwd").read_text() == SYSTEM + BOB + NOBODY
    assert "wheel:x:10:www-data,bob\nbob:x:1502:\nnogroup" in (out / "etc/group").read_text()


def test_who_is_numbered_by_an_argument_stays(trace: Trace) -> None:
    assert BOB in (trace("--dynamic-run", "-u 1502:1502") / "etc/passwd").read_text()


def test_who_is_named_in_a_bundled_file_stays(trace: Trace, tmp_path: Path) -> None:
    (tmp_path / "root/etc/app.conf").write_text(f"{'#' * (1 << 20)}\nuser bob;\nalices x;\n")
    assert (trace("-i", "/etc/app.conf") / "etc/passwd").read_text() == SYSTEM + BOB + NOBODY


@pytest.mark.needs("root")
def test_who_owns_a_bundled_file_stays(trace: Trace, tmp_path: Path) -> None:
    (tmp_path / "root/etc/app.conf").touch()
    os.chown(tmp_path / "root/etc/app.conf", 1501, 0)
    assert (trace("-i", "/etc/app.conf") / "etc/passwd").read_text() == SYSTEM + ALICE + NOBODY


@pytest.mark.parametrize("pattern", ["/etc/passwd", "/etc/", "/etc/pass*"])
def test_an_included_table_is_whole(trace: Trace, pattern: str) -> None:
    assert (trace("-i", pattern) / "etc/passwd").read_text() == PASSWD


def test_the_mode_of_a_table_is_kept(trace: Trace, tmp_path: Path) -> None:
    (tmp_path / "root/etc/passwd").chmod(0o640)
    assert (trace() / "etc/passwd").stat().st_mode & 0o777 == 0o640

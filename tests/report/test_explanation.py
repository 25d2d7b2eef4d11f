"""The tree of why: what it says of each entry, as text and on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from magicpak.plan import Bundle, BundlePath, File, Link, Meta, Origin, Placed, Why
from magicpak.report.explanation import amount
from magicpak.report.tree import Lookups, Node, tree
from support.command import magicpak
from support.programs import FOO, USES_FOO, Compile

NOTHING = Lookups({}, {}, {}, {}, {})


def file(path: str, why: Why, of: str, size: int = 1) -> Placed:
    return Placed(BundlePath(path), File(path, (0, hash(path)), size, Meta(0o755)), Origin(why, of))


def link(path: str, text: str, why: Why, of: str) -> Placed:
    return Placed(BundlePath(path), Link(text, Meta(0o777)), Origin(why, of))


def drawn(nodes: list[Node] | tuple[Node, ...], depth: int = 0) -> list[str]:
    """Write nodes as indented lines with their totals."""
    found = []
    for node in nodes:
        note = f" ({node.note})" if node.note else ""
        found.append(f"{'  ' * depth}{node.text} {node.total}{note}")
        found += drawn(node.children, depth + 1)
    return found


def test_a_library_stands_below_what_needs_it_first() -> None:
    bundle = Bundle().add(
        [
            file("/app", Why.INPUT, "/app"),
            file("/ld.so", Why.INTERPRETER, "/app", 2),
            link("/liba.so", "liba.so.1", Why.NEEDED, "/app"),
            file("/liba.so.1", Why.LINK, "/liba.so", 4),
            file("/libb.so", Why.NEEDED, "/liba.so", 8),
        ]
    )
    path = BundlePath
    lookups = NOTHING._replace(
        rules={path("/liba.so"): "the cache", path("/libb.so"): "RUNPATH of /liba.so.1"},
        needs={path("/app"): [path("/liba.so"), path("/libb.so")]},
        missing={path("/liba.so"): ["libc.so"]},
    )
    assert drawn(tree(bundle, lookups)) == [
        "/app 15 (input)",
        "  /ld.so 2 (interpreter)",
        "  /liba.so -> liba.so.1 12 (the cache)",
        "    /libb.so 8 (RUNPATH of /liba.so.1)",
        "    libc.so 0 (not found)",
        "  also libb.so 0 (shown elsewhere)",
    ]


def test_a_program_that_is_elsewhere_in_the_bundle_has_its_libraries_below_it() -> None:
    placed = [file("/opt/app", Why.INPUT, "/app"), file("/liba.so", Why.NEEDED, "/app")]
    bundle = Bundle().add(placed)
    lookups = NOTHING._replace(places={"/app": BundlePath("/opt/app")})
    assert drawn(tree(bundle, lookups)) == ["/opt/app 2 (input)", "  /liba.so 1"]


def test_libraries_that_need_one_another_are_shown_once() -> None:
    bundle = Bundle().add(
        [file("/a.so", Why.NEEDED, "/b.so"), file("/b.so", Why.NEEDED, "/a.so")]
    )
    assert drawn(tree(bundle, NOTHING)) == ["/a.so 2", "  /b.so 1"]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (4_659_000, "4.7 MB"),
     (999_950, "1.0 MB"), (2 * 10**15, "2000.0 TB")],
)  # fmt: skip
def test_amounts(size: int, text: str) -> None:
    assert amount(size) == text


@pytest.mark.needs("cc")
def test_all_entries_stand_in_it_once_with_their_reasons(
    tmp_path: Path, compile_c: Compile
) -> None:
    compile_c("libfoo.so", FOO, "-shared", "-fPIC")
    program = compile_c("app", USES_FOO, f"-L{tmp_path}", "-lfoo", f"-Wl,-rpath,{tmp_path}")
    run = magicpak(
        "-n", "--explain", "-i", "/etc/pass*", "--mkdir", "/data", "-e", "*/passwd-",
        program, tmp_path / "out",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0].split() == ["total", "itself"]
    assert lines[1].endswith(f" {program} (input)")
    (library,) = [line for line in lines if "/libfoo.so (" in line]
    assert library.endswith(f"  {tmp_path}/libfoo.so (RUNPATH of {program})")
    assert any(line.endswith("  /etc/passwd- (excluded by */passwd-)") for line in lines)
    assert any(line.strip() == "made by --mkdir" for line in lines)
    assert any(line.strip() == "/data/" for line in lines)
    assert any("included by /etc/pass*" in line for line in lines)
    assert re.fullmatch(r"\d+ files, .* MB", lines[-1])


def test_it_is_printed_after_the_bundle_is_written(tmp_path: Path) -> None:
    run = magicpak("--explain", "/bin/ls", tmp_path / "out")
    assert run.returncode == 0
    assert "/bin/ls (input)" in run.stdout
    assert (tmp_path / "out/bin/ls").exists()


@pytest.mark.parametrize("colour", [True, False])
def test_a_terminal_gets_a_tree(tmp_path: Path, colour: bool) -> None:
    plain = magicpak("-n", "--explain", "/bin/ls", tmp_path / "out").stdout
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "200"} | ({} if colour else {"NO_COLOR": "1"})
    command = (sys.executable, "-m", "magicpak", "-n", "--explain", "/bin/ls", tmp_path / "out")
    with subprocess.Popen(command, stdout=slave, stderr=subprocess.DEVNULL, env=env) as child:
        os.close(slave)
        shown = b""
        while part := read(master):
            shown += part
    os.close(master)
    assert child.returncode == 0
    text = shown.decode()
    assert ("\x1b[1;36m" in text) == colour
    text = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert "├── " in text
    names = re.findall(r" (/\S+)", plain)
    assert names
    assert [name for name in names if name not in text] == []


def read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:  # EIO: nobody has the other end open any more
        return b""


@pytest.mark.needs("strace", "curl", "clang-format", "python3")
@pytest.mark.parametrize(
    "args",
    [
        ("--with", "auto", "/usr/bin/curl"),
        ("/usr/bin/clang-format",),
        ("--dynamic", "--dynamic-arg=-c", "--dynamic-arg=import json", "/usr/bin/python3"),
    ],
)
def test_each_entry_of_a_real_program_has_one_line(tmp_path: Path, args: tuple[str, ...]) -> None:
    run = magicpak("-n", "--explain", "--report", tmp_path / "report", *args, tmp_path / "out")
    assert run.returncode == 0, run.stderr
    told = json.loads((tmp_path / "report").read_text())["entries"]
    entries = {entry["path"]: entry["type"] for entry in told}
    tree = run.stdout.split("\n\n")[0].splitlines()[1:]
    shown: list[str] = []
    for line in tree:
        text = re.sub(r"^(?:\s*[\d.]+ [kMGT]?B){0,2}\s+", "", line)
        text = re.sub(r" \([^()]*\)$", "", text)
        if not text.startswith("/"):
            continue  # a reason, or a mention
        path = ""
        for part in text.split(" -> "):
            path = part if part.startswith("/") else f"{path.rpartition('/')[0]}/{part}"
            shown.append(path.rstrip("/"))
    assert [path for path in entries if path not in shown] == []
    directories = [path for path, kind in entries.items() if kind == "directory"]
    assert [path for path in directories if shown.count(path) != 1] == []

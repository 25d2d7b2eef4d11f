"""No ELF file, however it is made, takes seconds or a hundred megabytes to read."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from magicpak import elf
from support.elves import Made

READ = """
import sys, time
from magicpak import elf
begin = time.process_time()
try:
    elf.read(sys.argv[1])
except elf.MalformedExecutable as e:
    print(e)
assert time.process_time() - begin < 2
"""


def note(json: bytes, owner: bytes = b"FDO\0", kind: int = 0x407C0C0A) -> bytes:
    text = json + b"\0" * (-len(json) % 4)
    return struct.pack("<III", len(owner), len(text), kind) + owner + text


def read_within_bounds(path: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-c", READ, path], capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20)),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_many_segments_of_one_note_are_read_once(tmp_path: Path) -> None:
    """Each may claim the whole file as its note."""
    made = bytearray(bytes(Made([("needed", "libc.so.6")], notes=note(b"[]") * 60_000)))
    assert len(made) > 1 << 20
    headers, size = struct.unpack_from("<Q", made, 32)[0], 56
    original = made[headers : headers + size * struct.unpack_from("<H", made, 56)[0]]
    notes = next(
        original[at : at + size]
        for at in range(0, len(original), size)
        if struct.unpack_from("<I", original, at)[0] == 4
    )
    count = 1_100
    struct.pack_into("<Q", made, 32, len(made))
    struct.pack_into("<H", made, 56, count)
    # Each at another place, so that none is the same as another.
    for index in range(count - len(original) // size):
        header = bytearray(notes)
        struct.pack_into("<QQQQ", header, 8, 1000 + 20 * index, 0, 0, 1 << 20)
        made += header
    made += original
    path = tmp_path / "notes"
    path.write_bytes(made)
    read_within_bounds(path)


def test_more_program_headers_than_the_kernel_takes_are_damage(tmp_path: Path) -> None:
    made = bytearray(bytes(Made([("needed", "libc.so.6")])) + bytes(4_000 * 56))
    struct.pack_into("<H", made, 56, 4_000)
    (tmp_path / "headers").write_bytes(made)
    assert "program headers" in read_within_bounds(tmp_path / "headers")


def test_names_that_overlap_do_not_multiply_the_file(tmp_path: Path) -> None:
    made = bytearray(bytes(Made([("needed", f"lib{n:04}.so") for n in range(2_000)])))
    table = made.index(b"\0lib0000.so\0")
    # Without their ends, each name goes on to the end of the table.
    made[table + 1 : -1] = made[table + 1 : -1].replace(b"\0", b"x")
    made[-1:] = b"x" * (1 << 20) + b"\0"
    size = made.index(struct.pack("<qQ", 10, len(made) - table - (1 << 20)))
    struct.pack_into("<Q", made, size + 8, len(made) - table)
    (tmp_path / "names").write_bytes(made)
    assert "names are longer" in read_within_bounds(tmp_path / "names")


@pytest.mark.parametrize(
    "json",
    [
        b'[{"soname": ["lib\\u0000x.so"], "priority": "required"}]',
        b'[{"soname": ["lib\\ud800x.so"], "priority": "required"}]',
        b'[{"soname": [""]}]',
        b'[{"soname": [' + b'"a",' * 5_000 + b'"a"]}]',
        b"[" * 50_000,
        b'{"soname": 1}',
        b"\xff\xfe",
    ],
)
def test_a_note_is_never_more_than_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, json: bytes
) -> None:
    path = Made([("needed", "libc.so.6")], notes=note(json)).write(tmp_path / "lib.so")
    assert elf.read(str(path)).dlopens == ()
    assert "is not well formed and is ignored" in caplog.text

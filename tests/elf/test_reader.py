"""ELF files: what they say is read whatever their class and byte order; damage is an error."""

from __future__ import annotations

import os
import random
import resource
import shutil
import stat
import struct
import subprocess
import time
from pathlib import Path

import pytest

from magicpak import MagicpakError, Options, elf, pack
from magicpak.elf import MalformedExecutable
from magicpak.errors import IoError
from support.elves import EM_AARCH64, Made, dlopen_note
from support.programs import Compile

PROGRAM = Path(shutil.which("ls") or "/bin/ls").resolve()
COPIES = 2000


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("little_endian", [True, False])
@pytest.mark.parametrize(
    ("machine", "name"),
    [(3, "EM_386"), (8, "EM_MIPS"), (20, "EM_PPC"), (21, "EM_PPC64"), (22, "EM_S390"),
     (40, "EM_ARM"), (43, "EM_SPARCV9"), (62, "EM_X86_64"), (183, "EM_AARCH64"), (243, "EM_RISCV"),
     (258, "EM_LOONGARCH")],
)  # fmt: skip
def test_all_is_read_in_every_class_byte_order_and_machine(
    tmp_path: Path, bits: int, little_endian: bool, machine: int, name: str
) -> None:
    path = Made(
        [
            ("needed", "liba.so"), ("needed", "libb.so"), ("soname", "libown.so.1"),
            ("rpath", "/r"), ("runpath", ""), ("auxiliary", "libx.so"), ("filter", "libf.so"),
            ("audit", "libau.so"), ("depaudit", "libda.so"),
        ],
        "/lib/ld.so", machine=machine, bits=bits, little_endian=little_endian, flags_1=0x800,
        e_flags=5,
    ).write(tmp_path / "object")  # fmt: skip
    found = elf.read(str(path))
    status = path.stat()
    assert found == elf.Elf(
        str(path), (status.st_dev, status.st_ino), elf.Abi(bits, little_endian, name), 5, "ET_DYN",
        "/lib/ld.so", True,
        (("DT_NEEDED", "liba.so"), ("DT_NEEDED", "libb.so"),
         ("DT_AUXILIARY", "libx.so"), ("DT_FILTER", "libf.so")),
        "libown.so.1", "/r", "", 0x800, ("libau.so", "libda.so"),
    )  # fmt: skip


def test_absent_is_not_empty(tmp_path: Path) -> None:
    absent = elf.read(str(Made([("needed", "a")]).write(tmp_path / "absent")))
    empty = elf.read(str(Made([("rpath", ""), ("runpath", "")]).write(tmp_path / "empty")))
    assert (absent.rpath, absent.runpath, absent.soname) == (None, None, None)
    assert (empty.rpath, empty.runpath) == ("", "")


def test_a_machine_that_nobody_knows_is_read_too(tmp_path: Path) -> None:
    found = elf.read(str(Made([("needed", "a")], machine=0xFEED).write(tmp_path / "object")))
    assert found.needed == ("a",)
    assert found.abi != elf.read(str(Made(machine=EM_AARCH64).write(tmp_path / "other"))).abi


def test_a_name_that_is_not_utf8_is_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"lib\xff.so")
    assert elf.read(str(Made([("needed", name)]).write(tmp_path / "object"))).needed == (name,)


@pytest.mark.needs("cc", "readelf")
def test_agrees_with_readelf(compile_c: Compile) -> None:
    path = compile_c(
        "lib.so", "int f(void) { return 1; }", "-shared", "-fPIC", "-Wl,-soname,libown.so.2",
        "-Wl,-rpath,$ORIGIN/x:/y", "-Wl,--enable-new-dtags", "-Wl,--no-as-needed", "-lm",
    )  # fmt: skip
    told = subprocess.run(["readelf", "-dW", path], capture_output=True, text=True, check=True)
    found = elf.read(str(path))
    assert found.needed
    for text in (*found.needed, found.soname, found.runpath):
        assert f"[{text}]" in told.stdout
    assert told.stdout.count("(NEEDED)") == len(found.needed)


@pytest.mark.needs("cc")
def test_static_and_static_pie_programs_need_no_loader(compile_c: Compile) -> None:
    static = elf.read(str(compile_c("static", "int main(void) { return 0; }", "-static")))
    pie = elf.read(str(compile_c("pie", "int main(void) { return 0; }", "-static-pie")))
    for found in (static, pie):
        assert (found.interpreter, found.needed) == (None, ())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"#!/bin/sh\n", "not an ELF file"),
        (b"\x7fELF", "identification is damaged"),
        (b"\x7fELF\x03\x01\x01".ljust(16, b"\0"), "identification is damaged"),
        (bytes(Made([("needed", "a")]))[:63], "within the ELF header"),
        (bytes(Made([("needed", "a")], bits=32))[:51], "within the ELF header"),
        (bytes(Made([("needed", "a")]))[:100], "beyond the end"),
        (bytes(Made([("needed", "a")]))[:-1], "it is truncated"),
    ],
)
def test_what_is_no_elf_file_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "object"
    path.write_bytes(content)
    with pytest.raises(MalformedExecutable, match=reason):
        elf.read(str(path))


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/null")):
        with pytest.raises(MalformedExecutable):
            elf.read(str(path))
    for name in (tmp_path / "absent", tmp_path / "fifo" / "x"):
        with pytest.raises(IoError):
            elf.read(str(name))
    with pytest.raises(MalformedExecutable):
        elf.read("nul\0byte")


def damaged(original: bytes, chance: random.Random) -> bytes:
    """Damage a copy: bits flipped, words of its tables replaced, the end cut off, parts moved."""
    copy = bytearray(original)
    for _ in range(chance.randrange(1, 6)):
        what = chance.randrange(5)
        # The headers and the dynamic section are small; most of the file is never read.
        at = chance.randrange(min(len(copy), chance.choice((64, 1024, len(copy)))) or 1)
        if what == 0:
            copy[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            word = chance.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1, len(copy)))
            copy[at // 8 * 8 : at // 8 * 8 + 8] = struct.pack("<Q", word)
        elif what == 2 and chance.random() < 0.3:
            del copy[at:]
        elif what == 3:
            start = chance.randrange(len(copy) or 1)
            length = chance.randrange(64)
            copy[at : at + length] = copy[start : start + length]
        else:
            copy[at : at + 4] = chance.randbytes(4)
        if not copy:
            break
    return bytes(copy)


def dynamic_section(original: bytes) -> int:
    """Return where the dynamic section of a 64-bit file lies."""
    (table,) = struct.unpack_from("<Q", original, 32)
    (count,) = struct.unpack_from("<H", original, 56)
    for index in range(count):
        kind, _, offset = struct.unpack_from("<IIQ", original, table + 56 * index)
        if kind == 2:
            return int(offset)
    raise AssertionError("no dynamic section")


@pytest.mark.skipif(
    PROGRAM.read_bytes()[:6] != b"\x7fELF\x02\x01", reason="needs a 64-bit little-endian ls"
)
def test_damaged_copies_raise_nothing_but_our_errors_and_cost_little(tmp_path: Path) -> None:
    original = PROGRAM.read_bytes()
    dynamic = dynamic_section(original)
    chance = random.Random(20240229)  # noqa: S311  the same damage each time
    path = tmp_path / "copy"
    refused = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    slowest = 0.0
    for number in range(COPIES):
        copy = damaged(original, chance)
        if number % 3 == 0 and len(copy) == len(original):
            # A third of the copies is damaged in the dynamic section alone.
            at = dynamic + 8 * chance.randrange(60)
            value = chance.choice((2**64 - 1, 2**40, 2**31, chance.randrange(2**16)))
            copy = original[:at] + struct.pack("<Q", value) + original[at + 8 :]
        path.write_bytes(copy)
        start = time.perf_counter()
        try:
            elf.read(str(path))
        except (MalformedExecutable, IoError) as e:
            refused += bool(str(e))
        slowest = max(slowest, time.perf_counter() - start)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert COPIES / 10 < refused < COPIES
    assert slowest < 2
    assert grown < 64 * 1024  # KiB


def test_a_damaged_input_ends_the_job_with_an_error_of_ours(tmp_path: Path) -> None:
    original = PROGRAM.read_bytes()
    chance = random.Random(7)  # noqa: S311  as above
    path, out = tmp_path / "copy", tmp_path / "out"
    ended = 0
    for _ in range(200):
        path.write_bytes(damaged(original, chance))
        path.chmod(stat.S_IRWXU)
        try:
            pack(Options((str(path),), str(out)))
        except MagicpakError:
            ended += 1
            assert not out.exists()
        else:
            shutil.rmtree(out)
    assert ended > 10


HUGE = 2**31 - 1


@pytest.mark.parametrize("tag", [0x6FFFFFFF, 0x6FFFFFFD])
def test_a_huge_number_of_versions_is_not_believed(tmp_path: Path, tag: int) -> None:
    original = bytearray(PROGRAM.read_bytes())
    at = dynamic_section(bytes(original))
    for position in range(at, at + 16 * 64, 16):
        if struct.unpack_from("<Q", original, position)[0] == tag:
            struct.pack_into("<Q", original, position + 8, HUGE)
    path = tmp_path / "copy"
    path.write_bytes(original)
    start = time.perf_counter()
    assert elf.read(str(path)).needed
    assert time.perf_counter() - start < 2


def test_versions_that_lead_in_circles_are_refused_soon(tmp_path: Path) -> None:
    """Every record has 65,535 further ones, the following records: that is 10**9 steps."""
    made = bytearray(bytes(Made([("needed", "liba.so")] * 2, strings=("x" * 300_000,))))
    at, table = dynamic_section(bytes(made)), bytes(made).index(b"\0liba.so\0") + 100
    # DT_VERNEED and DT_VERNEEDNUM in the place of DT_NEEDED.
    struct.pack_into("<QQQQ", made, at, 0x6FFFFFFE, table, 0x6FFFFFFF, HUGE)
    record = struct.pack("<HHIII", 1, 0xFFFF, 1, 16, 16)
    records = record * 18_000 + bytes(32)
    made[table : table + len(records)] = records
    path = tmp_path / "object"
    path.write_bytes(made)
    start = time.perf_counter()
    with pytest.raises(MalformedExecutable, match="a cycle"):
        elf.read(str(path))
    assert time.perf_counter() - start < 5


@pytest.mark.needs("cc", "objcopy")
@pytest.mark.parametrize("flags", ["noload,readonly", "alloc,readonly,data"])
def test_dlopen_notes_are_read_in_a_section_that_no_segment_maps(
    tmp_path: Path, compile_c: Compile, flags: str
) -> None:
    text = '[{"soname":["liba.so.1","liba.so.2"],"feature":"a","priority":"required"}]'
    (tmp_path / "note").write_bytes(dlopen_note(text))
    path = compile_c("program", "int main(void) { return 0; }")
    subprocess.run(
        ["objcopy", "--add-section", f".note.dlopen={tmp_path}/note", "--set-section-flags",
         f".note.dlopen={flags}", path],
        check=True, capture_output=True,
    )  # fmt: skip
    assert elf.read(str(path)).dlopens == (
        elf.DlopenNote(("liba.so.1", "liba.so.2"), "a", "required"),
    )


@pytest.mark.parametrize("at", [40, 58, 60, 62])
def test_damaged_section_headers_stop_nothing(tmp_path: Path, at: int) -> None:
    data = bytearray(bytes(Made([("needed", "a")])))
    data[40:48] = (64).to_bytes(8, "little")  # e_shoff: anything but section headers
    data[58:64] = struct.pack("<HHH", 64, 2, 1)
    data[at : at + 2] = b"\xff\xff"
    path = tmp_path / "damaged"
    path.write_bytes(data + bytes(range(255, 127, -1)))
    assert elf.read(str(path)).needed == ("a",)


def test_imports_are_known_of_what_exports_nothing(compile_c: Compile) -> None:
    path = compile_c(
        "plugin",
        "int puts(const char *); static int run(void) { return puts(0); } int (*f)(void) = run;",
        "-nostdlib", "-shared", "-fPIC", "-fvisibility=hidden", "-Wl,--hash-style=gnu",
    )  # fmt: skip
    assert elf.imports(os.open(path, os.O_RDONLY), str(path)) == {"puts"}


def test_the_constants_are_all_but_the_tables_of_unwinding(compile_c: Compile) -> None:
    functions = "".join(f"int f{at}(int a) {{ return a + {at}; }}" for at in range(500))
    library = compile_c(
        "library.so", f'{functions} const char *name(void) {{ return "/etc/a-name.conf"; }}',
        "-shared", "-fPIC", "-fasynchronous-unwind-tables",
    )  # fmt: skip
    listed = subprocess.run(["readelf", "-SW", library], capture_output=True, text=True, check=True)
    rows = [line.partition("]")[2].split() for line in listed.stdout.splitlines()]
    sizes = {row[0]: int(row[4], 16) for row in rows if len(row) > 5 and row[0].startswith(".")}
    read = b"".join(elf.constants(os.open(library, os.O_RDONLY), str(library)))
    assert b"/etc/a-name.conf\0" in read
    assert sizes[".eh_frame"] > 10_000 > len(read)

"""Draw random systems: a program with its loader and libraries below a directory for chroot(2)."""

from __future__ import annotations

import os
import random
import re
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from support.elves import EM_386, EM_AARCH64, PT_DYNAMIC, TAGS, Made, dlopen_note
from support.loader import INTERPRETER
from support.programs import compile_c

NAMES = ("liba.so", "libb.so", "libd.so", "libe.so", "libf.so")
DEFAULTS = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib")
CACHED = ("/opt/cached", "/usr/local/lib")
OTHERS = ("/one", "/two", "/app/lib", "/app/lib/lower", "/app/lib/x86_64-linux-gnu")
BELOW = ("glibc-hwcaps/x86-64-v2", "glibc-hwcaps/x86-64-v3", "tls/x86_64", "x86_64")
NODEFLIB = 0x800

OPENER = """
#include <dlfcn.h>
#include <elf.h>
__attribute__((section(".note.dlopen"), used, aligned(4)))
const char note[256] = "@note@";
int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) dlopen(argv[i], RTLD_NOW);
    return 0;
}
"""
"""Loads by dlopen(3) what its arguments name."""
PLACES = 5
WIDTH = 80


@dataclass
class Tree:
    """A system by value: what lies at each path, and how the program is started."""

    files: dict[str, Made | str | bytes] = field(default_factory=dict)
    """An object, the text of a link, or the path of the file of which it is a hard link."""
    tags: list[tuple[str, str]] = field(default_factory=list)
    """The program's dynamic section."""
    flags_1: int = 0
    opens: tuple[str, ...] = ()
    """The names that the program loads by dlopen(3), as its note tells."""
    included: tuple[str, ...] = ()
    """The patterns of ``--include`` for what it loads without a note."""
    preload: str | None = None
    cached: bool = False
    library_path: str = ""


def draw(rng: random.Random) -> Tree:
    """Draw a system."""
    tree = Tree()
    for directory in (*DEFAULTS, *CACHED, *OTHERS):
        share = 2 if directory in OTHERS else 1
        for name in rng.sample(NAMES, rng.randint(0, share)):
            _place(rng, tree, directory, name)
    if rng.random() < 0.2:
        tree.files["/dirlink"] = rng.choice(["one", "/two", "/gone", "dirlink"])
    tree.tags = _tags(rng, program=True)
    tree.flags_1 = NODEFLIB if rng.random() < 0.1 else 0
    tree.cached = rng.random() < 0.7
    if rng.random() < 0.2:
        tree.preload = " ".join(rng.choices([*NAMES, "/one/liba.so"], k=rng.randint(1, 2)))
    if rng.random() < 0.6:
        tree.library_path = rng.choice(":;").join(_elements(rng))
    # So that most of them start.
    found = [*DEFAULTS[:2], *(CACHED if tree.cached else ())]
    found += [each for each in OTHERS if each in re.split("[:;]", tree.library_path)] * 3
    for name in NAMES:
        if rng.random() < 0.95:
            _place(rng, tree, rng.choice(found), name)
            tree.files.setdefault(f"/usr/lib/{name}", _object(rng, f"/usr/lib/{name}", name))
    if rng.random() < 0.3:
        tree.opens = tuple(rng.sample(NAMES, rng.randint(1, 2)))
        if not tree.library_path and rng.random() < 0.5:
            tree.included = tuple(tree.files)
    return tree


def _place(rng: random.Random, tree: Tree, directory: str, name: str) -> None:
    path, kind = f"{directory}/{name}", rng.random()
    if path in tree.files:
        return
    others = [path for path, what in tree.files.items() if isinstance(what, Made)]
    if kind < 0.08:
        targets = [name, f"/one/{name}", f"../two/{name}", "gone", *others]
        tree.files[path] = rng.choice(targets)
    elif kind < 0.14 and others:
        tree.files[path] = os.fsencode(rng.choice(others))
    elif kind < 0.24:
        tree.files[f"{directory}/{rng.choice(BELOW)}/{name}"] = _object(rng, path, name)
        if rng.random() < 0.7:
            tree.files[path] = _object(rng, path, name)
    else:
        tree.files[path] = _object(rng, path, name)


def _object(rng: random.Random, path: str, name: str) -> Made:
    tags = _tags(rng)
    soname = rng.choice([None, name, name, name, rng.choice(NAMES), "other.so"])
    if soname:
        tags.append(("soname", soname))
    machine, bits = 62, 64
    if rng.random() < 0.06:
        machine, bits = rng.choice([(EM_386, 32), (EM_AARCH64, 64)])
    flags_1 = NODEFLIB if rng.random() < 0.05 else 0
    unique = f"{path} {rng.random()}"
    return Made(tags, machine=machine, bits=bits, flags_1=flags_1, strings=(unique,))


def _tags(rng: random.Random, program: bool = False) -> list[tuple[str, str]]:
    count = rng.randint(1, 4) if program else rng.choice([0, 0, 0, 1, 1, 2])
    tags = [("needed", _name(rng)) for _ in range(count)]
    if rng.random() < 0.15:
        tags.append((rng.choice(["filter", "auxiliary", "auxiliary"]), rng.choice(NAMES)))
    if program and rng.random() < 0.15:
        tags.append((rng.choice(["audit", "depaudit"]), rng.choice(NAMES)))
    if rng.random() < (0.1 if program else 0.02):
        tags.append(("needed", "linux-vdso.so.1"))
    rng.shuffle(tags)
    listed = rng.choice(["", "rpath", "runpath"] if program else ["", "", "", "rpath", "runpath"])
    if listed:
        tags.append((listed, ":".join(_elements(rng))))
    return tags[:PLACES] if program else tags


def _name(rng: random.Random) -> str:
    if rng.random() < 0.97:
        return rng.choice(NAMES)
    return rng.choice(["/one/liba.so", "$ORIGIN/libb.so", "${ORIGIN}/../two/libd.so", "other.so"])


def _elements(rng: random.Random) -> list[str]:
    some = [*OTHERS, *OTHERS, *CACHED, "/dirlink", "/nowhere", "$ORIGIN", "${ORIGIN}/../two",
            "$ORIGIN/../app/$LIB", "/app/$LIB", "/opt/${PLATFORM}", "$ORIGIN/lower", "/two/../one",
            "/one/glibc-hwcaps/x86-64-v2", "$ORIGINAL", ""]  # fmt: skip
    return rng.choices(some, k=rng.randint(1, 3))


class Maker:
    """Writes systems below a directory: with a program that is compiled once, and patched."""

    def __init__(self, place: Path) -> None:
        """Compile the program, and copy the loader and its C library."""
        self.place = place
        stubs = [
            compile_c(place / f"lib{index}.so", "", "-shared", f"-Wl,-soname,{self._name(index)}")
            for index in range(PLACES)
        ]
        self.program = compile_c(
            place / "program", OPENER, "-Wl,--no-as-needed", *map(str, stubs),
            f"-Wl,-rpath,{'R' * 4 * WIDTH}", "-Wl,--allow-shlib-undefined",
        ).read_bytes()  # fmt: skip
        self.own = {
            "/lib64/ld-linux-x86-64.so.2": os.path.realpath(INTERPRETER),
            "/lib/x86_64-linux-gnu/libc.so.6": os.path.realpath("/lib/x86_64-linux-gnu/libc.so.6"),
        }
        for name, source in self.own.items():
            (place / os.path.basename(name)).write_bytes(Path(source).read_bytes())
            (place / os.path.basename(name)).chmod(0o755)

    @staticmethod
    def _name(index: int) -> str:
        return f"N{index}".ljust(WIDTH, "x")

    def write(self, tree: Tree, root: Path) -> None:
        """Write a system."""
        for name in self.own:
            (root / name[1:]).parent.mkdir(parents=True, exist_ok=True)
            os.link(self.place / os.path.basename(name), root / name[1:])
        (root / "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2").symlink_to(INTERPRETER)
        for name, what in tree.files.items():
            path = root / name[1:]
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(what, str):
                path.symlink_to(what)
            elif isinstance(what, bytes):
                os.link(root / os.fsdecode(what)[1:], path)
            else:
                what.write(path)
        program = root / "app" / "program"
        program.parent.mkdir(exist_ok=True)
        program.write_bytes(self._patched(tree))
        program.chmod(0o755)
        for name in ("etc", "tmp"):
            (root / name).mkdir()
        if tree.preload is not None:
            (root / "etc" / "ld.so.preload").write_text(tree.preload)
        if tree.cached:
            (root / "etc" / "ld.so.conf").write_text("".join(f"{each}\n" for each in CACHED))
            subprocess.run(
                ["/sbin/ldconfig", "-X", "-r", root], check=False, stderr=subprocess.DEVNULL
            )

    def _patched(self, tree: Tree) -> bytes:
        """Give the program its dynamic section and its note."""
        content = bytearray(self.program)

        def put(old: bytes, new: bytes, width: int) -> None:
            at = content.index(old)
            content[at : at + width] = new.ljust(width, b"\0")

        tags = {TAGS[tag]: tag for tag in ("rpath", "runpath")}
        paths = {tag: text for tag, text in tree.tags if tag in ("rpath", "runpath")}
        others = [(tag, text) for tag, text in tree.tags if tag not in paths]
        position, left = self._dynamic(content), iter(others)
        needed = 0
        while True:
            tag, value = struct.unpack_from("<qQ", content, position)
            if tag == 0:
                break
            if tag == TAGS["needed"] and needed < PLACES:
                needed += 1
                tag = TAGS[next(left, ("", ""))[0]] if needed <= len(others) else 0x60000000
            elif tag in tags:
                tag = TAGS[next(iter(paths))] if paths else 0x60000000
            elif tag == 0x6FFFFFFB:
                value |= tree.flags_1
            struct.pack_into("<qQ", content, position, tag, value)
            position += 16
        for index, (_, text) in enumerate(others):
            put(self._name(index).encode(), text.encode(), WIDTH)
        put(b"R" * 4 * WIDTH, next(iter(paths.values()), "").encode(), 4 * WIDTH)
        noted = () if tree.included else tree.opens
        names = ",".join(f'{{"soname":["{name}"],"priority":"required"}}' for name in noted)
        put(b"@note@", dlopen_note(f"[{names}]".ljust(200)), 256)
        return bytes(content)

    @staticmethod
    def _dynamic(content: bytes) -> int:
        start, count = struct.unpack_from("<Q", content, 32)[0], content[56]
        for at in range(start, start + 56 * count, 56):
            kind, _, offset = struct.unpack_from("<IIQ", content, at)
            if kind == PT_DYNAMIC:
                return int(offset)
        raise AssertionError("a program without a dynamic section")


class Start(NamedTuple):
    """How a start went."""

    failure: str
    """What the loader says, or how it fails itself; empty for a success."""
    paths: tuple[str, ...] = ()
    """What is loaded, in the order of its initialisation."""

    @property
    def is_lookup(self) -> bool:
        """Whether the loader itself worked, and misses something."""
        return "error while loading" in self.failure


def started(root: Path, tree: Tree, *, with_proc: bool = True, **variables: str) -> Start:
    """Start the program below ``root``; a variable tells it ``$ORIGIN``, as /proc would."""
    if with_proc:
        variables["LD_ORIGIN_PATH"] = "/app"
    try:
        run = subprocess.run(
            ["/app/program", *tree.opens],
            env={**variables, "LD_DEBUG": "files"},
            capture_output=True, check=False, timeout=2,
            preexec_fn=lambda: os.chroot(root), cwd=root,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Start("it does not end")
    text = os.fsdecode(run.stderr)
    if "transferring control" not in text:
        return Start(text.rpartition("\t")[2] or str(run.returncode))
    return Start("", tuple(re.findall(r"calling init: (/\S+)", text)))

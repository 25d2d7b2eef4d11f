"""The closure is the loader's own, over random trees: the loader that is installed here judges."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, event, given, reject, settings
from hypothesis import strategies as st

from magicpak import MagicpakError, Options, pack
from magicpak.host import Host
from magicpak.loader.closure import closure
from magicpak.loader.errors import LookupRefused
from magicpak.loader.identify import Identified
from magicpak.loader.library import Closure
from magicpak.loader.search import Environment, Loader
from support.elves import EM_386, EM_AARCH64, Made
from support.loader import INTERPRETER, here

CASES = int(os.environ.get("MAGICPAK_TESTS_CASES", "2000"))
DIRECTORIES = ("one", "two", "three", "three/lower")
SUBDIRECTORIES = ("glibc-hwcaps/x86-64-v2", "glibc-hwcaps/x86-64-v3", "tls", "x86_64", "tls/x86_64")
NAMES = ("liba.so", "libb.so", "libq.so", "libd.so", "libe.so")

pytestmark = here


@dataclass
class Tree:
    """A tree of libraries with a program; ``@`` stands for the directory it is made in."""

    files: dict[str, Made | str | bytes] = field(default_factory=dict)
    """What lies at a path: an object, the text of a link, or any bytes."""
    program: Made = field(default_factory=Made)
    by_link: bool = False
    library_path: str | None = None
    preload: str = ""

    def write(self, root: Path) -> Path:
        """Make it below ``root``, and return the program as it is started."""
        for name, what in self.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(what, str):
                path.symlink_to(what.replace("@", str(root)))
            elif isinstance(what, bytes):
                path.write_bytes(what)
            else:
                _rooted(what, root, name).write(path)
        program = _rooted(self.program, root, "program").write(root / "bin" / "program")
        if not self.by_link:
            return program
        link = root / "one" / "link"
        link.parent.mkdir(exist_ok=True)
        link.symlink_to("../bin/program")
        return link

    @property
    def filters(self) -> bool:
        """Whether an object filters another, which is listed before it but loaded after."""
        made = [what for what in self.files.values() if isinstance(what, Made)]
        return any(tag == "filter" for each in made for tag, _ in each.dynamic)

    def environment(self, root: Path) -> dict[str, str]:
        """Give the variables under which the program starts."""
        variables = {}
        if self.library_path is not None:
            variables["LD_LIBRARY_PATH"] = self.library_path.replace("@", str(root))
        if self.preload:
            variables["LD_PRELOAD"] = self.preload.replace("@", str(root))
        return variables


def _rooted(made: Made, root: Path, name: str) -> Made:
    dynamic = [(tag, text.replace("@", str(root))) for tag, text in made.dynamic]
    return Made(
        dynamic,
        made.interpreter,
        machine=made.machine,
        bits=made.bits,
        flags_1=made.flags_1,
        strings=(f"this is {name}",),
    )


elements = st.sampled_from(
    [f"@/{name}" for name in DIRECTORIES]
    + ["$ORIGIN", "${ORIGIN}/../two", "$ORIGIN/../one//", "$ORIGINAL/x", "$ORIGIN/lower", "three"]
    + ["", ".", "@/nowhere", "@/dirlink", "@/three/../one", "$ORIGIN/$LIB", "@/${PLATFORM}", "/"]
)
paths = st.lists(elements, min_size=1, max_size=3).map(":".join)
needed = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.sampled_from(
        ["@/one/liba.so", "two/libb.so", "$ORIGIN/libq.so", "${ORIGIN}/../two/libd.so", "other.so"]
    ),
)


@st.composite
def objects(draw: st.DrawFn, name: str = "", program: bool = False) -> Made:
    """Draw an object with what it needs, and where that is to be looked for."""
    # Of a program that needs nothing the loader says no more than that.
    tags = [("needed", text) for text in draw(st.lists(needed, min_size=program, max_size=4))]
    soname = draw(st.sampled_from([None, None, name, name, "other.so", *NAMES[:2]]))
    if soname:
        tags.append(("soname", soname))
    chosen = draw(st.sampled_from([(), ("rpath",), ("runpath",), ("rpath", "runpath")]))
    tags += [(tag, draw(paths)) for tag in chosen]
    if not program and draw(st.integers(0, 9)) == 0:
        # The loader leaves out of its list what a program itself filters, and lists an auxiliary
        # object that is not there: see test_closure.py for these.
        tags.append(("filter", draw(needed)))
    machine, bits = 62, 64
    if not program and draw(st.integers(0, 14)) == 0:
        machine, bits = draw(st.sampled_from([(EM_386, 32), (EM_AARCH64, 64), (62, 32)]))
    flags_1 = draw(st.sampled_from([0, 0, 0, 0, 0x800]))
    return Made(
        tags, INTERPRETER if program else None, machine=machine, bits=bits, flags_1=flags_1
    )


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Draw libraries and links in some directories, and a program that needs some of them."""
    files: dict[str, Made | str | bytes] = {}
    for directory in DIRECTORIES:
        for name in draw(st.lists(st.sampled_from(NAMES), max_size=4, unique=True)):
            sort = draw(st.integers(0, 19))
            path = f"{directory}/{name}"
            if sort == 0 and directory == "two":
                files[path] = b"not an ELF file, but long enough to have a header of one" * 2
            elif sort <= 3:
                target = draw(st.sampled_from(["@/one/liba.so", "../two/libb.so", "gone", name]))
                if target not in (f"@/{path}", f"../{path}"):
                    files[path] = target
            elif sort <= 5:
                below = draw(st.sampled_from(SUBDIRECTORIES))
                files[f"{directory}/{below}/{name}"] = draw(objects(name))
            else:
                files[path] = draw(objects(name))
    if draw(st.booleans()):
        files["dirlink"] = draw(st.sampled_from(["one", "@/two", "three/lower", "gone"]))
    return Tree(
        files,
        draw(objects(program=True)),
        draw(st.booleans()),
        draw(st.none() | st.lists(elements, max_size=3).map(";".join)),
        draw(st.sampled_from(["", "", "", "libe.so", "@/two/libd.so"])),
    )


@functools.cache
def loader() -> Loader:
    """Describe the loader of this machine."""
    host = Host()
    with contextlib.ExitStack() as stack:
        known = Identified(host, tempfile.gettempdir(), stack)
        return known.loader(INTERPRETER, host.read(INTERPRETER))[0]


Told = tuple[list[str], set[str]]


def told(
    program: Path, variables: dict[str, str], directory: Path, chroot: Path | None = None
) -> Told | None:
    """Ask the real loader: what it maps in its order, and the names it does not find."""
    try:
        run = subprocess.run(
            [program],
            env={**variables, "LD_TRACE_LOADED_OBJECTS": "1"},
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=5,
            preexec_fn=None if chroot is None else lambda: os.chroot(chroot),
        )
    except subprocess.TimeoutExpired:
        reject()
    # Where filters go round in a circle, glibc 2.36 does so for ever, or crashes.
    assume(run.returncode != -signal.SIGSEGV)
    if run.returncode:
        assert "error while loading shared libraries" in run.stderr, run
        return None
    inside = Host("" if chroot is None else str(chroot))
    found, missing = [], set()
    for line in run.stdout.splitlines():
        name, _, path = line.removeprefix("\t").partition(" => ")
        if path == "not found":
            missing.add(name)
            continue
        shown = (path or name).rpartition(" (0x")[0]
        real = inside.real(os.path.join(directory, shown))
        if shown and not name.startswith("linux-vdso") and real != inside.real(INTERPRETER):
            found.append(inside.sysroot + inside.real(real))
    return found, missing


def ours(found: Closure) -> Told | None:
    """Bring the closure into the same form."""
    if any(isinstance(failure, LookupRefused) for failure in found.failures):
        return None
    paths = dict.fromkeys(os.path.realpath(library.path) for library in found.libraries)
    return list(paths), {failure.name for failure in found.failures}


@settings(
    max_examples=CASES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(trees())
def test_agrees_with_the_loader_on_every_library_in_its_order(tree: Tree) -> None:
    root = Path(tempfile.mkdtemp(prefix="magicpak-closure-"))
    try:
        program = tree.write(root)
        variables = tree.environment(root)
        host = Host()
        real = os.path.realpath(program)
        environment = Environment(
            variables.get("LD_LIBRARY_PATH", ""),
            tuple(variables.get("LD_PRELOAD", "").split()),
            str(root),
        )
        found = closure(host.read(real), real, loader(), host, environment)
        mine, real_one = ours(found), told(program, variables, root)
        if mine is not None and real_one is not None and tree.filters:
            mine[0].sort()
            real_one[0].sort()
        assert mine == real_one
    finally:
        shutil.rmtree(root)


MUSL = "/lib/ld-musl-x86_64.so.1"


def told_by_musl(program: Path, variables: dict[str, str], directory: Path) -> Told | None:
    """Ask the loader of musl the same; None where it stops at what it finds."""
    run = subprocess.run(
        [MUSL, "--list", program], env=variables, cwd=directory, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    # It crashes at objects that have no table of symbols.
    assume(run.returncode >= 0)
    if "Exec format error" in run.stderr:
        return None
    lines = re.findall(r"^\t(?!libc\.).* => (.*) \(0x", run.stdout, re.MULTILINE)
    found = (os.path.realpath(directory / line) for line in lines if line != MUSL)
    absent = r"library (.*): (?:No such file|Symbolic link loop).*\(needed by"
    missing = re.findall(absent, run.stderr)
    return list(dict.fromkeys(found)), set(missing)


@pytest.mark.skipif(not os.path.exists(MUSL), reason="needs the loader of musl")
@settings(
    max_examples=CASES // 4,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(trees())
def test_agrees_with_the_loader_of_musl(tree: Tree) -> None:
    root = Path(tempfile.mkdtemp(prefix="magicpak-closure-"))
    try:
        tree.program.interpreter, tree.by_link = MUSL, False
        program = tree.write(root)
        variables = tree.environment(root)
        host = Host()
        elf = host.read(str(program))
        with contextlib.ExitStack() as stack:
            known = Identified(host, str(root), stack).loader(MUSL, elf)[0]
        preload = tuple(variables.get("LD_PRELOAD", "").split())
        environment = Environment(variables.get("LD_LIBRARY_PATH", ""), preload, str(root))
        found = ours(closure(elf, str(program), known, host, environment))
        assert found == told_by_musl(program, variables, root)
    finally:
        shutil.rmtree(root)


@pytest.mark.needs("root")
@settings(
    max_examples=CASES // 40,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(trees())
def test_a_bundle_loads_the_same_in_a_chroot(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tree: Tree
) -> None:
    tree.preload = ""  # nothing is preloaded there
    # Without /proc the loader leaves out what the program needs by $ORIGIN.
    assume(not any(tag == "needed" and "ORIGIN" in text for tag, text in tree.program.dynamic))
    root = Path(tempfile.mkdtemp(prefix="magicpak-closure-"))
    out = root / "out"
    caplog.clear()
    try:
        program = tree.write(root)
        variables = tree.environment(root)
        here = told(program, variables, root)
        assume(here is not None and not here[1])
        with monkeypatch.context() as patch:
            patch.chdir(root)
            patch.setenv("LD_LIBRARY_PATH", variables.get("LD_LIBRARY_PATH", ""))
            try:
                pack(Options((str(program),), str(out)))
            except MagicpakError as e:
                event(type(e).__name__)
                raise
        there = told(program, {}, Path("/"), out)
        assert here is not None
        assert there is not None
        warned = {name for name in there[1] if f"will not find {name}" in caplog.text}
        assert there[1] == warned
        event(f"{len(here[0])} libraries, {len(warned)} warnings")
        # RUNPATH comes before any cache: where LD_LIBRARY_PATH had the better of it, that is told.
        if not warned and "is found instead of" not in caplog.text:
            assert list(map(_content, here[0])) == list(map(_content, there[0]))
    finally:
        shutil.rmtree(root)


def _content(path: str) -> bytes:
    return Path(path).read_bytes()

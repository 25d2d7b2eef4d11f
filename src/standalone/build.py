"""Build the single file: a static Python interpreter with magicpak frozen into it.

``python3 src/standalone/build.py OUTPUT [SBOM]...``, by the python3 of Debian with libpython3-dev,
which brings the static library of the interpreter, a C compiler and pip. The same sources, packages
and interpreter give the same bytes. Another architecture's file is built by its own python3. An
SBOM is CycloneDX or SPDX by its name, as with ``--sbom``; it tells what the linker took, and which
modules are frozen.
"""

from __future__ import annotations

import _imp
import marshal
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from modulefinder import ModuleFinder
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent
LIBRARY = Path(sysconfig.get_config_var("LIBPL"), f"libpython{sysconfig.get_python_version()}.a")

ROOTS = (
    "magicpak.__main__",
    "magicpak.cli",
    "magicpak.pipeline",
    "rich.console",
    "rich.progress",
    # What Python and rich import by names that they put together.
    "encodings.ascii",
    "encodings.latin_1",
    "encodings.utf_8",
    "rich._unicode_data",
)

STAND_INS = {
    ".".join(path.relative_to(HERE / "absent").with_suffix("").parts): path
    for path in (HERE / "absent").rglob("*.py")
}
"""Small modules in the place of what needs much."""

UNUSED = frozenset(
    # Frozen, under other names.
    {"importlib._bootstrap", "importlib._bootstrap_external"}
    # Imported by functions that magicpak never calls, and where they may fail to be.
    | {"argparse", "bz2", "click._termui_impl", "click._winconsole", "configparser", "ctypes"}
    | {"doctest", "elftools.dwarf", "encodings.mbcs", "html", "importlib.metadata"}
    | {"lzma", "plistlib", "pty", "rich.__main__", "rich._inspect", "rich._win32_console"}
    | {"rich._windows_renderer", "rich.json", "rich.syntax", "rich.traceback", "statistics"}
    | {"rich.markdown", "tarfile", "tracemalloc", "webbrowser", "zipfile"}
)

ABSENT = frozenset(
    # Their importers have Python code for the same.
    {"_json", "_pickle", "_queue", "_typing", "_uuid", "termios", "unicodedata"}
)


FROZEN = """
#include <Python.h>

__asm__ (".section .rodata\\n" "code: .incbin \\"modules\\"\\n"
         ".section .licenses, \\"\\", @progbits\\n" ".incbin \\"licenses\\"\\n" ".text\\n");

extern const unsigned char code[];

const struct _frozen magicpak_modules[] = {
ROWS  { 0 }
};
"""
"""The C code of the modules; their licenses are in a section that nothing loads."""


class BuildFailed(Exception):
    """The single file cannot be built here."""


def built_in() -> frozenset[str]:
    """Return the modules that main.c gives the interpreter."""
    return frozenset(re.findall(r'^  \{ "(\w+)", ', (HERE / "main.c").read_text(), re.MULTILINE))


class Module(NamedTuple):
    """A module to freeze."""

    name: str
    source: bytes
    package: bool
    path: str = ""

    @property
    def code(self) -> bytes:
        """Its code object as marshal writes it."""
        # Without docstrings and asserts, but: magicpak shows docstrings as help, and takes
        # pyelftools' asserts for what a file does wrong.
        optimize = 0 if self.name.startswith(("magicpak.", "elftools.")) else 2
        name = f"<frozen {self.name}>"
        code = compile(self.source, name, "exec", dont_inherit=True, optimize=optimize)
        return marshal.dumps(code)


def modules(packages: str) -> list[Module]:
    """List what magicpak imports, but for what the interpreter's library has frozen already.

    Raises BuildFailed where a module in C is not built in.
    """
    found = (module for module in _found(packages) if not _imp.is_frozen(module.name))
    return sorted((*found, _resources()))


def _found(packages: str) -> Iterator[Module]:
    standard = sysconfig.get_path("stdlib")
    places = [str(SOURCE), packages, standard, f"{standard}/lib-dynload"]
    finder = ModuleFinder(places, excludes=sorted(UNUSED | STAND_INS.keys()))
    for root in ROOTS:
        finder.import_hook(root)
    del finder.modules["magicpak.resources"]
    for name, module in finder.modules.items():
        source = getattr(module, "__file__", None)
        if source is not None and source.endswith(".py"):
            package = Path(source).name == "__init__.py"
            yield Module(name, Path(source).read_bytes(), package, source)
        elif name not in built_in() | ABSENT:
            raise BuildFailed(f"{name} is imported, and main.c does not have it built in")
    for table in Path(packages, "rich/_unicode_data").glob("unicode*.py"):
        yield Module(f"rich._unicode_data.{table.stem}", table.read_bytes(), package=False)
    for name, path in STAND_INS.items():
        yield Module(name, path.read_bytes(), package=False)


def _resources() -> Module:
    """Make the module that has the files of the package which are not Python."""
    root = SOURCE / "magicpak"
    files = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*.*"))
        if path.suffix not in (".py", ".pyc", ".typed")
    }
    source = f"content = {files!r}.__getitem__\n"
    return Module("magicpak.resources", source.encode(), package=False)


def notices(packages: str) -> bytes:
    """Return the licenses of what is in the file, each under its name; they ask for it."""
    found = [
        (path.relative_to(packages).parts[0].partition("-")[0], path)
        for path in sorted(Path(packages).glob("*.dist-info/**/LICENSE*"))
    ]
    for package in (f"libpython{sysconfig.get_python_version()}-stdlib", "libc6", "zlib1g"):
        path = Path("/usr/share/doc", package, "copyright")
        found += [(package, path)] if path.exists() else []
    return b"\n\n".join(b"%b\n\n%b" % (name.encode(), path.read_bytes()) for name, path in found)


def write_frozen(directory: Path, frozen: list[Module], licenses: bytes) -> Path:
    """Write the modules, and C code with the table of them (PyImport_FrozenModules)."""
    codes = [module.code for module in frozen]
    (directory / "modules").write_bytes(b"".join(codes))
    (directory / "licenses").write_bytes(licenses)
    rows, offset = [], 0
    for module, code in zip(frozen, codes, strict=True):
        rows.append(
            f'  {{ "{module.name}", code + {offset}, {len(code)}, {int(module.package)}, 0 }},\n'
        )
        offset += len(code)
    source = directory / "frozen.c"
    source.write_text(FROZEN.replace("ROWS", "".join(rows)))
    return source


def link(path: Path, frozen: Path) -> list[str]:
    """Compile and link the interpreter; return the paths of the libraries that this took."""
    sources = [HERE / "main.c", HERE / "kernel.c", frozen]
    libraries = (sysconfig.get_config_var("LIBS") or "").split()
    command = [
        *(os.environ.get("CC", "cc"), "-O2", "-Wall", "-Wextra", "-static", "-s"),
        # Python's own functions are found by name in no table, so what nothing calls can go.
        *("-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,--trace"),
        *("-I", sysconfig.get_path("include"), f"-Wa,-I{frozen.parent}"),
        *("-o", str(path), *map(str, sources), str(LIBRARY), "-lz", "-lm", *libraries),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # A static glibc warns of all that it would load at run time; main.c sees to that.
    warnings = re.findall(r".*\bwarning: .*", done.stderr)
    expected = [line for line in warnings if "statically linked applications" in line]
    if done.returncode != 0 or warnings != expected:
        raise BuildFailed(done.stderr)
    # The objects of this build are gone by now.
    return [os.path.realpath(line) for line in done.stdout.splitlines() if Path(line).exists()]


def install(into: str) -> None:
    """Install the packages of requirements.txt, by the hashes that stand there."""
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--root-user-action=ignore", "--no-compile", "--no-deps", "--only-binary=:all:"),
        *("--require-hashes", "--target", into, "-r", str(HERE / "requirements.txt")),
    ]
    if subprocess.run(command, check=False).returncode != 0:
        raise BuildFailed("pip does not install the packages of requirements.txt")


def build(output: Path, *sboms: Path) -> None:
    """Write the single file to ``output``, all of it or nothing, and what is in it beside it."""
    if not LIBRARY.exists():
        raise BuildFailed(f"{LIBRARY} is not there: apt-get install libpython3-dev")
    missing = built_in() - set(sys.builtin_module_names) - {"_magicpak_kernel"}
    if missing:
        names = ", ".join(sorted(missing))
        raise BuildFailed(f"{sys.executable} is no python3 of Debian 12: it lacks {names}")
    for path in sboms:
        if not path.name.endswith((".cdx.json", ".spdx.json")):
            raise BuildFailed(f"{path} names no SBOM: end it with .cdx.json or .spdx.json")
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".standalone-") as scratch:
        packages = f"{scratch}/packages"
        install(packages)
        program = Path(scratch, "program")
        frozen = modules(packages)
        libraries = link(program, write_frozen(Path(scratch), frozen, notices(packages)))
        parts = [*libraries, *(module.path for module in frozen if module.path)]
        for path in sboms:
            path.write_bytes(sbom(path, program, parts, packages))
        program.replace(output)


def sbom(path: Path, program: Path, parts: list[str], packages: str) -> bytes:
    """Return the SBOM of this name, in its format."""
    sys.path[:0] = [str(HERE), str(SOURCE), packages]
    import sbom  # noqa: PLC0415  it needs the packages
    from magicpak.sbom import document  # noqa: PLC0415  as above

    return document.document(path.name, sbom.contents(program, parts, Path(packages)))


if __name__ == "__main__":
    try:
        build(*(Path(argument).absolute() for argument in sys.argv[1:]))
    except BuildFailed as e:
        sys.exit(f"error: {e}")

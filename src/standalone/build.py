"""Build the single file: a static Python interpreter with magicpak as byte code behind it.

``python3 src/standalone/build.py OUTPUT``, by the python3 of Debian with libpython3-dev, which
brings the static library of the interpreter, a C compiler and pip. The same sources, packages and
interpreter give the same bytes. Another architecture's file is built by its own python3.
"""

from __future__ import annotations

import _imp
import importlib.util
import marshal
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from modulefinder import ModuleFinder
from pathlib import Path

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
    path.relative_to(HERE / "absent").as_posix(): path for path in (HERE / "absent").rglob("*.py")
}
"""Small modules in the place of what needs much, by their paths in the archive."""

UNUSED = frozenset(
    # Frozen, under other names.
    {"importlib._bootstrap", "importlib._bootstrap_external"}
    # Imported by functions that magicpak never calls, and where they may fail to be.
    | {"argparse", "bz2", "click._termui_impl", "click._winconsole", "configparser", "ctypes"}
    | {"doctest", "encodings.mbcs", "hashlib", "html", "importlib.metadata", "lzma", "plistlib"}
    | {"pty", "rich.__main__", "rich._win32_console", "rich._windows_renderer", "rich.json"}
    | {"rich.syntax", "rich.traceback", "statistics", "tarfile", "webbrowser", "zipfile"}
)

ABSENT = frozenset(
    # Their importers have Python code for the same.
    {"_json", "_pickle", "_queue", "_typing", "_uuid", "termios", "unicodedata"}
)


class BuildFailed(Exception):
    """The single file cannot be built here."""


def built_in() -> frozenset[str]:
    """Return the modules that main.c gives the interpreter."""
    return frozenset(re.findall(r'^  \{ "(\w+)", ', (HERE / "main.c").read_text(), re.MULTILINE))


def find_modules(packages: str) -> Iterator[tuple[str, Path]]:
    """Yield what magicpak imports: each module's path in the archive, and its source.

    Raises BuildFailed where one in C is not built in.
    """
    standard = sysconfig.get_path("stdlib")
    places = [str(SOURCE), packages, standard, f"{standard}/lib-dynload"]
    replaced = {path.removesuffix(".py").replace("/", ".") for path in STAND_INS}
    finder = ModuleFinder(places, excludes=sorted(UNUSED | replaced))
    for root in ROOTS:
        finder.import_hook(root)
    for name, module in finder.modules.items():
        source = getattr(module, "__file__", None)
        if source is not None and source.endswith(".py"):
            package = Path(source).name == "__init__.py"
            yield name.replace(".", "/") + ("/__init__.py" if package else ".py"), Path(source)
        elif name not in built_in() | ABSENT:
            raise BuildFailed(f"{name} is imported, and main.c does not have it built in")
    for table in Path(packages, "rich/_unicode_data").glob("unicode*.py"):
        yield f"rich/_unicode_data/{table.name}", table
    yield from STAND_INS.items()


def archive_members(packages: str) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the archive's files."""
    for path, source in find_modules(packages):
        # What is frozen, the interpreter's library holds already.
        if not _imp.is_frozen(path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")):
            yield f"{path}c", byte_code(source, path)
    yield "magicpak/loader/helper.c", (SOURCE / "magicpak/loader/helper.c").read_bytes()
    # The licenses ask for it.
    for notice in Path(packages).glob("*.dist-info/**/LICENSE*"):
        yield f"licenses/{notice.relative_to(packages).parts[0]}", notice.read_bytes()
    for package in (f"libpython{sysconfig.get_python_version()}-stdlib", "libc6", "zlib1g"):
        notice = Path("/usr/share/doc", package, "copyright")
        if notice.exists():
            yield f"licenses/{package}", notice.read_bytes()


def byte_code(source: Path, path: str) -> bytes:
    """Compile a module as PEP 552 has it, without the docstrings and asserts that do not count."""
    # magicpak shows docstrings as help, and takes pyelftools' asserts for what a file does wrong.
    optimize = 0 if path.startswith(("magicpak/", "elftools/")) else 2
    code = compile(source.read_bytes(), path, "exec", dont_inherit=True, optimize=optimize)
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def write_archive(path: Path, members: Iterator[tuple[str, bytes]]) -> None:
    """Write a zip archive that depends on nothing but its members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(members):
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)


def link(path: Path) -> None:
    """Compile and link the interpreter."""
    sources = [HERE / "main.c", HERE / "kernel.c"]
    libraries = (sysconfig.get_config_var("LIBS") or "").split()
    command = [
        *(os.environ.get("CC", "cc"), "-O2", "-Wall", "-Wextra", "-static", "-s"),
        # Python's own functions are found by name in no table, so what nothing calls can go.
        *("-Wl,--gc-sections", "-Wl,--build-id=none"),
        *("-I", sysconfig.get_path("include")),
        *("-o", str(path), *map(str, sources), str(LIBRARY), "-lz", "-lm", *libraries),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # A static glibc warns of all that it would load at run time; main.c sees to that.
    warnings = re.findall(r".*\bwarning: .*", done.stderr)
    expected = [line for line in warnings if "statically linked applications" in line]
    if done.returncode != 0 or warnings != expected:
        raise BuildFailed(done.stderr)


def install(into: str) -> None:
    """Install the packages of requirements.txt, by the hashes that stand there."""
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--root-user-action=ignore", "--no-compile", "--no-deps", "--only-binary=:all:"),
        *("--require-hashes", "--target", into, "-r", str(HERE / "requirements.txt")),
    ]
    if subprocess.run(command, check=False).returncode != 0:
        raise BuildFailed("pip does not install the packages of requirements.txt")


def build(output: Path) -> None:
    """Write the single file to ``output``, all of it or nothing."""
    if not LIBRARY.exists():
        raise BuildFailed(f"{LIBRARY} is not there: apt-get install libpython3-dev")
    missing = built_in() - set(sys.builtin_module_names) - {"_magicpak_kernel"}
    if missing:
        names = ", ".join(sorted(missing))
        raise BuildFailed(f"{sys.executable} is no python3 of Debian 12: it lacks {names}")
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".standalone-") as scratch:
        packages = f"{scratch}/packages"
        install(packages)
        archive, program = Path(scratch, "archive.zip"), Path(scratch, "program")
        write_archive(archive, archive_members(packages))
        link(program)
        with program.open("ab") as file:
            file.write(archive.read_bytes())
        program.replace(output)


if __name__ == "__main__":
    try:
        build(Path(sys.argv[1]).absolute())
    except BuildFailed as e:
        sys.exit(f"error: {e}")

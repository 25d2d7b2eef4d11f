"""Read one ELF file: only its headers, dynamic section and notes."""

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from magicpak.elf import dlopen_note, sections
from magicpak.elf.dlopen_note import DlopenNote
from magicpak.elf.dynamic import Dynamic
from magicpak.elf.image import DAMAGE, Image, read_header
from magicpak.errors import IoError, MagicpakError

if TYPE_CHECKING:
    from magicpak.elf.recorded import BuildInfo

SMALLEST = 52
"""The size of the ELF header in the 32-bit class, in bytes."""
DF_1_NODEFLIB = 0x800
DF_1_PIE = 0x8000000
EF_RISCV_FLOAT_ABI = 6

UNWINDING = re.compile(rb"\0(?:pthread_exit|pthread_cancel|thrd_exit|backtrace)\0")


class MalformedExecutable(MagicpakError):
    """A file is not an ELF file, or is damaged."""

    path: str
    reason: str
    abi: "Abi | None" = None
    """That of its header, if it has a whole one: a loader compares this before all else."""

    def __str__(self) -> str:
        return f"The executable is malformed: {self.path}: {self.reason}"


class Abi(NamedTuple):
    """What a loader compares to decide whether an object fits its process."""

    bits: int
    little_endian: bool
    machine: str
    """The ``EM_…`` name of ``e_machine``."""


class Versions(NamedTuple):
    """The symbol versions that an object defines and needs (LSB, "Symbol Versioning")."""

    defined: frozenset[str] = frozenset()
    needed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """For each needed file, the versions that the loader requires."""


class Elf(NamedTuple):
    """An ELF file as the loader sees it; None means absent, which differs from empty."""

    path: str
    """The path from which it was read."""
    identity: tuple[int, int]
    """Device and inode."""
    abi: Abi
    flags: int
    """``e_flags``: some ABIs differ only there."""
    kind: str
    """``ET_EXEC``, ``ET_DYN``, …"""
    interpreter: str | None = None
    dynamic: bool = False
    dependencies: tuple[tuple[str, str], ...] = ()
    """The entries DT_NEEDED, DT_FILTER (required too) and DT_AUXILIARY (optional) in their order,
    each with its name."""
    soname: str | None = None
    rpath: str | None = None
    runpath: str | None = None
    flags_1: int = 0
    audit: tuple[str, ...] = ()
    """DT_AUDIT and DT_DEPAUDIT, each a list separated by colons."""
    cancels: bool = False
    """Whether it names a function of UNWINDING, for which glibc loads libgcc_s by dlopen(3)."""
    dlopens: tuple[DlopenNote, ...] = ()
    versions: Versions = Versions()
    packed_relocations: bool = False
    """It has DT_RELR, which a loader that does not know it would pass over."""
    imports: frozenset[str] | None = None
    """The symbols that others define for a program; those of another object are read later."""

    @property
    def needed(self) -> tuple[str, ...]:
        """The names of DT_NEEDED."""
        return tuple(name for tag, name in self.dependencies if tag == "DT_NEEDED")

    @property
    def float_abi(self) -> int:
        """The part of ``e_flags`` that the loader compares: the floating-point ABI of RISC-V."""
        return self.flags & EF_RISCV_FLOAT_ABI if self.abi.machine == "EM_RISCV" else 0

    @property
    def runs(self) -> bool:
        """Whether the kernel starts it as a program: it has an interpreter or is not shared."""
        return self.interpreter is not None or self.kind == "ET_EXEC"


def read(path: str) -> Elf:
    """Read an ELF file.

    Raises IoError if it cannot be opened, MalformedExecutable if it is not an ELF file or is
    damaged.
    """
    try:
        # Not blocking: a fifo must not stop the run; what is no regular file is refused below.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as e:
        raise IoError.of(e, path) from e
    except ValueError as e:
        raise MalformedExecutable(path, str(e)) from e
    return read_open(fd, path)


def is_elf(path: str) -> bool:
    """Tell whether a regular file begins with the ELF magic number."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.read(fd, 4) == b"\x7fELF"
    except OSError:
        return False
    finally:
        os.close(fd)


def read_open(fd: int, path: str) -> Elf:
    """Read an ELF file from a descriptor, and close that. Raises IoError, MalformedExecutable."""
    with _image(fd, path) as (image, identity):
        return _describe(image, path, identity)


def imports(fd: int, path: str) -> frozenset[str]:
    """Read the names of the symbols that others define for an open ELF file, and close that.

    Raises as ``read_open``.
    """
    with _image(fd, path) as (image, _):
        return frozenset(Dynamic(image).imports())


def constants(fd: int, path: str) -> Iterator[bytes]:
    """Yield ``sections.constants`` of an open ELF file, and close that. Raises as ``read_open``."""
    with _image(fd, path) as (image, _):
        yield from sections.constants(image)


def payload(fd: int, path: str) -> int:
    """Return ``sections.payload`` of an open ELF file, and close that. Raises as ``read_open``."""
    with _image(fd, path) as (image, _):
        return sections.payload(image)


def build_info(fd: int, path: str) -> "BuildInfo":
    """Return ``recorded.read`` of an open ELF file, and close that. Raises as ``read_open``."""
    from magicpak.elf import recorded  # noqa: PLC0415  few runs ask for it

    with _image(fd, path) as (image, _):
        return recorded.read(image)


@contextlib.contextmanager
def _image(fd: int, path: str) -> Iterator[tuple[Image, tuple[int, int]]]:
    """Give an open ELF file with its device and inode, and close it."""
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise MalformedExecutable(path, f"it is {kind}")
        with open(fd, "rb", 4096, closefd=False) as stream:
            yield Image(stream, status.st_size), (status.st_dev, status.st_ino)
    except DAMAGE as e:
        raise MalformedExecutable(path, str(e) or type(e).__name__, _claimed(fd)) from e
    except OSError as e:
        if e.errno == errno.EINVAL:  # lseek(2) to an offset that no file has
            raise MalformedExecutable(path, "an offset in it is too large") from e
        raise IoError.of(e, path) from e
    finally:
        os.close(fd)


def _claimed(fd: int) -> Abi | None:
    """Return the ABI that the header of a damaged file tells; None if the header is damaged too."""
    try:
        with open(fd, "rb", 4096, closefd=False) as stream:
            header = read_header(stream, os.fstat(fd).st_size)
    except (*DAMAGE, OSError):
        return None
    return Abi(header.bits, header.little_endian, header.e_machine)


def _describe(image: Image, path: str, identity: tuple[int, int]) -> Elf:
    """Make the description of a file from its headers, dynamic section and notes."""
    header = image.header
    abi = Abi(image.bits, image.little_endian, header.e_machine)
    own = (path, identity, abi, header.e_flags, header.e_type, image.interpreter())
    dynamic = Dynamic(image)
    if not dynamic.there:
        return Elf(*own)
    return Elf(
        *own,
        dynamic=True,
        dependencies=dynamic.ordered("DT_NEEDED", "DT_FILTER", "DT_AUXILIARY"),
        soname=dynamic.name("DT_SONAME"),
        rpath=dynamic.name("DT_RPATH"),
        runpath=dynamic.name("DT_RUNPATH"),
        flags_1=dynamic.number("DT_FLAGS_1"),
        audit=dynamic.names("DT_AUDIT") + dynamic.names("DT_DEPAUDIT"),
        cancels=UNWINDING.search(dynamic.strings) is not None,
        dlopens=tuple(
            note
            for notes in sections.notes(image)
            for note in dlopen_note.read(notes, abi.little_endian)
        ),
        versions=Versions(
            frozenset(dynamic.versions_defined()), tuple(dynamic.versions_needed())
        ),
        packed_relocations=bool(dynamic.number("DT_RELR")),
        imports=_imports(dynamic) if own[-1] is not None else None,
    )


def _imports(dynamic: Dynamic) -> frozenset[str] | None:
    """Return the imports; None for none, and where the symbols are damaged: the loader has its say.

    Most programs import the same functions, whose names are kept once.
    """
    with contextlib.suppress(*DAMAGE):
        return frozenset(map(sys.intern, dynamic.imports())) or None
    return None

"""Pack the executables with upx: ``--compress``."""

from __future__ import annotations

import logging
import os
import shlex
import tempfile
from collections.abc import Callable, Sequence

from magicpak import elf as elf_reader
from magicpak.elf import Elf
from magicpak.errors import IoError, MagicpakError, one_line, printable
from magicpak.output.copying import ChangedDuringRun, opened
from magicpak.output.copying import copy as copy_content
from magicpak.plan import Bundle, BundlePath, Entry, File
from magicpak.stages.run import Run
from magicpak.system import process, tools
from magicpak.system.process import Runner

log = logging.getLogger(__name__)

ADVICE = (
    ("AlreadyPackedException", "it is packed already; leave out --compress"),
    ("file is too small", "it is too small to be packed; leave out --compress"),
    ("NotCompressibleException", "it does not get smaller; leave out --compress"),
    ("CantPackException", "upx cannot pack this kind of file; leave out --compress"),
    ("UnknownExecutableFormatException", "upx cannot pack this kind of file; leave out --compress"),
)
"""The advice for each exception that upx names in its output."""


PACKED = b"UPX!"
"""upx writes this in the last bytes of a packed file."""
TAIL = 64


class CompressionFailed(MagicpakError):
    """upx failed."""

    status: int
    output: str

    def __str__(self) -> str:
        reason = printable(self.output) or process.describe(self.status)
        advice = next((advice for name, advice in ADVICE if name in self.output), None)
        return f"upx failed with non-zero exit code: {reason}" + (f": {advice}" if advice else "")


class NothingCompressed(MagicpakError):
    """upx succeeded, but did something else."""

    path: str
    arguments: Sequence[str]

    def __str__(self) -> str:
        return (
            f"upx has compressed nothing: {self.path} is unchanged; an argument made upx do "
            f"something else: --upx-arg {shlex.join(self.arguments)}"
        )


def compress(run: Run, bundle: Bundle) -> Bundle:
    """Replace the content of each input with a packed copy. Raises what ``upx`` raises."""
    if not run.options.compress:
        return bundle
    files = {item.entry.identity: item.entry for _, item in bundle if isinstance(item.entry, File)}
    for each in run.inputs:
        elf = each.programs[0][1]
        if elf is None:
            log.warning("%s is not compressed: it is a script", each.path)
            continue
        file = files.get(elf.identity)
        if file is None:
            raise ChangedDuringRun(each.path)
        if payload := _payload(file):
            log.warning(
                "%s is not compressed: it has a payload of %d bytes after its last segment, which "
                "upx would move", each.path, payload,
            )  # fmt: skip
            continue
        if run.options.sbom or (run.asked is not None and run.asked.package_db):
            _tell_hidden(run, file)
        with run.busy("compressing"):
            packed = upx(file, run.options.upx_arg, scratch=run.scratch, tool=run.options.upx)
        size = os.stat(packed).st_size
        run.notes.append(f"{each.path} has {size / file.size:.0%} of its size")
        bundle = bundle.change(_packing(elf, packed, size))
    return bundle


def _tell_hidden(run: Run, file: File) -> None:
    """Say what scanners find in a program, but not in its packed form."""
    info = run.host.build_info(file)
    found = {"its Go modules": info and info.go, "its crates": info and info.cargo}
    hidden = " and ".join(what for what, recorded in found.items() if recorded)
    if hidden:
        advice = "the SBOM lists them" if run.options.sbom else "--sbom lists them"
        log.warning("upx hides %s from scanners of %s; %s", hidden, file.source, advice)


def _payload(file: File) -> int:
    """Return the number of bytes that the program reads from its own file; 0 if upx packed it.

    upx fails for what it has packed, with a message of its own.
    """
    fd = opened(file)
    if PACKED in os.pread(fd, TAIL, max(0, file.size - TAIL)):
        os.close(fd)
        return 0
    return elf_reader.payload(fd, file.source)


def _packing(elf: Elf, packed: str, size: int) -> Callable[[BundlePath, Entry], Entry]:
    def pack_entry(_path: BundlePath, entry: Entry) -> Entry:
        if isinstance(entry, File) and entry.identity == elf.identity:
            return entry._replace(packed=packed, size=size)
        return entry

    return pack_entry


def upx(
    file: File,
    arguments: Sequence[str],
    *,
    scratch: str,
    tool: str = "upx",
    run: Runner = process.run,
) -> str:
    """Pack a copy of the executable in the directory ``scratch``, and return its path.

    Raises CompressionFailed; NothingCompressed; ToolNotFound; ChangedDuringRun; IoError if the
    copy cannot be made.
    """
    program = tools.find(tool, "upx", "--upx")
    copy = _copy(file, scratch)
    before = _identity(copy)
    # The path is absolute: upx would take a relative one that begins with "-" as an option.
    done = run([program, "--no-color", "--no-progress", *arguments, copy])
    for line in (done.stdout + done.stderr).decode(errors="replace").splitlines():
        log.debug("upx: %s", line)
    if done.status != 0:
        raise CompressionFailed(done.status, _output(done, copy, file.source))
    if _identity(copy) == before:
        raise NothingCompressed(file.source, arguments)
    return copy


def _copy(file: File, scratch: str) -> str:
    """Make a copy that upx may write to. It keeps the file name, which upx prints."""
    try:
        source = opened(file)
    except OSError as e:
        raise IoError.of(e) from e
    copy = scratch
    try:
        # One directory per copy: two executables may have the same file name.
        directory = tempfile.mkdtemp(dir=os.path.abspath(scratch))
        copy = os.path.join(directory, os.path.basename(file.source))
        # upx refuses a file that its owner cannot write, and one with set-id bits.
        out = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
        try:
            copy_content(source, out, lambda _count: None)
        finally:
            os.close(out)
    except OSError as e:
        raise IoError.of(e, copy) from e
    finally:
        os.close(source)
    return copy


def _identity(path: str) -> tuple[int, int]:
    """Return what differs after upx has compressed a file, whether in place or not."""
    status = os.stat(path)
    return status.st_ino, status.st_size


def _output(done: process.Completed, copy: str, executable: str) -> str:
    """Return the error output of upx, with the path of the executable instead of the copy's."""
    output = one_line(done.stderr) or one_line(done.stdout)
    return output.replace(copy, executable)

"""The texts of errors: the wording of the contract, and all on one line."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import magicpak
from magicpak.elf import MalformedExecutable
from magicpak.errors import IoError, MagicpakError, Unsupported, one_line, printable
from magicpak.host.script import ScriptFailed
from magicpak.jail import (
    BusyboxNotStatic,
    CheckFailed,
    CheckTimedOut,
    JailUnavailable,
    OutputDiffers,
    ProcessesLeft,
)
from magicpak.loader.errors import HelperFailed, LookupFailed, LookupRefused, WillNotStart
from magicpak.output.copying import ChangedDuringRun
from magicpak.output.destination import DestinationInvalid, DestinationNotEmpty
from magicpak.output.documents import DocumentInvalid
from magicpak.plan import (
    BelowFile,
    Origin,
    PlaceTaken,
    Why,
)
from magicpak.plan.patterns import InvalidPattern
from magicpak.runtime.request import DataNotFound
from magicpak.sbom.file_name import FormatUnknown
from magicpak.stages.compress import CompressionFailed, NothingCompressed
from magicpak.stages.packages import PackageNotFound
from magicpak.system.process import TimedOut
from magicpak.system.tools import ToolNotFound
from magicpak.system.user import UnknownUser, UserRefused
from magicpak.trace import (
    CommandFailed,
    DynamicFailed,
    LogCut,
    LogNotWritten,
    MalformedEndpoint,
    NoAnswer,
    NotALog,
    NotStarted,
    TraceRefused,
)

EXAMPLES = {
    DocumentInvalid: ("--report", "/etc", "it is a directory", "name a file"),
    IoError: (28, "No space left on device", "out/f"),
    ToolNotFound: ("nope", "strace", "--strace"),
    TimedOut: ("sleep 9", 1.5),
    MalformedExecutable: ("app", "it is empty"),
    DataNotFound: ("zones=Mars/Base", "it is not here", "install tzdata"),
    InvalidPattern: ("a**", 1, "reason"),
    Unsupported: ("that does not work",),
    FormatUnknown: ("sbom.json",),
    DestinationInvalid: ("out",),
    DestinationNotEmpty: ("out",),
    LookupFailed: ("libx.so", "/bin/app", ("/lib (default directory)",)),
    LookupRefused: ("libx.so", "/bin/app", "/lib/libx.so", "it is damaged"),
    HelperFailed: ("no stdio.h",),
    ChangedDuringRun: ("/etc/app.conf",),
    NothingCompressed: ("app", ("-o", "x")),
    CompressionFailed: (2, "upx: CantPackException"),
    ScriptFailed: ("app.sh", "its interpreter is not there"),
    PlaceTaken: ("/app", Origin(Why.INPUT, "a/app"), Origin(Why.INPUT, "b/app")),
    BelowFile: ("/app/x", Origin(Why.MKDIR), "/app", Origin(Why.INPUT, "app")),
    WillNotStart: ("/bin/app", "libx.so", "looked in /lib"),
    BusyboxNotStatic: ("/bin/busybox",),
    CheckFailed: ("app", 1, b"out\n", b"err\n", (), ("/etc/app.conf",)),
    CheckTimedOut: ("app", 60),
    JailUnavailable: ("chroot(2) is refused",),
    OutputDiffers: ("a", "b"),
    ProcessesLeft: (),
    CommandFailed: ("curl localhost", 7, b"refused\n"),
    DynamicFailed: (1, b"no such file\n"),
    MalformedEndpoint: ("nowhere",),
    LogCut: ("trace.log",),
    LogNotWritten: ("No space left on device",),
    UnknownUser: ("nemo", "user", "/etc/passwd"),
    UserRefused: ("nobody", "this process is not root's"),
    PackageNotFound: ("nope", "/"),
    NoAnswer: (":80", "it ended", b""),
    NotALog: ("trace.log",),
    NotStarted: ("app", b"exec format error\n"),
    TraceRefused: ("ptrace(PTRACE_TRACEME): Operation not permitted", "seccomp"),
}

BEGINNINGS = {
    DocumentInvalid: "--report /etc cannot be written: it is a directory; name a file",
    IoError: "IO error: No space left on device (os error 28): out/f",
    ToolNotFound: "Unable to locate executable 'nope': cannot find binary path; ",
    MalformedExecutable: "The executable is malformed: app: it is empty",
    InvalidPattern: "Invalid glob pattern: ",
    DestinationInvalid: "The destination is invalid: out",
    DestinationNotEmpty: "The destination is not empty: out",
    LookupFailed: "Unable to lookup shared library: libx.so",
    LookupRefused: "Unable to lookup shared library: libx.so",
    HelperFailed: "Error happened during the compilation of library resolver: no stdio.h",
}


def _below(kind: type[MagicpakError]) -> Iterator[type[MagicpakError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def test_each_error_of_any_room_has_an_example_here() -> None:
    for module in pkgutil.walk_packages(magicpak.__path__, "magicpak."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    ours = {kind for kind in _below(MagicpakError) if kind.__module__.startswith("magicpak.")}
    assert ours == set(EXAMPLES)


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
def test_an_error_is_one_line_in_the_words_of_the_contract(kind: type[Exception]) -> None:
    error = kind(*EXAMPLES[kind])
    assert str(error).startswith(BEGINNINGS.get(kind, ""))
    assert "\n" not in str(error)
    assert not str(error).endswith(".")


def test_an_error_can_be_raised_through_a_context_manager() -> None:
    """A frozen dataclass could not: its traceback cannot be set."""
    error = IoError(1, "reason")
    assert error.with_traceback(None) is error
    assert {error} == {error}


@pytest.mark.parametrize(("error", "path", "text"), [
    (OSError(2, "No such file", "named"), "other", "IO error: No such file (os error 2): named"),
    (OSError(2, "No such file"), "given", "IO error: No such file (os error 2): given"),
    (OSError(2, "No such file"), None, "IO error: No such file (os error 2)"),
    (OSError(2, "No such file", b"by\xff"), None, "IO error: No such file (os error 2): by\udcff"),
    (OSError(2, "No such file", ""), None, "IO error: No such file (os error 2): ''"),
    (OSError("only a text"), None, "IO error: only a text (os error 0)"),
    (OSError(9, "Bad descriptor", 7), None, "IO error: Bad descriptor (os error 9): 7"),
])  # fmt: skip
def test_an_oserror_is_told_with_its_path(error: OSError, path: str | None, text: str) -> None:
    assert str(IoError.of(error, path)) == text


def test_what_would_leave_the_line_is_escaped() -> None:
    assert printable("a\nb\r\t\0\x1b\x7f\x85\udc80") == "a\\nb\\r\\t\\x00\\x1b\\x7f\\x85\\x80"
    assert printable("näme [x] 'y' \\ 日本") == "näme [x] 'y' \\ 日本"


def test_a_text_stays_on_its_line() -> None:
    assert printable("a\nb\tc\r\x1b[31m\x9b\udcff") == "a\\nb\\tc\\r\\x1b[31m\\x9b\\xff"


def test_output_is_joined_into_a_line() -> None:
    assert one_line(b"  one\n\n\ttwo\r\nthree \xff\n") == "one; two; three �"
    assert one_line("") == ""


def test_what_is_looked_for_by_its_path_is_not_to_be_had_by_a_search_path() -> None:
    missing = str(LookupFailed("/lib/ld-linux-aarch64.so.1", "/bin/app", ("/lib/x",)))
    assert "LD_LIBRARY_PATH" not in missing
    assert "--sysroot" in missing
    assert "LD_LIBRARY_PATH" in str(LookupFailed("libx.so", "/bin/app", ()))

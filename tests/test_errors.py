"""The texts of errors: the wording of the contract, and all on one line."""

from __future__ import annotations

import inspect

import pytest

from magicpak import errors
from magicpak.errors import IoError, one_line, printable

EXAMPLES = {
    errors.IoError: (28, "No space left on device", "out/f"),
    errors.ToolNotFound: ("nope", "strace", "--strace"),
    errors.TimedOut: ("sleep 9", 1.5),
    errors.MalformedExecutable: ("app", "it is empty"),
    errors.InvalidPattern: ("a**", 1, "reason"),
    errors.Unsupported: ("that does not work",),
    errors.DestinationInvalid: ("out",),
    errors.DestinationNotEmpty: ("out",),
    errors.LookupFailed: ("libx.so", "/bin/app", ("/lib (default directory)",)),
    errors.LookupRefused: ("libx.so", "/bin/app", "/lib/libx.so", "it is damaged"),
    errors.HelperFailed: ("no stdio.h",),
}
BEGINNINGS = {
    errors.IoError: "IO error: No space left on device (os error 28): out/f",
    errors.ToolNotFound: "Unable to locate executable 'nope': cannot find binary path; ",
    errors.MalformedExecutable: "The executable is malformed: app: it is empty",
    errors.InvalidPattern: "Invalid glob pattern: ",
    errors.DestinationInvalid: "The destination is invalid: out",
    errors.DestinationNotEmpty: "The destination is not empty: out",
    errors.LookupFailed: "Unable to lookup shared library: libx.so",
    errors.LookupRefused: "Unable to lookup shared library: libx.so",
    errors.HelperFailed: "Error happened during the compilation of library resolver: no stdio.h",
}


def test_each_error_has_an_example_here() -> None:
    classes = {
        member for _, member in inspect.getmembers(errors, inspect.isclass)
        if issubclass(member, errors.MagicpakError) and member is not errors.MagicpakError
    }  # fmt: skip
    assert classes == set(EXAMPLES)


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


def test_output_is_joined_into_a_line() -> None:
    assert one_line(b"  one\n\n\ttwo\r\nthree \xff\n") == "one; two; three �"
    assert one_line("") == ""


def test_what_is_looked_for_by_its_path_is_not_to_be_had_by_a_search_path() -> None:
    missing = str(errors.LookupFailed("/lib/ld-linux-aarch64.so.1", "/bin/app", ("/lib/x",)))
    assert "LD_LIBRARY_PATH" not in missing
    assert "--sysroot" in missing
    assert "LD_LIBRARY_PATH" in str(errors.LookupFailed("libx.so", "/bin/app", ()))

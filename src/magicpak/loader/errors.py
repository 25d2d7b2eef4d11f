"""Errors of the search for libraries."""

from __future__ import annotations

from magicpak.errors import MagicpakError


class LookupFailed(MagicpakError):
    """A needed library is in none of the places that the loader searches."""

    name: str
    needed_by: str
    places: tuple[str, ...]

    def __str__(self) -> str:
        looked = ", ".join(self.places) or "no directory"
        advice = "add its directory to LD_LIBRARY_PATH"
        # The loader searches no directories for a name with a slash, such as the interpreter's.
        if "/" in self.name:
            advice = "give the tree that has it as --sysroot"
        return (
            f"Unable to lookup shared library: {self.name}, needed by {self.needed_by}, "
            f"is not found; looked in {looked}; install the package that has it, or {advice}"
        )


class LookupRefused(MagicpakError):
    """The loader finds a file for a needed library, but cannot load it."""

    name: str
    needed_by: str
    path: str
    reason: str

    def __str__(self) -> str:
        return (
            f"Unable to lookup shared library: {self.name}, needed by {self.needed_by}: the loader "
            f"finds {self.path} but cannot load it: {self.reason}; remove or replace that file"
        )


class HelperFailed(MagicpakError):
    """The helper program that queries the dynamic loader does not compile."""

    output: str

    def __str__(self) -> str:
        return (
            "Error happened during the compilation of library resolver: "
            f"{self.output or 'the compiler printed nothing'}"
        )


class WillNotStart(MagicpakError):
    """A program needs a library that its loader does not find in the bundle."""

    path: str
    name: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.path} would not start in the bundle: {self.name}: {self.reason}; "
            f"--include the missing file, or --exclude {self.path}"
        )

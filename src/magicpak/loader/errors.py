"""How the search for libraries fails."""

from __future__ import annotations

from magicpak.errors import MagicpakError


class LookupFailed(MagicpakError):
    """A needed shared library is in none of the places where the loader looks."""

    name: str
    needed_by: str
    places: tuple[str, ...]

    def __str__(self) -> str:
        looked = ", ".join(self.places) or "nowhere: no directory is searched for it"
        # A name with a slash, as that of the interpreter, is looked for nowhere else.
        other = "add its directory to LD_LIBRARY_PATH"
        if "/" in self.name:
            other = "give the tree that has it as --sysroot"
        return (
            f"Unable to lookup shared library: {self.name}, needed by {self.needed_by}, "
            f"is not found; looked in {looked}; install the package that has it, or {other}"
        )


class LookupRefused(MagicpakError):
    """The loader finds a file for a needed library, and cannot load it."""

    name: str
    needed_by: str
    path: str
    reason: str

    def __str__(self) -> str:
        return (
            f"Unable to lookup shared library: {self.name}, needed by {self.needed_by}: the loader "
            f"finds {self.path} and stops there: {self.reason}; remove or replace that file"
        )


class HelperFailed(MagicpakError):
    """The program that asks the dynamic loader does not compile."""

    output: str

    def __str__(self) -> str:
        return (
            "Error happened during the compilation of library resolver: "
            f"{self.output or 'the compiler said nothing'}"
        )


class WillNotStart(MagicpakError):
    """A program of the bundle needs what its loader will not find there."""

    path: str
    name: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.path} would not start in the bundle: {self.name}: {self.reason}; "
            f"--include what is missing, or --exclude {self.path}"
        )

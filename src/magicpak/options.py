"""What the user asks for: the options of the command as values, and which do not go together."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, fields

from magicpak.errors import Unsupported

USED_BY = {
    ("test",): (
        "test_command", "test_stdin", "test_stdout", "test_env", "test_timeout", "busybox",
    ),
    ("dynamic",): (
        "dynamic_arg", "dynamic_stdin", "dynamic_run", "dynamic_timeout", "dynamic_command",
        "dynamic_wait_for", "dynamic_allow_failure", "dynamic_script",
    ),
    ("dynamic", "test"): ("strace",),
    ("compress",): ("upx_arg", "upx"),
}  # fmt: skip
"""Which options only others, of which one is enough, make use of."""


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True, slots=True)
class Options:
    """What to bundle, and how; the fields are the options of the command."""

    inputs: tuple[str, ...]
    output: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    package: tuple[str, ...] = ()
    with_data: tuple[str, ...] = ()
    """``--with``: kinds of run-time data, ``NAME`` or ``NAME=VALUE,VALUE``."""
    without: tuple[str, ...] = ()
    mkdir: tuple[str, ...] = ()
    install_to: str | None = None
    dry_run: bool = False
    """Neither test nor write the bundle."""
    report: str | None = None
    """Where to write what is in the bundle, as JSON; ``-`` for stdout."""
    sbom: tuple[str, ...] = ()
    """Where to write what is in the bundle for scanners: ``NAME.cdx.json``, ``NAME.spdx.json``."""
    explain: bool = False
    """Whether the caller shows what is in the bundle, and why."""
    merged_usr: bool = False
    test: bool = False
    test_command: str | None = None
    test_stdin: str | None = None
    test_stdout: str | None = None
    test_env: tuple[str, ...] = ()
    """``NAME=VALUE`` each."""
    test_timeout: float = 60
    """Seconds."""
    dynamic: bool = False
    dynamic_arg: tuple[str, ...] = ()
    dynamic_stdin: str | None = None
    dynamic_run: tuple[str, ...] = ()
    """Further runs, each with these arguments, quoted as in a shell."""
    dynamic_timeout: float | None = None
    """Seconds after which a run ends, as a success."""
    dynamic_command: str | None = None
    dynamic_wait_for: str | None = None
    dynamic_allow_failure: bool = False
    dynamic_script: str | None = None
    """A command for ``sh -c`` that starts the inputs, instead of a run of each."""
    dynamic_log: tuple[str, ...] = ()
    """Logs of runs made elsewhere; with any, nothing is run."""
    user: str | None = None
    """``NAME|UID[:GROUP|GID]``: who runs the traced runs and the test."""
    compress: bool = False
    upx_arg: tuple[str, ...] = ()
    busybox: str = "busybox"
    upx: str = "upx"
    strace: str = "strace"
    cc: str | None = None
    """None for ``cc``, which may be missing."""
    sysroot: str | None = None
    """A directory that stands for ``/``; nothing of it is run."""
    noload_resolver: bool = False

    def __post_init__(self) -> None:
        """Take paths and sequences of any kind. Raises TypeError for a text instead of several."""
        for field in fields(self):
            value = getattr(self, field.name)
            if str(field.type).startswith("tuple"):
                if isinstance(value, str | bytes | os.PathLike):
                    raise TypeError(f"{field.name} takes several: give ({value!r},)")
                object.__setattr__(self, field.name, tuple(map(os.fsdecode, value)))
            elif isinstance(value, os.PathLike):
                object.__setattr__(self, field.name, os.fsdecode(value))

    def check(self) -> None:
        """Refuse before any work what cannot be done. Raises Unsupported."""
        if not self.inputs:
            raise Unsupported("nothing is to be bundled; name an executable")
        self.runs()
        if self.dynamic and not self.dynamic_log and self.dynamic_script is not None:
            self._check_script()
        for argument in self.upx_arg if self.compress else ():
            # -o FILE, also at the end of several in one, and --output, which may be shortened.
            if re.match(r"-[^-]*o|--ou", argument):
                raise Unsupported(
                    f"--upx-arg {argument} makes upx write to another file than that of the "
                    f"bundle; leave it out"
                )
        if self.sysroot is not None:
            if not os.path.isdir(self.sysroot):
                raise Unsupported(f"--sysroot {self.sysroot} is not a directory")
            if self.dynamic and not self.dynamic_log:
                raise Unsupported("--dynamic runs nothing below --sysroot; give it a --dynamic-log")
        if self.explain and self.report == "-":
            raise Unsupported("--explain and --report - both write to stdout; give a file's name")
        for setting in self.test_env:
            if not setting.partition("=")[1]:
                raise Unsupported(f"--test-env {setting} sets nothing; give NAME=VALUE")

    def without_effect(self) -> list[str]:
        """Say which options nothing makes use of: no error, as in 1.4.0, but worth a warning."""
        defaults = {field.name: field.default for field in fields(self)}
        idle = []
        for users, names in USED_BY.items():
            logged = "dynamic" in users and self.dynamic_log
            if any(getattr(self, user) for user in users if not (logged and user == "dynamic")):
                continue
            why = "with --dynamic-log" if logged else f"without {' or '.join(map(_option, users))}"
            given = [name for name in names if getattr(self, name) != defaults[name]]
            idle += [f"{_option(name)} has no effect {why}" for name in given]
        if self.test and self.dry_run:
            idle.append("--test has no effect with --dry-run")
        if self.without and "auto" not in self.with_data:
            idle.append("--without has no effect without --with auto")
        return idle

    def _check_script(self) -> None:
        """Refuse what says how the inputs are run, where a script runs them. Raises Unsupported."""
        advice = {
            "--dynamic-arg": "write the arguments into the script",
            "--dynamic-run": "run the program once more in the script",
            "--dynamic-stdin": "give it to the program in the script",
            "--dynamic-command": "run it in the script, after the server and '&'",
            "--dynamic-wait-for": "wait in the script",
        }
        for option, what in advice.items():
            if getattr(self, option.removeprefix("--").replace("-", "_")) not in (None, ()):
                raise Unsupported(f"--dynamic-script does not go with {option}; {what}")

    def runs(self) -> list[tuple[str, ...]]:
        """List the arguments of each traced run. Raises Unsupported."""
        first = [self.dynamic_arg] if self.dynamic_arg or not self.dynamic_run else []
        try:
            return first + [tuple(shlex.split(text)) for text in self.dynamic_run]
        except ValueError as e:
            raise Unsupported(f"--dynamic-run cannot be split into arguments: {e}") from e

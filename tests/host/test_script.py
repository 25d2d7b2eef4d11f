"""Scripts: the interpreter is the kernel's choice, and env's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from magicpak import Options, pack
from magicpak.errors import MagicpakError
from magicpak.host.script import ScriptFailed, interpreters

THERE = frozenset({"/bin/sh", "/usr/bin/env", "/opt/bin/tool", "/usr/bin/tool", "/usr/bin/env2"})


def run_by(head: bytes) -> tuple[str, ...] | None:
    return interpreters("/script", head, THERE.__contains__, "/opt/bin:/usr/bin")


@pytest.mark.parametrize(
    ("head", "programs"),
    [
        (b"\x7fELF", None),
        (b"# !/bin/sh\n", None),
        (b"", None),
        (b"#!/bin/sh\nexit\n", ("/bin/sh",)),
        (b"#! \t/bin/sh -e\n", ("/bin/sh",)),
        (b"#!/bin/sh", ("/bin/sh",)),
        (b"#!/usr/bin/env tool\n", ("/usr/bin/env", "/opt/bin/tool")),
        (b"#!/usr/bin/env -S tool -x\n", ("/usr/bin/env", "/opt/bin/tool")),
        (b"#!/usr/bin/env -S A=1 tool\n", ("/usr/bin/env", "/opt/bin/tool")),
        (b"#!/usr/bin/env -i /usr/bin/tool\n", ("/usr/bin/env", "/usr/bin/tool")),
        (b"#!/usr/bin/env -S -u none -i tool -x\n", ("/usr/bin/env", "/opt/bin/tool")),
        (b"#!/usr/bin/env -vS --unset none -C / tool\n", ("/usr/bin/env", "/opt/bin/tool")),
        (b"#!/usr/bin/env -Stool -x\n", ("/usr/bin/env", "/opt/bin/tool")),
        (b"#!/usr/bin/env --split-string=A=1 'tool' -x\n", ("/usr/bin/env", "/opt/bin/tool")),
        (b"#!/usr/bin/env -S tool \"\n", ("/usr/bin/env", "/opt/bin/tool")),
        (b"#!/usr/bin/env2 tool\n", ("/usr/bin/env2",)),
    ],
)
def test_the_first_line_tells_what_runs_it(head: bytes, programs: tuple[str, ...] | None) -> None:
    assert run_by(head) == programs


def test_what_only_the_path_here_finds_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    run_by(b"#!/usr/bin/env /opt/bin/tool\n")
    assert not caplog.records
    run_by(b"#!/usr/bin/env tool\n")
    assert "/script is run by /opt/bin/tool: add its directory to PATH" in caplog.text


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"#!\n", "names no interpreter"),
        (b"#!/bin/none\n", "/bin/none is not found"),
        (b"#!/usr/bin/env none\n", "none is not on PATH"),
        (b"#!/usr/bin/env -S\n", "no program for env"),
    ],
)
def test_what_cannot_run_is_an_error_that_says_why(head: bytes, reason: str) -> None:
    with pytest.raises(ScriptFailed, match=reason):
        run_by(head)


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    "line",
    ["#!/bin/sh", "#!/usr/bin/env sh", "#!/usr/bin/env -S sh -e", "#!/usr/bin/env -S -u A B=1 sh"],
)
def test_a_script_runs_in_its_bundle(tmp_path: Path, line: str) -> None:
    source = script(tmp_path / "hello", f"{line}\necho hello\n")
    out = tmp_path / "out"
    pack(Options((str(source),), str(out)))
    run = subprocess.run(
        ["env", "-i", "PATH=/usr/bin:/bin", "/usr/sbin/chroot", out, source],
        capture_output=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, b"hello\n"), run


def test_scripts_that_run_one_another_for_ever_are_an_error(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    script(one, f"#!{two}\n")
    script(two, f"#!{one}\n")
    with pytest.raises(MagicpakError, match="too many levels"):
        pack(Options((str(one),), str(tmp_path / "out")))


def test_a_missing_interpreter_is_named(tmp_path: Path) -> None:
    source = script(tmp_path / "lost", "#!/opt/nowhere/perl\n")
    with pytest.raises(MagicpakError, match="/opt/nowhere/perl is not found"):
        pack(Options((str(source),), str(tmp_path / "out")))

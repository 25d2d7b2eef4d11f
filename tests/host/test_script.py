"""Scripts: the interpreter is the kernel's choice, and env's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from magicpak import Options, pack
from magicpak.errors import MagicpakError
from magicpak.host import Host
from magicpak.host.programs import programs
from magicpak.host.script import ScriptFailed, first_line, interpreters
from support.command import failed, magicpak
from support.programs import Compile

THERE = frozenset(
    {"/bin/sh", "/usr/bin/perl", "/usr/bin/env", "/opt/bin/tool", "/usr/bin/tool", "/usr/bin/env2"}
)


def run_by(head: bytes, search: str = "/opt/bin:/usr/bin") -> tuple[str, ...] | None:
    return interpreters("/script", head, obstacle, search)


def obstacle(path: str) -> str:
    return "" if path in THERE else "is not found; install it"


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
        (b"#!/usr/bin/env -S -i /usr/bin/tool\n", ("/usr/bin/env", "/usr/bin/tool")),
        (b"#!/usr/bin/env -Stool -x\r\n", ("/usr/bin/env", "/opt/bin/tool")),
        (b"#!/bin/sh\0 -x\r\n", ("/bin/sh",)),
        (b"#!/bin/sh -x\0\r\n", ("/bin/sh",)),
        (b"#!/usr/bin/perl -w\r\n", ("/usr/bin/perl",)),
        (b"#!/bin/sh " + b"x" * 300 + b"\n", ("/bin/sh",)),
        (b"#!/bin/sh" + b" " * 300 + b"\n", ("/bin/sh",)),
        (b"#!" + b" " * 244 + b"/bin/sh\n", ("/bin/sh",)),
        (b"\xef\xbb\xbfPK", None),
        (b"\n\n", None),
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
        (b"#!", "names no interpreter"),
        (b"#! \t \n/bin/sh\n", "names no interpreter"),
        (b"#!\0/bin/sh\n", "names no interpreter"),
        (b"#!" + b" " * 300 + b"/bin/sh\n", "longer than the 255 bytes that the kernel reads"),
        (b"#!/" + b"x" * 300 + b"\n", "longer than the 255 bytes that the kernel reads"),
        (b"#!" + b"/bin/sh".rjust(254) + b"\n", "longer than the 255 bytes"),
        (b"\xef\xbb\xbf#!/bin/sh\n", "a byte order mark precedes its '#!'"),
        ("#!/bin/sh\n".encode("utf-16"), "it is UTF-16"),
        ("#!/bin/sh\n".encode("utf-16-be").join([b"\xfe\xff", b""]), "it is UTF-16"),
        (b"\n#!/bin/sh\n", "its '#!' is not at the start of the file"),
        (b"  #!/bin/sh\n", "its '#!' is not at the start of the file"),
        (b"#!/usr/bin/env tool -x\n", "passes 'tool -x' to env as one argument; .*env -S tool"),
        (b"#!/usr/bin/env -i tool\n", "passes '-i tool' to env as one argument"),
        (b"#!/usr/bin/env -i\n", "no program for env"),
        (b"#!/bin/none\n", "/bin/none is not found"),
        (b"#!/usr/bin/env none\n", "none is not on PATH"),
        (b"#!/usr/bin/env -S\n", "no program for env"),
        (b"#!/bin/sh\r\n", r"CRLF, so that the kernel looks for '/bin/sh\\r'; save it with LF"),
        (b"#!/bin/sh \r\n", r"CRLF, so that sh gets the argument '\\r'"),
        (b"#!/bin/sh -e\r\n", r"CRLF, so that sh gets the argument '-e\\r'"),
        (b"#!/usr/bin/perl\r\n", r"CRLF, so that the kernel looks for '/usr/bin/perl\\r'"),
        (b"#!/usr/bin/env tool\r\n", r"CRLF, so that env looks for 'tool\\r'"),
        (b"#!/usr/bin/env\r\n", r"CRLF, so that the kernel looks for '/usr/bin/env\\r'"),
        (b"#!\r\n", r"CRLF, so that the kernel looks for '\\r'"),
        (b"#!/bin/sh\r", r"CRLF, so that the kernel looks for '/bin/sh\\r'"),
    ],
)
def test_what_cannot_run_is_an_error_that_says_why(head: bytes, reason: str) -> None:
    with pytest.raises(ScriptFailed, match=reason):
        run_by(head)


SHOW = """
#include <stdio.h>
int main(int count, char **words) { fputs(count > 2 ? words[1] : "", stdout); return 0; }
"""
"""An interpreter that prints the argument of the first line, where the kernel gives one."""


@pytest.mark.needs("cc")
@pytest.mark.parametrize(
    "line",
    [
        "#!SHOW\n", "#!SHOW", "#! \t SHOW  \n", "#!SHOW a\n", "#!SHOW \t a b\t \n",
        "#!SHOW a\0b\n", "#!SHOW\0a\n", "#!SHOW \0a\n", "#!SHOW a\r\n", "#!SHOW " + "a" * 300,
        "#!\n", "#!", "#! \n", "#!\0\n", "#!/none\n", "#!SHOW\r\n", "#!SHOW\r",
        "#!" + "/" * 300 + "SHOW\n", "#!" + " " * 150 + "SHOW\n", "#!" + " " * 253 + "SHOW\n",
        "#!" + " " * 300 + "SHOW\n", "\n#!SHOW\n", " #!SHOW\n", "\ufeff#!SHOW\n",
        "#!DIRECTORY\n", "#!DATA\n",
    ],
)  # fmt: skip
def test_the_kernel_reads_the_first_line_as_we_do(
    tmp_path: Path, compile_c: Compile, line: str
) -> None:
    show = compile_c("perl-show", SHOW)  # a name of those that may get a carriage return
    (tmp_path / "data").touch()
    for name, target in (("SHOW", show), ("DIRECTORY", tmp_path), ("DATA", tmp_path / "data")):
        line = line.replace(name, str(target))
    path = script(tmp_path / "script", line)
    try:
        done = subprocess.run([path], capture_output=True, check=True)
    except OSError:
        with pytest.raises(ScriptFailed):
            list(programs(Host(), str(path)))
        return
    assert first_line(str(path), line.encode()) == (
        str(show), done.stdout.decode(), len(line) > 300,
    )  # fmt: skip
    assert [program for program, _ in programs(Host(), str(path))] == [str(path), str(show)]


@pytest.mark.parametrize("line", ["#!{}", "#!/usr/bin/env {}"])
def test_what_keeps_an_interpreter_from_running_is_told(tmp_path: Path, line: str) -> None:
    (tmp_path / "data").touch()
    (tmp_path / "link").symlink_to("data")
    for name, reason in (
        ("data", "is not executable; run chmod"), ("link", "is not executable; run chmod"),
        ("", "is a directory"), ("none", "is not found; install it"), ("data/x", "is not found"),
    ):  # fmt: skip
        path = script(tmp_path / "script", line.format(f"{tmp_path}/{name}") + "\n")
        with pytest.raises(ScriptFailed, match=f"its interpreter {tmp_path}/{name} {reason}"):
            list(programs(Host(), str(path)))


def test_a_relative_interpreter_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sh").symlink_to("/bin/sh")
    script(tmp_path / "run", "#!./sh\n")
    assert [path for path, _ in programs(Host(), "run")] == ["run", "./sh"]
    assert "run is run by ./sh, which is relative to the working directory" in caplog.text


def test_a_script_with_dos_line_ends_is_an_error(tmp_path: Path) -> None:
    script(tmp_path / "entry", "#!/bin/sh\r\necho\r\n")
    message = failed(magicpak("entry", "out", cwd=tmp_path))
    assert message == (
        r"The script cannot run: entry: its first line ends with CRLF, so that the kernel looks "
        r"for '/bin/sh\r'; save it with LF line ends (sed -i 's/\r$//' entry)"
    )


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
    with pytest.raises(MagicpakError, match="too many levels of script interpreters"):
        pack(Options((str(one),), str(tmp_path / "out")))


def test_a_missing_interpreter_is_named(tmp_path: Path) -> None:
    source = script(tmp_path / "lost", "#!/opt/nowhere/perl\n")
    with pytest.raises(MagicpakError, match="/opt/nowhere/perl is not found"):
        pack(Options((str(source),), str(tmp_path / "out")))

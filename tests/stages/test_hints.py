"""What scripts will look for in vain is told before a container shows it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from magicpak import Options, pack
from support.command import done, failed, magicpak

pytestmark = pytest.mark.needs("sed", "awk", "sort")


def script(path: Path, text: str, mode: int = 0o755) -> str:
    """Write a script as it stands."""
    path.write_bytes(text.encode())
    path.chmod(mode)
    return str(path)


def told(tmp_path: Path, *args: str, level: str = "Info") -> list[str]:
    """Bundle; return what is said of scripts."""
    lines = done(magicpak(*args, f"--log-level={level}", tmp_path / "out", cwd=tmp_path))
    return [line for line in lines if "commands that the bundle lacks" in line or "cannot" in line]


TEXT = "#!/bin/sh\nf() { sed -n p; }\nf | awk '{print}' | sort\nno-such-command; cd /; ./x; ls/x\n"


def test_the_commands_of_a_script_that_the_bundle_lacks_are_told(tmp_path: Path) -> None:
    script(tmp_path / "run", TEXT)
    assert told(tmp_path, "run") == [
        "info: /run names commands that the bundle lacks: awk, sed, sort; perhaps add "
        "--include /usr/bin/awk --include /usr/bin/sed --include /usr/bin/sort"
    ]


def test_what_the_bundle_has_anywhere_on_path_is_not_lacking(tmp_path: Path) -> None:
    script(tmp_path / "run", TEXT)
    (line,) = told(tmp_path, "run", "-i", "/bin/sed", "-i", "/usr/bin/awk")
    assert "lacks: sort; perhaps add --include /usr/bin/sort" in line


def test_what_the_bundle_has_all_of_is_not_told(tmp_path: Path) -> None:
    script(tmp_path / "run", TEXT)
    included = [f"--include=/usr/bin/{name}" for name in ("awk", "sed", "sort")]
    assert told(tmp_path, "run", *included) == []


def test_what_is_excluded_is_lacking(tmp_path: Path) -> None:
    script(tmp_path / "run", "#!/usr/bin/env sh\nsed p\n")
    (line,) = told(tmp_path, "run", "-i", "/usr/bin/sed", "-e", "*/sed", "-e", "*/env")
    assert "lacks: /usr/bin/env, sed; perhaps" in line


@pytest.mark.parametrize("level", ["Warn", "Error"])
def test_it_is_told_where_one_asks_for_it(tmp_path: Path, level: str) -> None:
    script(tmp_path / "run", TEXT)
    assert told(tmp_path, "run", level=level) == []


@pytest.mark.needs("perl")
def test_an_included_script_lacks_its_interpreter_too(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    script(tmp_path / "d" / "a", "#!/usr/bin/perl\nsed\n")
    script(tmp_path / "d" / "b", "#!/usr/bin/env perl\nsed\n")
    script(tmp_path / "d" / "c", "#!/bin/bash\nsed p\n")
    script(tmp_path / "d" / "data", "#!/bin/sh\nsed p\n", mode=0o644)
    lines = told(tmp_path, "/bin/true", "-i", "d")
    lacking = {"a": "/usr/bin/perl", "b": "/usr/bin/env, perl", "c": "/bin/bash, sed"}
    assert [line.partition(";")[0] for line in lines] == [
        f"info: /d/{name} names commands that the bundle lacks: {programs}"
        for name, programs in lacking.items()
    ]


@pytest.mark.parametrize("start", ["#!/bin/sh\r\n", "\ufeff#!/bin/sh\n", "#!/usr/bin/env sh -e\n"])
def test_an_included_script_that_cannot_run_is_a_warning(tmp_path: Path, start: str) -> None:
    (tmp_path / "d").mkdir()
    script(tmp_path / "d" / "good", "#!/bin/sh\n")
    script(tmp_path / "d" / "data", start, mode=0o644)
    bad = script(tmp_path / "d" / "bad", start)
    (line,) = told(tmp_path, "/bin/true", "-i", "d", level="Warn")
    assert line.startswith(f"warning: The script cannot run: {bad}: ")


def test_below_a_sysroot_its_programs_are_meant(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    for name in ("sh", "sed"):
        (root / "bin" / name).write_bytes(Path("/bin/busybox").read_bytes())
        (root / "bin" / name).chmod(0o755)
    script(root / "run", "#!/bin/sh\nsed p | awk x\n")
    with caplog.at_level(logging.INFO):
        pack(Options(("/run",), str(tmp_path / "out"), sysroot=str(root)))
    (line,) = [text for text in caplog.messages if "lacks" in text]
    assert line.endswith("lacks: sed; perhaps add --include /bin/sed")


def test_a_script_that_is_no_text_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_bytes(b"#!/bin/sh\nsed p; exit\n\0\xff\xfe" + bytes(range(256)) * 4000)
    path.chmod(0o755)
    (line,) = told(tmp_path, "run")
    assert "lacks: sed; perhaps" in line


@pytest.mark.parametrize("strace", ["strace", "/no/strace"])
def test_a_failed_test_names_the_commands_that_a_script_names(tmp_path: Path, strace: str) -> None:
    app = tmp_path / "app"
    app.write_text("#!/bin/sh\nuname -a || exit 3\n")
    app.chmod(0o755)
    error = failed(magicpak("--test", "--strace", strace, app, tmp_path / "out"))
    assert f"{app} names commands that the bundle lacks: uname; perhaps add --include" in error
    assert "/uname" in error

"""What runs a file: the kernel, or an interpreter; else an error says what the file is."""

from __future__ import annotations

from pathlib import Path

import pytest

from magicpak.elf import MalformedExecutable
from magicpak.host import Host
from magicpak.host.programs import programs
from support.command import failed, magicpak
from support.elves import Made
from support.programs import Compile

ET_NONE, ET_REL, ET_CORE, ET_LOOS = 0, 1, 4, 0xFE00


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ET_REL, "object file, which is not linked yet; link it"),
        (ET_CORE, "core dump of a process; name the program itself"),
        (ET_NONE, "has another type than ET_NONE"),
        (ET_LOOS, "has another type than 65024"),
    ],
)
def test_what_the_kernel_does_not_run_is_an_error(tmp_path: Path, kind: int, reason: str) -> None:
    path = str(Made(kind=kind).write(tmp_path / "app"))
    with pytest.raises(MalformedExecutable, match=reason) as raised:
        list(programs(Host(), path))
    assert str(raised.value).startswith(f"The executable is malformed: {path}: ")


@pytest.mark.needs("cc")
def test_an_object_file_is_an_error(tmp_path: Path, compile_c: Compile) -> None:
    compile_c("app.o", "int main(void) { return 0; }", "-c")
    message = failed(magicpak("app.o", "out", cwd=tmp_path))
    assert message.startswith("The executable is malformed: app.o: it is an object file")


@pytest.mark.needs("cc")
def test_an_interpreter_that_is_no_program_is_an_error(tmp_path: Path, compile_c: Compile) -> None:
    interpreter = compile_c("run.o", "int main(void) { return 0; }", "-c")
    interpreter.chmod(0o755)
    script = tmp_path / "script"
    script.write_text(f"#!{interpreter}\n")
    assert f"{interpreter}: it is an object file" in failed(magicpak(script, tmp_path / "out"))


@pytest.mark.needs("cc")
def test_a_shared_library_is_bundled_as_ever(tmp_path: Path, compile_c: Compile) -> None:
    library = compile_c("lib.so", "int f(void) { return 0; }", "-shared", "-fPIC")
    assert magicpak(library, tmp_path / "out").returncode == 0

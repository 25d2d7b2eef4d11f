"""What a user may not read is an error of a traced run only if the program has read it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from magicpak import trace
from magicpak.errors import IoError
from magicpak.options import Options
from magicpak.pipeline import pack
from magicpak.trace.touched import UNREAD
from support.command import paths
from support.privileges import forked, nobody
from support.programs import compile_c
from support.traces import HEAD, left_out

pytestmark = pytest.mark.needs("strace", "root", "cc")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user can write to; those of pytest are for its own user."""
    made = subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True)
    base = Path(made.stdout.strip())
    base.chmod(0o1777)
    for name in ("closed", "open"):
        (base / name).write_text("x")
    (base / "closed").chmod(0o600)
    (base / "directory").mkdir(0o700)
    yield base
    shutil.rmtree(base)


LOOKS = (
    "stat(v[1], &s)",
    "lstat(v[1], &s)",
    "access(v[1], F_OK)",
    "(stat(v[1], &s), open(v[1], O_RDONLY) >= 0)",
)


@pytest.mark.parametrize("look", LOOKS)
def test_what_a_program_only_looks_at_need_not_be_readable(place: Path, look: str) -> None:
    source = f"{HEAD} int main(int c, char **v) {{ struct stat s; return {look}; }}"
    program, closed = compile_c(place / "program", source, "-w"), place / "closed"
    scratch = place / "scratch"
    scratch.mkdir()
    scratch.chmod(0o777)
    found = forked(nobody, lambda: trace.run(str(program), [str(closed)], scratch=str(scratch)))
    assert left_out(found) == {str(closed): UNREAD}


def test_a_bundle_is_made_without_it_and_the_rest_is_there(place: Path) -> None:
    source = (
        f"{HEAD} int main(int c, char **v) {{ struct stat s; return stat(v[1], &s)"
        " || stat(v[2], &s) || open(v[3], O_RDONLY) < 0; }"
    )
    program = compile_c(place / "program", source, "-w")
    arguments = tuple(str(place / name) for name in ("closed", "directory", "open"))
    options = Options((program,), place / "out", dynamic=True, dynamic_arg=arguments,
                      noload_resolver=True)  # fmt: skip
    forked(nobody, lambda: pack(options))
    assert arguments[0] not in paths(place / "out")
    assert arguments[2] in paths(place / "out")
    assert (place / "out" / arguments[1][1:]).is_dir()


def test_what_it_executes_and_nobody_may_read_is_an_error(place: Path) -> None:
    source = f"{HEAD} int main(int c, char **v) {{ return execl(v[1], v[1], (char *) 0); }}"
    program = compile_c(place / "program", source, "-w")
    shutil.copy("/bin/true", place / "run")
    (place / "run").chmod(0o711)
    options = Options((program,), place / "out", dynamic=True, noload_resolver=True,
                      dynamic_arg=(str(place / "run"),))  # fmt: skip
    with pytest.raises(IoError, match=f"Permission denied.*{place}/run"):
        forked(nobody, lambda: pack(options))

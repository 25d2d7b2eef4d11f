"""What a traced run touched is in the bundle by the path that it took."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.command import done, magicpak
from support.programs import Compile


@pytest.mark.needs("strace", "root", "cc")
def test_a_traced_program_finds_its_files_by_the_links_it_followed(
    tmp_path: Path, compile_c: Compile
) -> None:
    """As node does with the links of pnpm: the real path of a directory, and from there on."""
    (tmp_path / "store" / "foo").mkdir(parents=True)
    (tmp_path / "store" / "data").write_text("x")
    (tmp_path / "foo").symlink_to("store/foo")
    program = compile_c(
        "app",
        "#include <limits.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
        f'int main(void) {{ char path[PATH_MAX]; if (!realpath("{tmp_path}/foo", path)) return 1;'
        'strcat(path, "/../data"); if (!fopen(path, "r")) return 2;'
        f'return fopen("{tmp_path}/foo/../data", "r") ? 0 : 3; }}',
    )
    out = tmp_path / "out"
    assert done(magicpak("-d", program, out)) == []
    assert subprocess.run(["chroot", out, program], check=False).returncode == 0

"""What a pattern matches comes with the libraries that it needs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.command import contents, done, magicpak, paths
from support.programs import FOO, USES_FOO, Compile


def test_a_pattern_that_matches_nothing_is_warned_of(tmp_path: Path) -> None:
    lines = done(
        magicpak("-i", "none*", "-i", "/etc/passwd", "-i", "", "/bin/true", "out", cwd=tmp_path)
    )
    assert lines == [f"warning: --include {shown} matches nothing" for shown in ("none*", "''")]


@pytest.mark.needs("cc")
def test_an_included_object_brings_its_libraries(tmp_path: Path, compile_c: Compile) -> None:
    library = compile_c("lib/libfoo.so", FOO, "-shared", "-fPIC")
    compile_c("plugins/deep/plugin.so", USES_FOO, "-shared", "-fPIC", f"-L{tmp_path}/lib",
              "-lfoo", f"-Wl,-rpath,{tmp_path}/lib")  # fmt: skip
    files = contents(tmp_path, "/bin/true", "-i", tmp_path / "plugins")
    assert str(library) in files


@pytest.mark.needs("cc", "root")
@pytest.mark.parametrize("pattern", ["app/bin/*", "app/bin", "link", "../*/app/bin/prog"])
def test_a_relative_pattern_finds_libraries_beside_the_program(
    tmp_path: Path, compile_c: Compile, pattern: str
) -> None:
    library = compile_c("app/lib/libfoo.so", FOO, "-shared", "-fPIC")
    compile_c("app/bin/prog", USES_FOO, f"-L{tmp_path}/app/lib", "-lfoo",
              "-Wl,-rpath,$ORIGIN/../lib")  # fmt: skip
    (tmp_path / "link").symlink_to("app/bin/prog")
    done(magicpak("-i", pattern, "/bin/true", "out", cwd=tmp_path))
    assert str(library) in paths(tmp_path / "out")
    prog = next(path for path in (tmp_path / "out").rglob("prog"))
    subprocess.run(["chroot", tmp_path / "out", f"/{prog.relative_to(tmp_path / 'out')}"],
                   check=True)  # fmt: skip

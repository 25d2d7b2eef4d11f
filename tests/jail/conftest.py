"""A bundle, the programs in it, and its test with each kind of privileges."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magicpak import jail
from magicpak.jail import plant
from support.jails import Bundle, Run
from support.privileges import NOBODY, PRIVILEGES, forked, nobody
from support.programs import Compile


@pytest.fixture
def bundle() -> Iterator[Bundle]:
    """Make a bundle, of which nothing is left but itself."""
    # Not below pytest's own directory, which only root may enter.
    top = Path(tempfile.mkdtemp(prefix="magicpak-test-"))
    try:
        yield Bundle(top)
        assert [path.name for path in top.iterdir()] == ["tree"]
        assert not plant.mount_points(str(top))
    finally:
        shutil.rmtree(top)


@pytest.fixture
def program(compile_c: Compile) -> Compile:
    """Compile a static program from the body of main()."""

    def make(name: str, body: str, *flags: str) -> Path:
        headers = (
            *("signal", "stdio", "stdlib", "unistd", "sys/mman", "sys/prctl", "sys/socket"),
            *("sys/stat", "sys/un", "sys/wait"),
        )
        source = "#define _GNU_SOURCE\n" + "".join(f"#include <{name}.h>\n" for name in headers)
        source += f"int main(int argc, char **argv) {{ (void) argc; (void) argv; {body} }}\n"
        return compile_c(name, source, *(flags or ("-static",)))

    return make


@pytest.fixture(params=PRIVILEGES)
def run(request: pytest.FixtureRequest, bundle: Bundle) -> Run:
    """Check the bundle with each kind of privileges."""

    def check(*executables: str, **options: Any) -> tuple[str, ...]:
        if request.param is nobody:
            for path in (bundle.top, *bundle.top.rglob("*")):
                os.lchown(path, NOBODY, NOBODY)
        tree = str(bundle.tree)
        result = forked(request.param, lambda: jail.check(tree, executables, **options))
        assert isinstance(result, tuple)
        return result

    return check

"""What is copied is what was planned: a file that is replaced meanwhile is never followed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from magicpak import Options, pack
from support.command import failed, listing

SWAPPED = """
import os, subprocess, sys
from magicpak import cli
from magicpak.stages import write
staged = write.emit.staged
def swap(*args):
    subprocess.run(["sh", "-c", os.environ["SWAP"]], check=True)
    return staged(*args)
write.emit.staged = swap
cli.main()
"""
"""The command during which somebody changes the files, after the last look and before the copy."""

SWAPS = {
    "a link to a secret": "ln -sf {secret} {file}",
    "a fifo": "rm {file} && mkfifo {file}",
    "a directory": "rm {file} && mkdir {file}",
    "other bytes": "echo other > {file}",
    "bytes of the same length": "sleep 0.02; printf other > {file}",
    "another file": "echo pwned > {file}.new && mv {file}.new {file}",
    "a link above it": "mv {parent} {parent}.old && ln -s {other} {parent}",
}


@pytest.mark.parametrize("how", SWAPS)
def test_a_file_that_was_replaced_is_an_error(tmp_path: Path, how: str) -> None:
    file = tmp_path / "data" / "app.conf"
    for directory in ("data", "other"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "app.conf").write_text("plain")
    secret = tmp_path / "secret"
    secret.write_text("password")
    swap = SWAPS[how].format(
        file=file, secret=secret, parent=file.parent, other=tmp_path / "other"
    )
    out = tmp_path / "out"
    run = subprocess.run(
        [sys.executable, "-c", SWAPPED, "-i", file, "/bin/true", out],
        env={**os.environ, "SWAP": swap}, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    error = failed(run)
    assert str(file) in error
    assert "during the run" in error
    assert not out.exists()
    assert not [name for name in listing(tmp_path) if name.startswith(".magicpak")]


def test_the_time_that_source_date_epoch_sets_is_not_compared(
    tmp_path: Path, compile_c: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = compile_c("app", "int main(void) { return 0; }")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    pack(Options((str(app),), str(tmp_path / "out")))
    assert os.stat(f"{tmp_path}/out{app}").st_mtime == 1


@pytest.mark.needs("root")
def test_the_mode_of_output_is_not_set_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who may write beside OUTPUT replaces it as soon as it is there."""
    out, victim = tmp_path / "out", tmp_path / "victim"
    out.mkdir()
    out.chmod(0o777)
    victim.mkdir(mode=0o700)
    rename = os.rename

    def swapped(source: str, place: str) -> None:
        rename(source, place)
        if place == str(out):
            rename(place, tmp_path / "gone")
            out.symlink_to(victim)

    monkeypatch.setattr(os, "rename", swapped)
    pack(Options(("/bin/true",), str(out)))
    assert victim.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "gone").stat().st_mode & 0o777 == 0o777
    shutil.rmtree(tmp_path / "gone")

"""Files are copied with their holes, also where the kernel cannot do it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from magicpak.output import copying
from support.packing import simple


def test_holes_stay_holes(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with open(sparse, "wb") as file:
        file.write(b"begin")
        file.seek(64 << 20)
        file.write(b"middle")
        file.truncate(512 << 20)
    simple(tmp_path / "out", include=(str(sparse),))
    copy = tmp_path / "out" / str(sparse).lstrip("/")
    assert copy.stat().st_size == 512 << 20
    assert copy.stat().st_blocks * 512 < 1 << 20
    with open(copy, "rb") as file:
        assert file.read(5) == b"begin"
        file.seek(64 << 20)
        assert file.read(10) == b"middle\0\0\0\0"


@pytest.mark.parametrize("size", [0, 1, 4096, (1 << 20) + 1, (3 << 20) + 17])
def test_files_are_copied_also_where_the_kernel_cannot_do_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    content = os.urandom(size)
    (tmp_path / "f").write_bytes(content)
    for copy_file_range in (os.copy_file_range, refuse, lambda *_: 0):
        monkeypatch.setattr(os, "copy_file_range", copy_file_range)
        monkeypatch.setattr(copying, "_refusing", set())
        counts: list[int] = []
        with open(tmp_path / "f", "rb") as source, open(tmp_path / "g", "wb") as out:
            copying.copy(source.fileno(), out.fileno(), counts.append)
        assert (tmp_path / "g").read_bytes() == content
        assert sum(counts) == size


def test_the_kernel_is_asked_once_whether_it_copies_between_two_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(*_: object) -> int:
        asked.append(1)
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr(copying, "_refusing", set())
    (tmp_path / "f").write_bytes(bytes(range(256)) * (5 << 12))
    for name in ("g", "h"):
        with open(tmp_path / "f", "rb") as source, open(tmp_path / name, "wb") as out:
            copying.copy(source.fileno(), out.fileno(), lambda _count: None)
        assert (tmp_path / name).read_bytes() == (tmp_path / "f").read_bytes()
    assert len(asked) == 1


def test_a_file_that_becomes_shorter_leaves_no_zeros_behind(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(os.urandom(3 << 20))

    def shorten(_count: int) -> None:
        os.truncate(path, 1 << 20)

    with open(path, "rb") as source, open(tmp_path / "g", "wb") as out:
        chunk, copying.CHUNK = copying.CHUNK, 1 << 20
        try:
            copying.copy(source.fileno(), out.fileno(), shorten)
        finally:
            copying.CHUNK = chunk
    assert (tmp_path / "g").read_bytes() == path.read_bytes()

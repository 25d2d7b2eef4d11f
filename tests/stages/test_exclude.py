"""An exclusion takes out what matches, and what only that brought in."""

from __future__ import annotations

from pathlib import Path

import pytest

from magicpak import MagicpakError, Options, pack
from support.command import paths
from support.packing import below, bundled, symlink, write


def test_exclude_has_the_last_word(tmp_path: Path) -> None:
    write(tmp_path / "conf" / "a")
    out = bundled(tmp_path, tmp_path / "conf", mkdir=("/made",),
                  exclude=("/bin/true", "*/conf/a", "/made"))  # fmt: skip
    assert "/bin/true" not in paths(out)
    assert not below(out, tmp_path)
    assert not (out / "made").exists()


def test_excluding_an_executable_keeps_its_libraries(tmp_path: Path) -> None:
    everything = paths(bundled(tmp_path))
    other = tmp_path / "other"
    other.mkdir()
    assert paths(bundled(other, exclude=("/bin/true",))) == everything - {"/bin/true"}


def test_a_needed_library_that_is_excluded_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = bundled(tmp_path, exclude=("*/libc.*",))
    assert "is excluded: needed by" in caplog.text
    assert not [path for path in paths(out) if "/libc." in path]


def test_an_exclusion_must_match_the_whole_path(tmp_path: Path) -> None:
    everything = paths(bundled(tmp_path))
    other = tmp_path / "other"
    other.mkdir()
    assert paths(bundled(other, exclude=("lib*", "bin/true", "/lib", "true"))) == everything


def test_the_target_of_a_kept_link_can_be_excluded(tmp_path: Path) -> None:
    write(tmp_path / "f")
    symlink(tmp_path / "l", "f")
    out = bundled(tmp_path, tmp_path / "l", exclude=("*/f",))
    assert below(out, tmp_path) == {"l"}


def test_with_an_excluded_link_goes_what_it_brought_in(tmp_path: Path) -> None:
    write(tmp_path / "f")
    write(tmp_path / "tree" / "g")
    symlink(tmp_path / "l", "f")
    symlink(tmp_path / "d", "tree")
    out = bundled(tmp_path, tmp_path / "l", tmp_path / "d", exclude=("*/l", "*/d"))
    assert below(out, tmp_path) == set()


def test_an_excluded_directory_goes_with_its_tree(tmp_path: Path) -> None:
    write(tmp_path / "conf" / "secret" / "key")
    write(tmp_path / "conf" / "f")
    out = bundled(tmp_path, tmp_path / "conf", exclude=(f"{tmp_path}/conf/secret",))
    assert below(out, tmp_path) == {"conf/f"}
    assert not (out / f"{tmp_path}/conf/secret".lstrip("/")).exists()


def test_an_invalid_pattern_is_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(MagicpakError, match="Invalid glob pattern"):
        pack(Options(("/no/such",), str(tmp_path / "out"), exclude=("a**",)))
    assert not (tmp_path / "out").exists()

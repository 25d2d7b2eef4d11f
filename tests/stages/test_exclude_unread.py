"""An exclusion says when it is idle, and what it names need not be readable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from magicpak import Options, pack
from magicpak.errors import IoError
from support.command import done, magicpak, paths
from support.privileges import drop, forked

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def test_a_pattern_that_matches_nothing_is_a_warning(tmp_path: Path) -> None:
    said = done(magicpak("-e", "/nope", "-e", "/bin/tru?", "-e=", "/bin/true", tmp_path / "out"))
    assert said == [f"warning: --exclude {text} matches nothing" for text in ("/nope", "''")]


def test_what_another_pattern_excludes_too_is_a_match(tmp_path: Path) -> None:
    excluded = ["-e", "*/libc.so*", "-e", "*/libc.*"]
    said = done(magicpak(*excluded, "/bin/true", tmp_path / "out"))
    assert not any("matches nothing" in line for line in said)


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., set[str]]:
    """Include a directory with a part that this process may not read; return what is bundled."""
    for name in ("data/ok/f", "data/secret/deep/key"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "data/secret").chmod(0)
    monkeypatch.chdir(tmp_path)

    def bundled(*exclude: str, include: tuple[str, ...] = ("data",)) -> set[str]:
        def act() -> None:
            pack(Options(("/bin/true",), "out", include=include, exclude=exclude))

        forked(lambda: drop(CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH), act)
        return {path for path in paths(tmp_path / "out") if "data" in path}

    return bundled


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    "pattern", ["/data/secret", "*/secret", "*/secret/*", "/data/secret/**", "/data/s?cret*"]
)
def test_an_unreadable_directory_that_is_excluded_is_no_error(
    bundled: Callable[..., set[str]], pattern: str
) -> None:
    assert bundled(pattern) == {"/data/ok/f"}


@pytest.mark.needs("root")
@pytest.mark.parametrize("include", [("data",), ("data/**",), ("data/*",), ("data/secret/",)])
@pytest.mark.parametrize("exclude", [(), ("/data/secret/deep",), ("/data/secret/d*",)])
def test_an_unreadable_directory_that_stays_is_an_error(
    bundled: Callable[..., set[str]], include: tuple[str, ...], exclude: tuple[str, ...]
) -> None:
    with pytest.raises(IoError, match=r"denied .*: data/secret: .* --exclude '/data/secret'"):
        bundled(*exclude, include=include)


@pytest.mark.needs("root")
def test_an_absolute_pattern_behaves_as_a_relative_one(
    bundled: Callable[..., set[str]], tmp_path: Path
) -> None:
    assert len(bundled("*/secret", include=(str(tmp_path / "data"),))) == 1


@pytest.mark.needs("root")
def test_what_lies_behind_a_link_is_held_against_its_place(
    bundled: Callable[..., set[str]], tmp_path: Path
) -> None:
    (tmp_path / "way").symlink_to("data")
    assert bundled("/data/secret", include=("way/ok", "way/secret", "way")) == {"/data/ok/f"}

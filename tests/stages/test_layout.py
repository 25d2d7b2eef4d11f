"""Executables and links that want the same path: the executable stays, and it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from magicpak import Options, pack
from magicpak.plan import PlaceTaken
from support.command import done, magicpak


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a file, and a link to the directory, to be included."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").write_text("another file")
    (tmp_path / "way").symlink_to("real")
    return tmp_path


def test_an_executable_below_a_link_is_where_that_leads_and_it_is_said(links: Path) -> None:
    said = done(magicpak("-i", "way", "-r", "/way/app", "/bin/true", "out", cwd=links))
    assert said == [
        "warning: --install-to /way/app is below a link: /way -> real (included by way); "
        "the executable is in /real"
    ]
    assert (links / "out" / "real" / "app").read_bytes() == Path("/bin/true").read_bytes()
    assert (links / "out" / "way").is_symlink()


def test_a_directory_to_install_to_may_be_a_link(links: Path) -> None:
    said = done(magicpak("-i", "way", "-r", "/way/", "/bin/true", "/bin/false", "out", cwd=links))
    assert len(said) == 2
    assert {"true", "false", "x"} == {path.name for path in (links / "out" / "real").iterdir()}


def test_a_link_at_the_path_itself_gives_way_and_it_is_said(links: Path) -> None:
    said = done(magicpak("-i", "way", "-r", "/way", "/bin/true", "out", cwd=links))
    assert len(said) == 1
    assert "/way: the link (included by way)" in said[0]
    assert not (links / "out" / "way").is_symlink()
    assert (links / "out" / "way").read_bytes() == Path("/bin/true").read_bytes()


def test_what_is_at_the_end_of_the_link_gives_way_to_the_executable(links: Path) -> None:
    (line, _) = done(magicpak("-i", "way", "-r", "/way/x", "/bin/true", "out", cwd=links))
    assert line.startswith("warning: /real/x: ")
    assert line.endswith("(input /bin/true)")
    assert (links / "out" / "real" / "x").read_bytes() == Path("/bin/true").read_bytes()


def test_two_executables_at_the_end_of_a_link_are_an_error(links: Path) -> None:
    (links / "real" / "app").write_bytes(Path("/bin/true").read_bytes())
    (links / "real" / "app").chmod(0o755)
    (links / "way2").symlink_to("real")
    (links / "sub").mkdir()
    (links / "sub" / "app").write_bytes(Path("/bin/false").read_bytes())
    (links / "sub" / "app").chmod(0o755)
    with pytest.raises(PlaceTaken):
        pack(Options(("way/app", "sub/app"), "out", include=("way",), install_to="/way/"))


def test_the_same_file_on_both_ways_is_no_conflict(links: Path) -> None:
    (links / "real" / "app").write_bytes(Path("/bin/true").read_bytes())
    (links / "real" / "app").chmod(0o755)
    assert done(magicpak("-i", "way", "way/app", "out", cwd=links)) == []
    assert (links / "out" / "real" / "app").exists()


def test_a_layout_that_is_asked_for_is_no_warning(tmp_path: Path) -> None:
    for options in (["--merged-usr", "-r", "/bin/app"], ["-r", "/opt/app"]):
        out = tmp_path / options[-1].replace("/", "-")
        assert done(magicpak(*options, "/bin/true", out)) == []

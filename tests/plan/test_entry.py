"""Paths of the bundle, which never leave it, and the reasons for what is there."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicpak.plan import (
    BundlePath,
    File,
    Meta,
    Origin,
    Why,
)


@pytest.mark.parametrize(("given_path", "path"), [
    ("bin/app", "/bin/app"),
    ("/bin/app", "/bin/app"),
    ("../../bin/true", "/bin/true"),
    ("/../../etc", "/etc"),
    ("a/../../b", "/b"),
    ("//a//b/./c/", "/a/b/c"),
    ("..", "/"),
    ("", "/"),
    ("///", "/"),
])  # fmt: skip
def test_a_bundle_path_never_leaves_the_bundle(given_path: str, path: str) -> None:
    assert BundlePath(given_path) == path


@given(st.text("ab./", max_size=20))
def test_no_text_makes_a_bundle_path_with_parents_in_it(text: str) -> None:
    path = BundlePath(text)
    assert path.startswith("/")
    assert ".." not in path.split("/")
    assert BundlePath(path) == path
    assert posixpath.join("/out", path.lstrip("/")).startswith("/out")


def test_the_parents_of_a_path_go_up_to_below_the_root() -> None:
    assert list(BundlePath("/a/b/c").parents()) == ["/a/b", "/a"]
    assert list(BundlePath("/a").parents()) == []
    assert BundlePath("/a").parent == "/"


def test_a_link_leads_from_where_it_lies() -> None:
    assert BundlePath("/usr/bin/a").target("../lib/b") == "/usr/lib/b"
    assert BundlePath("/usr/bin/a").target("/opt/b") == "/opt/b"
    assert BundlePath("/bin/a").target("../../../etc/b") == "/etc/b"


def test_an_origin_reads_as_a_reason() -> None:
    assert str(Origin(Why.NEEDED, "/bin/app")) == "needed by /bin/app"
    assert str(Origin(Why.MKDIR)) == "made by --mkdir"


def test_files_whose_content_stands_for_another_are_stored_apart() -> None:
    one, other = (File(f"/{name}", (1, name), 0, Meta(0o600, name)) for name in (1, 2))
    emptied = [file._replace(content=b"") for file in (one, other)]
    assert emptied[0].stored != emptied[1].stored
    assert emptied[0].stored == emptied[0]._replace(source="/link").stored

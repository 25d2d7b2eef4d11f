"""What include and exclude patterns match, by value."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from magicpak.plan.patterns import InvalidPattern, exclude, include


@pytest.mark.parametrize(("pattern", "path"), [
    ("*pcre*", "/lib/x86_64-linux-gnu/libpcre2-8.so.0"),
    ("/lib/*", "/lib/x86_64-linux-gnu/libc.so.6"),
    ("*", "/a/b"),
    ("/?in/true", "/bin/true"),
    ("/bin?true", "/bin/true"),
    ("/bin/[rst]rue", "/bin/true"),
    ("/bin/[!a-s]rue", "/bin/true"),
    ("/etc/.*", "/etc/.pwd.lock"),
    ("/etc/*", "/etc/.pwd.lock"),
    ("/**/x", "/x"),
    ("/**/x", "/a/b/x"),
    ("/a/**/x", "/a/x"),
    ("/a/**/x", "/a/b/c/x"),
    ("**", "/a/b"),
    ("/a/**", "/a/b/c"),
    ("/a/**/", "/a/b/c"),
    ("**/", "/a/b"),
    ("/a/[[]b", "/a/[b"),
    ("/a/[]]b", "/a/]b"),
    ("/a/[!]]b", "/a/[b"),
    ("/a/[*]", "/a/*"),
    ("/a/[**]", "/a/*"),
    ("/a/[a-]", "/a/-"),
    ("/a/[-a]", "/a/-"),
    ("/a/[^a]", "/a/^"),
    ("/a/b]", "/a/b]"),
    ("/a\\*", "/a\\b"),
    ("*\n*", "/a\nb"),
    ("/a*c", "/a\nb\nc"),
    ("*\udcff", "/non\udcff"),
    ("/non?", "/non\udcff"),
    ("/a b*", "/a b c"),
    ("/a.b", "/a.b"),
    ("/{a,b}", "/{a,b}"),
])  # fmt: skip
def test_an_exclude_pattern_matches_the_whole_path(pattern: str, path: str) -> None:
    assert exclude(pattern)(path)


@pytest.mark.parametrize(("pattern", "path"), [
    ("lib*", "/lib/libc.so.6"),
    ("pcre", "/libpcre.so"),
    ("/lib", "/lib/libc.so.6"),
    ("/bin/true", "/bin/true2"),
    ("bin/true", "/bin/true"),
    ("", "/a"),
    ("/bin/TRUE", "/bin/true"),
    ("/bin/[!t]rue", "/bin/true"),
    ("/bin/[z-a]rue", "/bin/true"),
    ("/a.b", "/axb"),
    ("/a+", "/aa"),
    ("/a/**/x", "/a/bx"),
    ("/bin/true", "/bin/true\n"),
])  # fmt: skip
def test_an_exclude_pattern_matches_nothing_else(pattern: str, path: str) -> None:
    assert not exclude(pattern)(path)


@pytest.mark.parametrize("pattern", ["***", "/a/***/b", "a**", "**a", "/a/b**/c", "[", "/x/[abc",
                                     "[]", "[!]", "/a[/b"])  # fmt: skip
def test_what_1_4_0_calls_invalid_is_invalid(pattern: str) -> None:
    for read in (include, exclude):
        with pytest.raises(InvalidPattern) as raised:
            read(pattern)
        assert str(raised.value).startswith("Invalid glob pattern: ")
        assert pattern in str(raised.value)


def test_the_error_tells_where() -> None:
    with pytest.raises(InvalidPattern) as raised:
        include("/ok/a**")
    assert raised.value.position == 5


def test_an_include_pattern_is_matched_by_component() -> None:
    pattern = include("/etc//conf.d/*.[ch]/x")
    assert pattern.absolute
    assert [c.literal for c in pattern.components] == ["etc", "conf.d", None, "x"]
    wild = pattern.components[2]
    assert wild.matches(".hidden.c")
    assert not wild.matches("x.o")


def test_a_slash_in_a_class_separates_nothing() -> None:
    assert len(include("a[/]b").components) == 1


def test_a_relative_pattern_is_relative() -> None:
    assert not include("conf/*").absolute
    assert include("**/x").components[0].recursive


def test_recursion_in_a_row_is_one() -> None:
    texts = [component.text for component in include("/**/**/a/**/**/**/b/**").components]
    assert texts == ["**", "a", "**", "b", "**"]


def test_many_stars_take_no_time() -> None:
    assert not exclude("/" + "*a" * 12 + "b")("/" + "a" * 200)


def by_definition(pattern: str, path: str) -> bool:
    """Match in the simplest way, trying everything."""
    if not pattern:
        return not path
    if pattern in ("**", "**/"):
        return True
    rests = range(len(path) + 1)
    if pattern.startswith("**/"):
        starts = (k for k in rests if k == 0 or path[k - 1] == "/")
        return any(by_definition(pattern[3:], path[k:]) for k in starts)
    if pattern[0] == "*":
        stars = 2 if pattern.startswith("**") else 1
        return any(by_definition(pattern[stars:], path[k:]) for k in rests)
    same = path != "" and pattern[0] in ("?", path[0])
    return same and by_definition(pattern[1:], path[1:])


TOKENS = ["*", "?", "a", "b", "/", "/**/"]


@given(st.lists(st.sampled_from(TOKENS), max_size=6), st.text("ab/", max_size=7))
@example(["/**/"], "a")
def test_wildcards_match_as_they_are_defined(tokens: list[str], text: str) -> None:
    pattern = "/" + "".join(tokens)
    try:
        matches = exclude(pattern)
    except InvalidPattern:
        return
    assert matches("/" + text) == by_definition(pattern, "/" + text)

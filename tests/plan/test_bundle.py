"""The plan, by value: order, conflicts, exclusion, links, times."""

from __future__ import annotations

import pytest

from magicpak.plan import (
    BelowFile,
    Bundle,
    BundlePath,
    Origin,
    PlaceTaken,
    Why,
)
from support.plans import GLOB, INPUT, directory, file, link, listed, placed, plan


def test_entries_are_in_the_order_of_their_paths_whatever_the_order_of_adding() -> None:
    paths = ["/b", "/a/b", "/a-b", "/a", "/a/b/c"]
    entries = [placed(p, directory() if p in ("/a", "/a/b") else file()) for p in paths]
    expected = ["/a", "/a/b", "/a/b/c", "/a-b", "/b"]
    assert listed(Bundle().add(entries)) == listed(Bundle().add(entries[::-1])) == expected


def test_the_root_is_no_entry() -> None:
    assert listed(Bundle().add([placed("/", directory())])) == []


def test_an_entry_keeps_all_its_reasons_once() -> None:
    bundle = Bundle().add([placed("/a", file(), origin) for origin in (INPUT, GLOB, INPUT)])
    item = bundle.get(BundlePath("/a"))
    assert item is not None
    assert item.origins == (INPUT, GLOB)
    assert item.because(Why.MKDIR, Why.INPUT)
    assert not item.because(Why.MKDIR)


def test_the_first_entry_at_a_path_stays(caplog: pytest.LogCaptureFixture) -> None:
    bundle = Bundle().add([placed("/a", file(1), GLOB), placed("/a", file(2), GLOB)])
    item = bundle.get(BundlePath("/a"))
    assert item is not None
    assert item.entry == file(1)
    assert "/a: the file (included by *) is ignored" in caplog.text


def test_the_same_file_twice_is_no_conflict(caplog: pytest.LogCaptureFixture) -> None:
    Bundle().add([placed("/a", file(1), GLOB), placed("/a", file(1), INPUT)])
    assert caplog.text == ""


def test_two_inputs_at_one_path_are_an_error_that_names_both() -> None:
    other = Origin(Why.INPUT, "other")
    with pytest.raises(PlaceTaken) as raised:
        Bundle().add([placed("/a", file(1)), placed("/a", file(2), other)])
    text = str(raised.value)
    assert "input app" in text
    assert "input other" in text
    assert "'/'" in text


def test_two_inputs_of_one_name_do_not_go_into_one_directory() -> None:
    one, two = Origin(Why.INPUT, "/a/app"), Origin(Why.INPUT, "/b/app")
    with pytest.raises(PlaceTaken, match="in a separate run"):
        Bundle().add([placed("/bin/app", file(1), one), placed("/bin/app", file(2), two)])


@pytest.mark.parametrize("why", [Why.NEEDED, Why.INTERPRETER])
def test_an_input_must_not_take_the_place_of_what_it_needs(why: Why) -> None:
    with pytest.raises(PlaceTaken, match="--install-to"):
        Bundle().add([placed("/lib/x", file(1)), placed("/lib/x", file(2), Origin(why, "app"))])


def test_exclusion_removes_what_matches() -> None:
    bundle = plan(__a=file(1), __b=file(2)).without(lambda path: path == "/a")
    gone = bundle.excluded
    assert (listed(bundle), listed(gone)) == (["/b"], ["/a"])


def test_with_a_link_goes_what_only_it_brought_in() -> None:
    bundle = Bundle().add([
        placed("/l1", link("l2")),
        placed("/l2", link("f"), Origin(Why.LINK, "/l1")),
        placed("/f", file(1), Origin(Why.LINK, "/l2")),
        placed("/m", link("g")),
        placed("/g", file(2), Origin(Why.LINK, "/m")),
        placed("/g", file(2), GLOB),
    ])
    kept = bundle.without(lambda path: path in ("/l1", "/m"))
    gone = kept.excluded
    assert listed(kept) == ["/g"]
    assert listed(gone) == ["/f", "/l1", "/l2", "/m"]


def test_the_target_of_a_kept_link_can_go() -> None:
    bundle = Bundle().add([
        placed("/l", link("f")), placed("/f", file(1), Origin(Why.LINK, "/l")),
    ])  # fmt: skip
    kept = bundle.without(lambda path: path == "/f")
    assert listed(kept) == ["/l"]


def test_with_an_included_directory_goes_its_tree() -> None:
    bundle = Bundle().add(
        placed(path, entry, GLOB)
        for path, entry in [("/d", directory()), ("/d/e", directory()), ("/d/e/f", file())]
    )
    assert listed(bundle.without(lambda path: path == "/d")) == []
    assert listed(bundle.without(lambda path: path == "/d/e")) == ["/d"]


def test_excluding_what_only_holds_others_removes_nothing() -> None:
    bundle = plan(__usr__bin__app=file())
    assert listed(bundle.without(lambda path: path == "/usr")) == ["/usr/bin/app"]


def test_a_circle_of_links_brought_in_by_an_excluded_one_goes() -> None:
    bundle = Bundle().add([
        placed("/a", link("b")),
        placed("/b", link("c"), Origin(Why.LINK, "/a")),
        placed("/c", link("b"), Origin(Why.LINK, "/b")),
    ])
    assert listed(bundle.without(lambda path: path == "/a")) == []


def test_nothing_can_lie_below_a_file() -> None:
    bundle = plan(__lib=file(1), __lib__a__libc=file(2))
    with pytest.raises(BelowFile) as raised:
        bundle.without(lambda _: False)
    assert "/lib/a/libc" in str(raised.value)
    assert "/lib (input app)" in str(raised.value)
    assert listed(bundle.without(lambda path: path == "/lib")) == ["/lib/a/libc"]


def test_what_lies_below_a_link_moves_to_where_it_leads() -> None:
    bundle = plan(__lib=link("usr/lib"), __lib__x__libc=file()).settled()
    assert listed(bundle) == ["/lib", "/usr/lib/x/libc"]


def test_what_lies_below_a_chain_of_links_moves_to_its_end() -> None:
    bundle = plan(
        __a=link("/b"), __b=link("c/d"), __a__f=file(1), __b__g=file(2), __c__d__h=file(3)
    ).settled()
    assert listed(bundle) == ["/a", "/b", "/c/d/f", "/c/d/g", "/c/d/h"]


def test_what_lies_below_a_link_to_nowhere_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    bundle = plan(__a=link("b"), __b=link("a"), __a__f=file()).settled()
    assert listed(bundle) == ["/a", "/b"]
    assert "/a/f is left out" in caplog.text


def test_a_plan_without_links_on_the_way_is_settled() -> None:
    bundle = plan(__a__f=file(), __b=link("a"))
    assert bundle.settled() is bundle


@pytest.mark.parametrize(("path", "end"), [
    ("/usr/lib/libc", "/usr/lib/libc"),
    ("/lib/libc", "/usr/lib/libc"),
    ("/lib/../lib/libc", "/usr/lib/libc"),
    ("/lib/..", "/usr"),
    ("/../lib/./libc", "/usr/lib/libc"),
    ("/abs/libc", "/usr/lib/libc"),
    ("/lib", "/usr/lib"),
    ("/", "/"),
    ("/up", "/usr/lib/libc"),
    ("/lib/none", None),
    ("/usr/lib/libc/x", None),
    ("/usr/lib/libc/..", None),
    ("/circle", None),
    ("/nowhere", None),
])  # fmt: skip
def test_links_are_followed_as_path_resolution_tells(path: str, end: str | None) -> None:
    bundle = plan(
        __lib=link("usr/lib"), __abs=link("/lib"), __usr__lib__libc=file(),
        __circle=link("circle"), __nowhere=link("gone"), __up=link("../../lib/libc"),
    )  # fmt: skip
    assert bundle.resolve(path) == end


def test_a_missing_end_is_taken_to_be_made_where_asked() -> None:
    bundle = plan(__lib=link("usr/lib"), __usr__lib__libc=file())
    assert bundle.resolve("/lib/new", final=True) == "/usr/lib/new"


def test_the_scaffold_is_the_directories_without_an_entry() -> None:
    bundle = plan(__a__b__f=file(), __a=directory(), __c=directory())
    assert bundle.scaffold() == ["/a/b"]


def test_directories_that_a_link_passes_are_of_the_scaffold() -> None:
    bundle = plan(__bin__app=link("../lib/x86/../app"), __lib__app=file())
    assert bundle.scaffold() == ["/bin", "/lib", "/lib/x86"]
    assert bundle.add(placed(p, directory()) for p in bundle.scaffold()).resolve("/bin/app")


def test_a_passed_directory_is_not_made_in_the_place_of_a_link() -> None:
    bundle = plan(__bin__app=link("/lib/x/../app"), __lib=link("usr/lib"), __usr__lib__app=file())
    assert bundle.scaffold() == ["/bin", "/usr", "/usr/lib", "/usr/lib/x"]


def test_a_directory_has_the_time_of_its_newest_entry() -> None:
    bundle = plan(
        __a__b=directory(mtime=99), __a=directory(mtime=99),
        __a__b__old=file(1, mtime=3), __a__b__new=link("old", mtime=5),
        __kept=directory(mtime=7, dated=True), __kept__f=file(mtime=9), __none=directory(mtime=8),
    ).timed()  # fmt: skip
    times = {str(path): item.entry.meta.mtime for path, item in bundle}
    assert times == {
        "/a": 5, "/a/b": 5, "/a/b/old": 3, "/a/b/new": 5, "/kept": 7, "/kept/f": 9, "/none": 0,
    }  # fmt: skip


def test_no_time_is_later_than_the_latest() -> None:
    bundle = plan(__a__f=file(mtime=9), __a__g=file(2, mtime=3), __a=directory()).timed(5)
    assert [item.entry.meta.mtime for _, item in bundle] == [5, 5, 3]

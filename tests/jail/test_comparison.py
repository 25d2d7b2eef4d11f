"""A comparison piece by piece says what a comparison of the whole says."""

from __future__ import annotations

import os

from hypothesis import example, given
from hypothesis import strategies as st

from magicpak.jail.comparison import Comparison

TEXT = st.text(st.sampled_from("ab \n\t\u2003\u00e4\udcff\x1f"), max_size=12)


@given(TEXT, TEXT, st.lists(st.integers(0, 30), max_size=4))
@example(" a b\n", "a b", [1, 2, 2, 4])
@example("a  ", "a b", [2])
@example("  ", "", [1])
def test_the_pieces_do_not_matter(printed: str, expected: str, cuts: list[int]) -> None:
    whole = os.fsencode(printed)
    comparison = Comparison(expected)
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(whole)], strict=True):
        if whole[begin:end]:
            comparison.add(whole[begin:end])
    comparison.add(b"")
    assert comparison.got == os.fsdecode(whole).strip()
    assert comparison.equal == (comparison.got == comparison.expected)
    assert comparison.expected == expected.strip()


def test_a_difference_after_much_white_space_counts() -> None:
    comparison = Comparison("a")
    for piece in (b"a", b" " * 100_000, b"b", b""):
        comparison.add(piece)
    assert not comparison.equal
    assert len(comparison.got) < 100_000

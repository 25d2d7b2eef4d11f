"""What is read of a page, as values."""

from __future__ import annotations

from magicpak.manual.markdown import Block, Code, Item, Paragraph, Title, blocks, spans


def read(*lines: str) -> list[Block]:
    return list(blocks("\n".join(lines)))


def test_lines_of_a_paragraph_are_one_text() -> None:
    assert read("# Title", "", "One", "two.", "", "Three.") == [
        Title("Title", 1), Paragraph("One two."), Paragraph("Three."),
    ]  # fmt: skip


def test_entries_of_a_list_may_have_several_lines() -> None:
    assert read("- one", "  two", "- three - four") == [Item("one two"), Item("three - four")]


def test_a_row_of_a_table_is_named_by_its_first_cell() -> None:
    table = ("| a | b | c |", "| --- | --- | --: |", "| `x|y` | 1 | 2 |")
    assert read(*table) == [Item("b, c", "a"), Item("1, 2", "`x|y`")]


def test_code_is_left_as_it_is() -> None:
    assert read("```sh", "# no title", "", "  - none", "```") == [Code("# no title\n\n  - none")]
    assert read("Text:", "```", "code", "```", "more") == [
        Paragraph("Text:"), Code("code"), Paragraph("more"),
    ]  # fmt: skip


def test_pieces_of_a_text_have_their_style_and_links_their_words() -> None:
    text = "a `*b*` **c** *d* [e `f`](g.md) [h] i*j"
    styled = [(style, words) for style, words in spans(text) if words]
    assert styled == [
        ("", "a "), ("code", "*b*"), ("", " "), ("strong", "c"), ("", " "), ("emphasis", "d"),
        ("", " "), ("", "e `f`"), ("", " [h] i*j"),
    ]  # fmt: skip

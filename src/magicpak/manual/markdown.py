"""Read Markdown, as much of it as the pages of the manual use. Pure."""

import re
from collections.abc import Iterator
from typing import NamedTuple


class Title(NamedTuple):
    """A heading; those of level 1 begin a section."""

    text: str
    level: int = 1


class Paragraph(NamedTuple):
    """Running text."""

    text: str


class Item(NamedTuple):
    """An entry of a list: after a bullet, or where it has a name, after that."""

    text: str
    name: str = ""


class Code(NamedTuple):
    """Lines that are shown as they are."""

    text: str


Block = Title | Paragraph | Item | Code

STYLES = {"`": "code", "**": "strong", "*": "emphasis"}
SPAN = re.compile(r"(`)([^`]+)`|(\*\*?)([^*]+)\3|\[([^]]+)\]\([^)]+\)")


def blocks(text: str) -> Iterator[Block]:
    """Yield what a text is made of. Each row of a table is an entry, named by its first cell."""
    lines: list[str] = []
    code = False
    for line in [*text.splitlines(), ""]:
        fence = line.startswith("```")
        if (line or code) and not fence:
            lines.append(line)
            continue
        if lines:
            yield from [Code("\n".join(lines))] if code else _part(lines)
        lines = []
        code ^= fence


def _part(lines: list[str]) -> Iterator[Block]:
    text = "\n".join(lines)
    if text.startswith("#"):
        marks, _, title = text.partition(" ")
        yield Title(title, len(marks))
    elif text.startswith("|"):
        for line in lines:
            name, *cells = line.strip("| ").split(" | ")
            if set(name) != {"-"}:
                yield Item(", ".join(cells), name)
    elif text.startswith("- "):
        for entry in re.split(r"^- ", text, flags=re.MULTILINE)[1:]:
            yield Item(" ".join(entry.split()))
    else:
        yield Paragraph(" ".join(text.split()))


def spans(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a text, each with its style: code, strong, emphasis, or none.

    Of a link, its words are left.
    """
    end = 0
    for found in SPAN.finditer(text):
        yield "", text[end : found.start()]
        mark, code, star, starred, words = found.groups()
        yield STYLES.get(mark or star or "", ""), code or starred or words
        end = found.end()
    yield "", text[end:]

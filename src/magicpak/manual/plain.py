"""Write the manual as plain text, for a terminal where there may be no man(1). Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from magicpak.manual.markdown import Block, Code, Item, Title, spans

INDENT = "  "


def write(blocks: Iterable[Block], width: int) -> str:
    """Return the text, in lines of at most ``width`` characters but for code."""
    return "\n".join(line for block in blocks for line in _block(block, width)) + "\n"


def _block(block: Block, width: int) -> Iterator[str]:
    if isinstance(block, Title):
        yield _words(block.text) if block.level == 1 else f"{INDENT}{_words(block.text)}:"
    elif isinstance(block, Code):
        yield textwrap.indent(block.text, 2 * INDENT)
    elif isinstance(block, Item):
        yield from _filled(block.name or f"- {block.text}", width, INDENT, 2 * INDENT)
        yield from _filled(block.text if block.name else "", width, 3 * INDENT, 3 * INDENT)
    else:
        yield from _filled(block.text, width, INDENT, INDENT)
    yield ""


def _filled(text: str, width: int, first: str, further: str) -> list[str]:
    return textwrap.wrap(
        _words(text), width, initial_indent=first, subsequent_indent=further,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _words(text: str) -> str:
    return "".join(words for _, words in spans(text))

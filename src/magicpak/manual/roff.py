"""Write the manual as man(7) has it, for man(1) and its like. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from magicpak.manual.markdown import Block, Code, Item, Paragraph, Title, spans

FONTS = {"code": "B", "strong": "B", "emphasis": "I"}

SIGNS = {"\\": r"\[rs]", "-": r"\-", "'": r"\[aq]", "`": r"\[ga]", "^": r"\[ha]", "~": r"\[ti]"}
"""What groff would write as a sign of typesetting, and nobody could paste into a shell."""


def write(blocks: Iterable[Block], version: str) -> str:
    """Return the source of the page, in ASCII. It has no date, but the version."""
    head = f'.TH MAGICPAK 1 "" "magicpak {version}" "User Commands"'
    # Not hyphenated, so that options and paths can be copied.
    return "\n".join([head, ".nh", *(line for block in blocks for line in _block(block))]) + "\n"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Title):
        yield f".{'SH' if block.level == 1 else 'SS'} {_inline(block.text)}"
    elif isinstance(block, Paragraph):
        yield from (".PP", _line(block.text))
    elif isinstance(block, Item):
        yield ".TP" if block.name else r".IP \(bu 2"
        yield from (_line(text) for text in (block.name, block.text) if text)
    elif isinstance(block, Code):
        shown = (r"\&" + _escaped(line) for line in block.text.splitlines())
        yield from (".PP", ".RS 4", ".nf", *shown, ".fi", ".RE")


def _line(text: str) -> str:
    """Write a text as one line that is no request, whatever it begins with."""
    written = _inline(text)
    return rf"\&{written}" if written.startswith((".", "'")) else written


def _inline(text: str) -> str:
    return "".join(_span(style, words) for style, words in spans(text))


def _span(style: str, text: str) -> str:
    return rf"\f{FONTS[style]}{_escaped(text)}\fR" if style else _escaped(text)


def _escaped(text: str) -> str:
    text = "".join(SIGNS.get(each, each) for each in text)
    return re.sub(r"[^\x00-\x7f]", lambda found: rf"\[u{ord(found[0]):04X}]", text)

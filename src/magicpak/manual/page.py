"""Put the manual together: what the command line says of itself, then the pages of this folder."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from magicpak.manual import markdown
from magicpak.manual.markdown import Block, Item, Paragraph, Title
from magicpak.resources import content

PAGES = (
    "files", "run-time-data", "dynamic", "testing", "images", "scanning", "report", "limits",
)  # fmt: skip

NAME = "magicpak - bundle an executable with just what it needs at run time"
SEE_ALSO = "`ld.so`(8), `strace`(1), `upx`(1), `docker-build`(1)"


class CommandLine(NamedTuple):
    """What the command line says of itself."""

    usage: str
    description: str
    options: Mapping[str, Sequence[tuple[str, str]]]
    """Names and help of each option, by section."""
    notes: Mapping[str, str]
    """Texts by title."""


def blocks(said: CommandLine) -> Iterator[Block]:
    """Yield the manual."""
    yield from (Title("NAME"), Paragraph(NAME))
    yield from (Title("SYNOPSIS"), Paragraph(said.usage))
    yield from (Title("DESCRIPTION"), *markdown.blocks(said.description))
    yield Title("OPTIONS")
    for section, options in said.options.items():
        yield Title(section, level=2)
        yield from (Item(text, _emphasised(names)) for names, text in options)
    for title, text in said.notes.items():
        yield from (Title(title.upper()), Paragraph(text))
    for page in PAGES:
        for block in markdown.blocks(content(f"manual/{page}.md").decode()):
            yield Title(block.text.upper()) if isinstance(block, Title) else block
    yield from (Title("SEE ALSO"), Paragraph(SEE_ALSO))


def _emphasised(names: str) -> str:
    """Mark the names of an option as code, and those of its value."""

    def marked(found: re.Match[str]) -> str:
        return f"`{found[0]}`" if found[0].startswith("-") else f"*{found[0]}*"

    return re.sub(r"--?[\w-]+|[A-Z]{2,}", marked, names)

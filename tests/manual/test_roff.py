"""The manual as man(1) reads it, judged by groff."""

from __future__ import annotations

import re
import subprocess

import pytest

from magicpak.manual import roff
from magicpak.manual.markdown import Block, Code, Item, Paragraph, Title


def formatted(*blocks: Block) -> str:
    source = roff.write(blocks, "1.2")
    run = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-P-c", "-P-b", "-P-u", "-rLL=70n"],
        input=source, capture_output=True, encoding="ascii", check=True,
    )  # fmt: skip
    assert run.stderr == ""
    return run.stdout


@pytest.mark.needs("groff")
@pytest.mark.parametrize("text", [
    ".SH is no request", "'br is none either", r"a\nb \fIc\fR \(bu \\",
    "--option -x a-b", "~ ^ ' \" `",
])  # fmt: skip
@pytest.mark.parametrize("kind", [Paragraph, Item, Code])
def test_what_a_text_says_is_seen_as_it_is(
    kind: type[Paragraph | Item | Code], text: str
) -> None:
    assert text in formatted(Title("T"), kind(text))


@pytest.mark.needs("groff")
def test_names_stand_before_their_texts() -> None:
    shown = formatted(Title("OPTIONS"), Title("Some", 2), Item("Do *it*.", "`-x`, `--long` *NAME*"))
    # How far a version of groff indents is its own.
    assert re.search(r"OPTIONS\n( +)Some\n(\1 +)-x, --long NAME\n\2 +Do it\.\n", shown)


@pytest.mark.needs("groff")
def test_lines_of_code_keep_their_spaces() -> None:
    shown = formatted(Title("T"), Code("a\n  b\n\nc"))
    assert re.search(r"\n( +)a\n\1  b\n\n\1c\n", shown)


def test_the_source_is_ascii() -> None:
    source = roff.write([Paragraph("a … `é` 🎁")], "1")
    assert source.isascii()
    assert r"a \[u2026] \fB\[u00E9]\fR \[u1F381]" in source

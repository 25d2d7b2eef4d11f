"""Which distribution a root holds (os-release(5))."""

import re
from typing import NamedTuple

from magicpak.host.sysroot import Sysroot
from magicpak.inventory import files

PLACES = ("/etc/os-release", "/usr/lib/os-release")
ASSIGNMENT = re.compile(r"^[ \t]*([A-Z][A-Z_0-9]*)=(.*)$", re.MULTILINE)
PART = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^'"\\\s])""", re.DOTALL)
"""A part of a value, as a shell takes it."""


class Distribution(NamedTuple):
    """A distribution; a text is empty where os-release does not say."""

    id: str = ""
    version: str = ""
    name: str = ""
    """As shown to users, with the version."""
    like: tuple[str, ...] = ()
    """What it is derived from, the closest first."""


def distribution(host: Sysroot) -> Distribution:
    """Read the file below a root; without one, nothing is known."""
    texts = (files.read(host, path) for path in PLACES)
    return parse(next((text for text in texts if text is not None), ""))


def parse(text: str) -> Distribution:
    """Read the text of os-release."""
    said = {name: _unquoted(value) for name, value in ASSIGNMENT.findall(text)}
    return Distribution(
        said.get("ID", ""),
        said.get("VERSION_ID", ""),
        said.get("PRETTY_NAME", said.get("NAME", "")),
        tuple(said.get("ID_LIKE", "").split()),
    )


def _unquoted(value: str) -> str:
    """Take the quotes and backslashes off a word."""
    text, part = "", PART.match(value)
    while part is not None:
        single, double, escaped, plain = part.groups(default="")
        text += single + re.sub(r'\\([$"\\`])', r"\1", double) + escaped + plain
        part = PART.match(value, part.end())
    return text

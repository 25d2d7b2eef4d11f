"""Read include and exclude patterns. Pure.

The syntax is that of glob(7) without backslash escapes. ``**`` as a whole component matches any
number of directories. A leading dot is an ordinary character.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from magicpak.errors import MagicpakError

Matcher = Callable[[str], bool]

RECURSIVE = "**"


class InvalidPattern(MagicpakError):
    """A glob pattern has a syntax error."""

    pattern: str
    position: int
    reason: str

    def __str__(self) -> str:
        return (
            f"Invalid glob pattern: syntax error near position {self.position} "
            f"of '{self.pattern}': {self.reason}"
        )


class Component(NamedTuple):
    """One component of an include pattern: a literal name, or a pattern for names."""

    text: str
    literal: str | None
    """The name itself, if the component has no wildcard."""
    matches: Matcher

    @property
    def recursive(self) -> bool:
        """Whether it matches any number of directories."""
        return self.text == RECURSIVE


class Include(NamedTuple):
    """A pattern for files of the host; ``*`` stays within a component."""

    text: str
    absolute: bool
    components: tuple[Component, ...]
    directory: bool = False
    """Whether it ends with a slash: then it matches directories only, as in glob(7)."""


def include(pattern: str) -> Include:
    """Read an include pattern. Raises InvalidPattern."""
    _check_stars(pattern)
    # Several '**' in a row match the same as one, but multiply the time.
    pairs = itertools.pairwise(["", *_split(pattern)])
    parts = [part for before, part in pairs if {before, part} != {RECURSIVE}]
    components = tuple(map(_component, parts))
    return Include(pattern, pattern.startswith("/"), components, pattern.endswith("/"))


def _component(text: str) -> Component:
    literal = _literal(text)
    # To compile a pattern takes much longer than all that is done with a name.
    return Component(text, literal, _matcher(text) if literal is None else literal.__eq__)


def escape(path: str) -> str:
    """Write a path as the pattern, of either kind, that matches it alone."""
    return re.sub(r"[*?[]", r"[\g<0>]", path)


class Exclude(NamedTuple):
    """A pattern for whole paths of the bundle; ``*`` matches ``/`` too."""

    text: str
    part: str
    """A text that all paths have which it matches: to look for that takes a tenth of the time."""
    matches: Matcher

    def __call__(self, path: str) -> bool:
        """Tell whether it matches a path."""
        return self.part in path and self.matches(path)


def exclude(pattern: str) -> Exclude:
    """Read an exclude pattern. Raises InvalidPattern."""
    _check_stars(pattern)
    # No path ends with a slash; read a final '**/' as '**'.
    read = pattern.removesuffix("/") if pattern.endswith("**/") else pattern
    return Exclude(pattern, max(_parts(read), key=len), _matcher(read))


def _parts(pattern: str) -> Iterator[str]:
    """Yield the texts between wildcards and classes."""
    begin = position = 0
    while position < len(pattern):
        length, wildcard, regex = _token(pattern, position)
        if wildcard or regex != re.escape(pattern[position]):
            yield pattern[begin:position]
            begin = position + length
        position += length
    yield pattern[begin:]


def _matcher(pattern: str) -> Matcher:
    regex = re.compile(_translate(pattern), re.DOTALL)
    return lambda text: regex.fullmatch(text) is not None


def _check_stars(pattern: str) -> None:
    for stars in re.finditer(r"\*{2,}", _without_classes(pattern)):
        start, end = stars.span()
        if end - start > 2:
            raise InvalidPattern(pattern, start + 2, "wildcards are either '*' or '**'")
        is_component = (start == 0 or pattern[start - 1] == "/") and (
            end == len(pattern) or pattern[end] == "/"
        )
        if not is_component:
            raise InvalidPattern(pattern, start, "'**' must be a whole component of the path")


CLASS = r"(?s)\[(!?)((?<=!).[^]]*|[^!][^]]*)\]"
"""A character class; ``]`` is literal at the start, also after the ``!``."""


def _without_classes(pattern: str) -> str:
    """Blank the character classes, in which stars are literal. Raises InvalidPattern."""
    blanked = re.sub(CLASS, lambda match: " " * len(match[0]), pattern)
    if "[" in blanked:
        raise InvalidPattern(pattern, blanked.index("["), "'[' has no ']'")
    return blanked


def _split(pattern: str) -> list[str]:
    """Split into components; a slash in a character class does not separate."""
    blanked = _without_classes(pattern)
    cuts = [0, *(i + 1 for i, char in enumerate(blanked) if char == "/"), len(pattern) + 1]
    parts = (pattern[a : b - 1] for a, b in itertools.pairwise(cuts))
    return [part for part in parts if part]


def _literal(part: str) -> str | None:
    """Return a component as a name, if it has no wildcard."""
    return None if re.search(r"[*?[]", part) else part


ANY = ".*?"
ANY_DIRECTORIES = "(?:.*?/)??"


def _translate(pattern: str) -> str:
    """Translate a pattern, or a component of one, to a regular expression."""
    regex = ""
    wild, fixed = "", ""  # a wildcard, and the regex between it and the next one
    position = 0
    number = 0
    while position < len(pattern):
        length, wildcard, literal = _token(pattern, position)
        if wildcard:
            regex += _first(wild, fixed, number)
            number += 1
            wild, fixed = wildcard, ""
        fixed += literal
        position += length
    return regex + wild + fixed


def _token(pattern: str, position: int) -> tuple[int, str, str]:
    """Read the token at a position: its length, and a wildcard or a regular expression."""
    group = re.compile(CLASS).match(pattern, position)
    if group:
        return len(group[0]), "", _class(group[1], group[2])
    if pattern.startswith("**/", position):
        return 3, ANY_DIRECTORIES, ""
    if pattern[position] == "*":
        return 2 if pattern.startswith("**", position) else 1, ANY, ""
    return 1, "", {"?": "."}.get(pattern[position], re.escape(pattern[position]))


def _first(wild: str, fixed: str, number: int) -> str:
    """Match the first occurrence without backtracking, like an atomic group.

    With backtracking, the time to fail grows exponentially with the number of wildcards.
    """
    return f"(?=(?P<g{number}>{wild}{fixed}))(?P=g{number})" if wild else fixed


def _class(negated: str, body: str) -> str:
    """Translate a character class; ``a-z`` is a range, a dash at either end is literal."""
    members = []
    position = 0
    while position < len(body):
        first, last = body[position], body[position + 2 : position + 3]
        if body[position + 1 : position + 2] == "-" and last:
            if first <= last:  # an empty range has no member
                members.append(f"{re.escape(first)}-{re.escape(last)}")
            position += 3
        else:
            members.append(re.escape(first))
            position += 1
    if not members:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{''.join(members)}]"

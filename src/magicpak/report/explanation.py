"""Write the tree of why, and the largest packages and files, as plain text. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from magicpak.errors import printable
from magicpak.plan import File
from magicpak.report.facts import Facts
from magicpak.report.tree import Lookups, Node, tree

MOST = 10
"""Packages, and files, in the tables."""
UNITS = ("B", "kB", "MB", "GB", "TB")


class Explanation(NamedTuple):
    """What ``--explain`` shows."""

    nodes: list[Node]
    packages: list[tuple[str, int]]
    """The largest, with the bytes of their files."""
    files: list[tuple[str, int]]
    closing: str


def explanation(facts: Facts, lookups: Lookups) -> Explanation:
    """Arrange what there is to say of a bundle."""
    packages = [(str(each.package), each.size) for each in facts.packages]
    files = [
        (str(path), item.entry.size) for path, item in facts.bundle if isinstance(item.entry, File)
    ]
    closing = f"{facts.files} files, {amount(facts.size)}"
    return Explanation(tree(facts.bundle, lookups), _largest(packages), _largest(files), closing)


def _largest(sizes: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(sizes, key=lambda pair: (-pair[1], pair[0]))[:MOST]


def amount(size: int) -> str:
    """Write a number of bytes with three digits or more, and a decimal unit."""
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in UNITS:
        if round(value, 1) < 1000 or unit == UNITS[-1]:
            break
        value /= 1000
    return f"{value:.1f} {unit}"


def lines(told: Explanation) -> Iterator[str]:
    """Yield the lines: the size of each subtree and of each entry, then the entry, indented."""
    yield f"{'total':>9} {'itself':>9}"
    for node in told.nodes:
        yield from _node(node, 0)
    for title, table in (("package", told.packages), ("file", told.files)):
        if table:
            yield ""
            yield f"{'size':>9} {title}"
            for name, size in table:
                yield f"{amount(size):>9} {printable(name)}"
    yield ""
    yield told.closing


def _node(node: Node, depth: int) -> Iterator[str]:
    note = f" ({printable(node.note)})" if node.note else ""
    total = amount(node.total) if node.total else ""
    own = amount(node.size) if node.size else ""
    yield f"{total:>9} {own:>9} {'  ' * depth}{printable(node.text)}{note}"
    for child in node.children:
        yield from _node(child, depth + 1)

"""Read which modules of a language a program records that it was built from. Pure."""

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from magicpak.inventory.purl import encoded

MOST = 16 << 20
"""Bytes of the list of crates, when it is not compressed any more."""
RECORDED = ("mod", "dep", "=>")
DEVELOPED = "(devel)"
"""The version of a Go module that was built where it is developed."""


class Module(NamedTuple):
    """A module; its type is that of package URLs."""

    type: str
    name: str
    version: str
    licence: str = ""

    @property
    def purl(self) -> str:
        """The package URL."""
        name = self.name
        if self.type == "pypi":
            name = re.sub(r"[-_.]+", "-", name).lower()
        elif self.type == "golang":
            name = name.lower()
        path = "/".join(map(encoded, name.split("/")))
        return f"pkg:{self.type}/{path}" + (f"@{encoded(self.version)}" if self.version else "")


def of_go(version: str, text: str) -> Iterator[Module]:
    """Read the lines of ``go version -m``: each module, or that which replaces it."""
    if version:
        yield Module("golang", "stdlib", version.split(maxsplit=1)[0].removeprefix("go"))
    found: list[Module] = []
    path = re.search(r"^path\t(\S+)$", text, re.MULTILINE)
    if path is not None and "\nmod\t" not in f"\n{text}":
        found.append(Module("golang", path[1], ""))
    for line in text.split("\n"):
        kind, *fields = line.split("\t")
        if kind not in RECORDED or not fields or not fields[0]:
            continue
        of = fields[1] if len(fields) > 1 and fields[1] != DEVELOPED else ""
        if kind == "=>" and found:
            found.pop()
        found.append(Module("golang", fields[0], of))
    yield from found


def of_cargo(data: bytes) -> Iterator[Module]:
    """Read what cargo-auditable records, but for crates of the build alone. Raises ValueError."""
    unpack = zlib.decompressobj()
    try:
        packages: Any = json.loads(unpack.decompress(data, MOST))["packages"]
        for each in packages:
            if each.get("kind", "runtime") == "runtime":
                yield Module("cargo", str(each["name"]), str(each["version"]))
    except (zlib.error, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise ValueError("its list of crates is damaged") from e


def of_python(metadata: str) -> Module | None:
    """Read METADATA of a distribution of Python, or PKG-INFO of an older one."""
    head = metadata.replace("\r\n", "\n").partition("\n\n")[0]
    said = dict(re.findall(r"^([A-Za-z-]+): *(.*)$", head, re.MULTILINE))
    name = said.get("Name", "")
    if not name:
        return None
    licence = said.get("License-Expression") or said.get("License", "")
    return Module("pypi", name, said.get("Version", ""), "" if licence == "UNKNOWN" else licence)


def unique(modules: Iterable[Module]) -> tuple[Module, ...]:
    """Sort modules, each once."""
    return tuple(sorted(set(modules)))

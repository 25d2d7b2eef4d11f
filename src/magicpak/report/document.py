"""Write the facts about a bundle as JSON, as ``report/schema.json`` describes it. Pure."""

from __future__ import annotations

import json
import os
from typing import Any

from magicpak.inventory import Package
from magicpak.plan import Directory, Link
from magicpak.report.facts import EntryFacts, Facts
from magicpak.version import VERSION

SCHEMA = 1
"""The version of the format; a change that readers notice makes a new one."""
SECOND = 10**9
"""Nanoseconds."""


def document(facts: Facts) -> bytes:
    """Return the report of ``--report``: the same bytes for the same bundle."""
    told: dict[str, Any] = {
        "magicpak": VERSION,
        "schema": SCHEMA,
        "inputs": [_text(path) for path in facts.inputs],
        "entries": [_entry(entry) for entry in facts.entries],
        "packages": [
            {**_package(each.package), "files": each.files, "size": each.size}
            for each in facts.packages
        ],
        "hints": [_text(text) for text in facts.hints],
        "warnings": [_text(text) for text in facts.warnings],
        "totals": {
            "files": facts.files,
            "links": facts.count(Link),
            "directories": facts.count(Directory),
            "size": facts.size,
        },
    }
    members = ",\n".join(f"{_json(name)}: {_member(value)}" for name, value in told.items())
    return f"{{\n{members}\n}}\n".encode()


def _member(value: Any) -> str:
    """Write an element a line: that compares well, and is fast."""
    if not isinstance(value, list) or not value:
        return _json(value)
    return "[\n" + ",\n".join(map(_json, value)) + "\n]"


_json = json.JSONEncoder(ensure_ascii=False).encode


def _entry(entry: EntryFacts) -> dict[str, Any]:
    return {
        "path": _text(entry.path),
        "type": entry.type,
        "size": entry.size,
        "mode": entry.mode,
        "uid": entry.uid,
        "gid": entry.gid,
        "mtime": entry.mtime // SECOND,
        "target": None if entry.target is None else _text(entry.target),
        "source": None if entry.source is None else _text(entry.source),
        "sha256": entry.sha256,
        "reasons": [{"why": each.why.value, "of": _text(each.of)} for each in entry.reasons],
        "package": None if entry.package is None else _package(entry.package),
    }


def _package(package: Package) -> dict[str, str]:
    return {
        "type": package.type.value,
        "name": package.name,
        "version": package.version,
        "architecture": package.architecture,
    }


def _text(text: str) -> str:
    """Escape bytes that are no UTF-8, which JSON cannot hold, with backslashes."""
    return os.fsencode(text).decode(errors="backslashreplace")

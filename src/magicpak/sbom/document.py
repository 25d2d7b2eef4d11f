"""Write an SBOM in the format that the name of its file tells. Pure."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from magicpak.sbom import cyclonedx, spdx
from magicpak.sbom.contents import Contents
from magicpak.sbom.file_name import CYCLONEDX, SPDX

FORMATS: dict[str, Callable[[Contents], dict[str, Any]]] = {
    CYCLONEDX: cyclonedx.document,
    SPDX: spdx.document,
}


def document(path: str, contents: Contents) -> bytes:
    """Return the SBOM for a file of this name: the same bytes for the same bundle."""
    (write,) = (write for ending, write in FORMATS.items() if path.endswith(ending))
    return (json.dumps(_plain(write(contents)), indent=1, ensure_ascii=False) + "\n").encode()


def _plain(value: Any) -> Any:
    """Escape bytes that are no UTF-8, which JSON cannot hold, with backslashes."""
    if isinstance(value, str):
        return os.fsencode(value).decode(errors="backslashreplace")
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value

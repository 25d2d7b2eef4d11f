"""Read Debian's copyright files (copyright-format 1.0, DEP-5). Pure."""

from __future__ import annotations

import re

from magicpak.sbom.licences import Licence, licence, reference

FORMAT = re.compile(r"\s*(?:Format|Format-Specification):.*(?:copyright-format|dep-?5)", re.I)
FIELD = re.compile(r"^(\S+?):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)


def read(text: str, package: str) -> Licence:
    """Return the licences of a copyright file; of another format, its text as a licence."""
    if not FORMAT.match(text):
        ref = reference(f"{package}-copyright", text)
        return Licence(ref, ((ref, text),)) if text.strip() else Licence()
    said: dict[str, None] = {}
    texts: dict[str, str] = {}
    for paragraph in re.split(r"\n(?:[ \t]*\n)+", text):
        fields = {name.lower(): value for name, value in FIELD.findall(paragraph)}
        first, _, rest = fields.get("license", "").partition("\n")
        name = " ".join(first.split())
        if name and "files" in fields:
            said[name] = None
        if name and rest.strip():
            texts.setdefault(name, _unfolded(rest))
    # Without a paragraph of files, what the licences are for is not said.
    return licence(said or texts, texts)


def _unfolded(text: str) -> str:
    """Return a value of many lines as it was before it was indented."""
    lines = (re.sub(r"^[ \t]\.?$|^[ \t]", "", line) for line in text.split("\n"))
    return "\n".join(lines).strip("\n")

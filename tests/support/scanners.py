"""Ask what judges package records and SBOMs: syft, and the official schemas."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from support.packages import owners_by_dpkg

QUIET = {"SYFT_CHECK_FOR_APP_UPDATE": "false", "SYFT_LOG_QUIET": "true"}


class Seen(NamedTuple):
    """A package as a scanner names it."""

    name: str
    version: str
    architecture: str


class Scan(NamedTuple):
    """What syft sees."""

    distribution: str
    packages: set[Seen]
    """Those of a distribution."""
    others: set[tuple[str, str, str]]
    """Modules of languages: type, name, version."""
    licences: dict[str, set[str]]
    """By the name of the package."""
    sources: dict[str, str]


def _syft(*args: str | Path, env: Mapping[str, str] | None = None) -> Any:
    tool = Path(sys.executable).with_name("syft")
    command = [str(tool) if tool.exists() else shutil.which("syft") or "syft", *args]
    run = subprocess.run(
        [*command, "-o", "syft-json"],
        env={**os.environ, **QUIET, **(env or {})}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def _read(told: Any) -> Scan:
    system = told["distro"]
    scan = Scan(f"{system.get('id')}-{system.get('versionID')}", set(), set(), {}, {})
    for each in told["artifacts"]:
        if each["type"] not in ("deb", "rpm", "apk"):
            scan.others.add((each["type"], each["name"], each["version"]))
            continue
        metadata = each.get("metadata", {})
        architecture = each["purl"].partition("arch=")[2].partition("&")[0]
        scan.packages.add(Seen(each["name"], each["version"], architecture))
        scan.licences[each["name"]] = {one["value"] for one in each["licenses"]}
        scan.sources[each["name"]] = metadata.get("source") or metadata.get("originPackage") or ""
    return scan


def scanned(tree: Path) -> Scan:
    """Scan a directory as if it were the root of an image."""
    return _read(_syft(f"dir:{tree}", "--base-path", tree))


def scanned_image(archive: Path) -> Scan:
    """Scan what ``docker save`` has written."""
    return _read(_syft(f"docker-archive:{archive}"))


def converted(sbom: Path) -> Scan:
    """Read an SBOM."""
    return _read(_syft("convert", sbom))


def owning(tree: Path) -> set[Seen]:
    """Ask dpkg for the packages whose files are below a directory."""
    paths = {
        f"/{path.relative_to(tree)}"
        for path in tree.rglob("*") if path.is_symlink() or path.is_file()
    }  # fmt: skip
    spelled = paths | {f"/usr{path}" for path in paths}
    spelled |= {path.removeprefix("/usr") for path in paths}
    names = {name for found in owners_by_dpkg(sorted(spelled)).values() for name in found}
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package}\t${Version}\t${Architecture}\n", *sorted(names)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {Seen(*line.split("\t")) for line in asked.stdout.splitlines()}


def complaints(sbom: Path) -> list[str]:
    """Hold an SBOM against the official schema of its format."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the judges use is not ours
        return _complaints(sbom)


def _complaints(sbom: Path) -> list[str]:
    if sbom.name.endswith(".cdx.json"):
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator

        error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom.read_text())
        return [] if error is None else [repr(error)]
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    found = validate_full_spdx_document(parse_file(str(sbom)))
    return [message.validation_message for message in found]

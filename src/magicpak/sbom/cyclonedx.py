"""Write CycloneDX 1.6 (ECMA-424). Pure."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from magicpak.inventory import Package, PackageType
from magicpak.sbom.contents import Contents, Shipped, supplier
from magicpak.sbom.licences import Licence
from magicpak.sbom.modules import Module
from magicpak.version import VERSION

METADATA_TYPES = {
    PackageType.DEB: "dpkg-db-entry",
    PackageType.RPM: "rpm-db-entry",
    PackageType.APK: "apk-db-entry",
}
"""As syft calls what it knows of a package."""


def document(contents: Contents) -> dict[str, Any]:
    """Describe a bundle. Its serial number is that of its content."""
    own = contents.files_by_package()
    packages = [_package(contents, package, own[package]) for package in contents.packages]
    modules = [_module(contents, module) for module in contents.modules]
    files = [_file(file) for file in contents.files if file.package is None]
    body = {
        "metadata": _metadata(contents),
        "components": [*_system(contents), *packages, *modules, *files],
        "dependencies": _dependencies(contents),
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{_uuid(json.dumps(body))}",
        "version": 1,
        **body,
    }


def _uuid(text: str) -> str:
    """Derive a UUID of version 8 from a text (RFC 9562)."""
    data = bytearray(hashlib.sha256(text.encode()).digest()[:16])
    data[6], data[8] = data[6] & 0x0F | 0x80, data[8] & 0x3F | 0x80
    text = data.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _metadata(contents: Contents) -> dict[str, Any]:
    return {
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(contents.created)),
        "tools": {
            "components": [{"type": "application", "name": "magicpak", "version": VERSION}]
        },
        "component": {
            "bom-ref": "bundle",
            "type": contents.kind,
            "name": contents.name,
            **({"version": contents.version} if contents.version else {}),
        },
    }


def _system(contents: Contents) -> list[dict[str, Any]]:
    system = contents.distribution
    if not system.id:
        return []
    return [
        {
            "bom-ref": f"os:{system.id}-{system.version}",
            "type": "operating-system",
            "name": system.id,
            "description": system.name or system.id,
            **({"version": system.version} if system.version else {}),
            "properties": _properties(
                {
                    "syft:distro:id": system.id,
                    "syft:distro:prettyName": system.name,
                    "syft:distro:versionID": system.version,
                }
            ),
        }
    ]


def _package(contents: Contents, package: Package, files: list[Shipped]) -> dict[str, Any]:
    by = supplier(package.maintainer)
    name = contents.purl(package)
    source, version = package.source or package.name, package.source_version or package.version
    return {
        "bom-ref": name,
        "type": "library",
        **({"supplier": {"name": by.name, **_contact(by.email)}} if by else {}),
        "name": package.name,
        "version": package.version,
        **_licences(contents.licences[package]),
        "purl": name,
        "components": [_file(file) for file in files],
        "properties": _properties(
            {
                "aquasecurity:trivy:SrcName": source,
                "aquasecurity:trivy:SrcVersion": version,
                "syft:metadata:architecture": package.architecture,
                "syft:metadata:source": source,
                "syft:metadata:sourceVersion": version,
                "syft:package:metadataType": METADATA_TYPES[package.type],
                "syft:package:type": package.type.value,
            }
        ),
    }


def _contact(email: str) -> dict[str, Any]:
    return {"contact": [{"email": email}]} if email else {}


def _module(contents: Contents, module: Module) -> dict[str, Any]:
    found = [
        {"location": file.path}
        for file in contents.files
        if module.purl in {each.purl for each in file.modules}
    ]
    return {
        "bom-ref": module.purl,
        "type": "library",
        "name": module.name,
        "version": module.version,
        **_licences(contents.module_licences.get(module, Licence()), {"occurrences": found}),
        "purl": module.purl,
    }


def _licences(licence: Licence, evidence: dict[str, Any] | None = None) -> dict[str, Any]:
    """Write an expression, which cannot hold texts, and as its evidence the texts."""
    texts = [
        {"license": {"name": ref, "text": {"content": text}}} for ref, text in licence.texts
    ]
    evidence = {**(evidence or {}), **({"licenses": texts} if texts else {})}
    said = {"licenses": [{"expression": licence.expression}]} if licence.expression else {}
    return {**said, **({"evidence": evidence} if evidence else {})}


def _properties(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(values.items()) if value]


def _file(file: Shipped) -> dict[str, Any]:
    return {
        "bom-ref": _ref(file.path),
        "type": "file",
        "name": file.path,
        "hashes": [{"alg": "SHA-256", "content": file.sha256}],
    }


def _ref(path: str) -> str:
    return f"file:{path}"


def _dependencies(contents: Contents) -> list[dict[str, Any]]:
    """Tell what the loader maps for a file, which packages that joins, and the modules in it."""
    found = {"bundle": [_ref(path) for path in contents.inputs]}
    for package, others in contents.needs_by_package().items():
        found[contents.purl(package)] = [contents.purl(other) for other in others]
    for file in contents.files:
        modules = [module.purl for module in file.modules]
        if file.needs or modules:
            found[_ref(file.path)] = [*map(_ref, file.needs), *modules]
    return [
        {"ref": ref, "dependsOn": sorted(set(others))} for ref, others in sorted(found.items())
    ]

"""Write SPDX 2.3 (ISO/IEC 5962). Pure."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from typing import Any

from magicpak.inventory import Package
from magicpak.sbom.contents import Contents, Shipped, digest, supplier
from magicpak.sbom.licences import Licence
from magicpak.sbom.modules import Module
from magicpak.version import VERSION

UNKNOWN = "NOASSERTION"
DOCUMENT, BUNDLE = "SPDXRef-DOCUMENT", "SPDXRef-Bundle"


def document(contents: Contents) -> dict[str, Any]:
    """Describe a bundle. Its namespace is that of its content."""
    licences = [*contents.licences.values(), *contents.module_licences.values()]
    texts = {ref: text for licence in licences for ref, text in licence.texts}
    body = {
        "packages": list(_packages(contents)),
        "files": [_file(file) for file in contents.files],
        "hasExtractedLicensingInfos": [
            {"licenseId": ref, "extractedText": text} for ref, text in sorted(texts.items())
        ],
        "relationships": list(_relationships(contents)),
    }
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", contents.name).strip("-") or "bundle"
    made = hashlib.sha256(json.dumps(body).encode()).hexdigest()
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": contents.name,
        "documentNamespace": f"https://spdx.org/spdxdocs/magicpak-{name}-{made}",
        "creationInfo": {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(contents.created)),
            "creators": [f"Tool: magicpak-{VERSION}"],
        },
        **body,
    }


def _packages(contents: Contents) -> Iterator[dict[str, Any]]:
    # The distribution is told by the package URLs; syft would take a package of it for software.
    yield _described(BUNDLE, contents.name, contents.version, contents.kind.upper())
    own = contents.files_by_package()
    for package in contents.packages:
        yield _package(contents, package, own[package])
    for module in contents.modules:
        licence = contents.module_licences.get(module, Licence())
        yield {
            **_described(_module_id(module), module.name, module.version, "LIBRARY", licence),
            "externalRefs": [_purl(module.purl)],
        }


def _described(
    spdx_id: str, name: str, version: str, purpose: str, licence: Licence | None = None
) -> dict[str, Any]:
    return {
        "SPDXID": spdx_id,
        "name": name,
        **({"versionInfo": version} if version else {}),
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": (licence.expression if licence else "") or UNKNOWN,
        "copyrightText": UNKNOWN,
        "primaryPackagePurpose": purpose,
    }


def _package(contents: Contents, package: Package, files: list[Shipped]) -> dict[str, Any]:
    by = supplier(package.maintainer)
    name, licence = contents.purl(package), contents.licences[package]
    described = _described(
        _package_id(contents, package), package.name, package.version, "LIBRARY", licence
    )
    if by is not None:
        contact = f" ({by.email})" if by.email else ""
        described["supplier"] = f"{'Person' if by.person else 'Organization'}: {by.name}{contact}"
    if files:
        described["filesAnalyzed"] = True
        described["packageVerificationCode"] = {"packageVerificationCodeValue": _code(files)}
        described["licenseInfoFromFiles"] = [UNKNOWN]
    source = f"{package.source or package.name} {package.source_version or package.version}"
    described["sourceInfo"] = f"built package from: {source.strip()}"
    described["externalRefs"] = [_purl(name)]
    return described


def _code(files: list[Shipped]) -> str:
    """Return the package verification code (SPDX 2.3, 7.9)."""
    hashes = "".join(sorted(file.sha1 for file in files))
    return hashlib.sha1(hashes.encode(), usedforsecurity=False).hexdigest()


def _purl(locator: str) -> dict[str, str]:
    return {
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": locator,
    }


def _file(file: Shipped) -> dict[str, Any]:
    return {
        "SPDXID": _file_id(file.path),
        "fileName": f".{file.path}",
        "checksums": [
            {"algorithm": "SHA1", "checksumValue": file.sha1},
            {"algorithm": "SHA256", "checksumValue": file.sha256},
        ],
        "licenseConcluded": UNKNOWN,
        "licenseInfoInFiles": [UNKNOWN],
        "copyrightText": UNKNOWN,
    }


def _relationships(contents: Contents) -> Iterator[dict[str, str]]:
    yield _relationship(DOCUMENT, "DESCRIBES", BUNDLE)
    for package in contents.packages:
        yield _relationship(BUNDLE, "CONTAINS", _package_id(contents, package))
    for module in contents.modules:
        yield _relationship(BUNDLE, "CONTAINS", _module_id(module))
    for package, others in contents.needs_by_package().items():
        for other in others:
            ids = (_package_id(contents, package), _package_id(contents, other))
            yield _relationship(ids[0], "DEPENDS_ON", ids[1])
    for file in contents.files:
        own = _file_id(file.path)
        if file.package is not None:
            yield _relationship(_package_id(contents, file.package), "CONTAINS", own)
        else:
            # The bundle is not analyzed as a package, which would have to list all its files.
            yield _relationship(own, "OTHER", BUNDLE, "a file of the bundle that no package owns")
        for path in file.needs:
            yield _relationship(own, "DEPENDS_ON", _file_id(path))
        for module in file.modules:
            yield _relationship(own, "DEPENDS_ON", _module_id(module))


def _relationship(one: str, kind: str, other: str, comment: str = "") -> dict[str, str]:
    return {
        "spdxElementId": one,
        "relationshipType": kind,
        "relatedSpdxElement": other,
        **({"comment": comment} if comment else {}),
    }


def _package_id(contents: Contents, package: Package) -> str:
    return _spdx_id(f"Package-{package.name}", contents.purl(package))


def _module_id(module: Module) -> str:
    return _spdx_id(f"Module-{module.name}", module.purl)


def _file_id(path: str) -> str:
    return _spdx_id(f"File-{path.rpartition('/')[2]}", path)


def _spdx_id(name: str, of: str) -> str:
    clean = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")[:60]
    return f"SPDXRef-{clean}-{digest(of)}"

"""Write package URLs (ECMA-427). Pure."""

from __future__ import annotations

import re

from magicpak.inventory.os_release import Distribution
from magicpak.inventory.package import Package, PackageType

NAMESPACES = {"rhel": "redhat", "opensuse-leap": "opensuse", "opensuse-tumbleweed": "opensuse"}
"""Where vendors are named otherwise than in os-release."""
DEFAULTS = {PackageType.DEB: "debian", PackageType.APK: "alpine", PackageType.RPM: ""}
"""The namespaces where os-release does not tell."""


def purl(package: Package, distribution: Distribution) -> str:
    """Name a package for scanners and SBOMs."""
    kind, version = package.type, package.version
    namespace = NAMESPACES.get(distribution.id, distribution.id) or DEFAULTS[kind]
    qualifiers = {"arch": package.architecture}
    if kind is PackageType.RPM and ":" in version:
        qualifiers["epoch"], _, version = version.partition(":")
    if distribution.id:
        qualifiers["distro"] = f"{distribution.id}-{distribution.version}".rstrip("-")
    name = package.name.lower() if kind is not PackageType.RPM else package.name
    path = "/".join(encoded(part) for part in (kind.value, namespace.lower(), name) if part)
    said = "&".join(
        f"{key}={encoded(value)}" for key, value in sorted(qualifiers.items()) if value
    )
    return (
        f"pkg:{path}" + (f"@{encoded(version)}" if version else "") + (f"?{said}" if said else "")
    )


def encoded(text: str) -> str:
    """Percent-encode what is no letter, digit, ``.``, ``-``, ``_``, ``~`` or colon."""
    data = text.encode(errors="surrogateescape").decode("latin-1")
    return re.sub(r"[^A-Za-z0-9._~:-]", lambda match: f"%{ord(match[0]):02X}", data)

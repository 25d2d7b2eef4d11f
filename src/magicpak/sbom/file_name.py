"""The names of SBOMs, which tell their formats."""

from __future__ import annotations

from magicpak.errors import MagicpakError, printable

CYCLONEDX, SPDX = ".cdx.json", ".spdx.json"


class FormatUnknown(MagicpakError):
    """The name of a file tells no format."""

    path: str

    def __str__(self) -> str:
        return (
            f"--sbom {printable(self.path)} names no known format; end the name with .cdx.json for "
            f"CycloneDX 1.6, or with .spdx.json for SPDX 2.3"
        )


def check(path: str) -> None:
    """Refuse a name that tells no format. Raises FormatUnknown."""
    if not path.endswith((CYCLONEDX, SPDX)):
        raise FormatUnknown(path)

"""Scanners see an image: syft over what a real Docker engine has built, of three releases."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.docker_engine import SUITES, Engine
from support.scanners import Seen, converted, scanned_image

pytestmark = [pytest.mark.docker, pytest.mark.needs("docker")]

RELEASES = {"bullseye": "debian-11", "bookworm": "debian-12", "trixie": "debian-13"}

PACKAGES = "ca-certificates curl git python3 strace"
SCRIPT = 'curl --version && git --version && python3 -c "import ssl, json"'

ASK = r"""
cd /bundle && find . -type f -o -type l | sed 's/^\.//' > /files
sed -n 's,^/usr/,/,p' /files > /spelled
sed 's,^,/usr,' /files >> /spelled
cat /files >> /spelled
xargs -d '\n' dpkg-query -S < /spelled 2> /dev/null | grep -v ^diversion | sed 's/: .*//' \
  | tr , '\n' | sort -u \
  | xargs dpkg-query -W -f '${Package}\t${Version}\t${Architecture}\n' | sort -u > /owning
"""
"""Asks dpkg for the packages whose files are in the bundle."""


@pytest.mark.parametrize("suite", SUITES)
def test_syft_sees_in_an_image_what_dpkg_says_is_there(
    engine: Engine, single: str, tmp_path: Path, suite: str
) -> None:
    base = engine.base(suite)
    (tmp_path / "ask").write_text(ASK)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {base}\n"
        f"RUN apt-get update && apt-get install -y --no-install-recommends {PACKAGES}\n"
        f"COPY --from={single} /magicpak /usr/bin/magicpak\n"
        "COPY ask /ask\n"
        f"RUN magicpak curl git python3 /bundle --dynamic --dynamic-script '{SCRIPT}' \\\n"
        "      --with auto --with package-db --sbom /s.cdx.json --sbom /s.spdx.json && sh /ask\n"
        "FROM scratch AS bundle\n"
        "COPY --from=0 /bundle /.\n"
        "FROM scratch\n"
        "COPY --from=0 /owning /s.cdx.json /s.spdx.json /\n"
    )
    image = f"magicpak-test/scanned:{suite}"
    engine.build(tmp_path, f"{image}-told")
    engine.build(tmp_path, image, "--target", "bundle")
    engine.docker("save", "-o", tmp_path / "image.tar", image)
    for name in ("owning", "s.cdx.json", "s.spdx.json"):
        engine.copy(f"{image}-told", f"/{name}", tmp_path / name)
    lines = (tmp_path / "owning").read_text().splitlines()
    owning = {Seen(*line.split("\t")) for line in lines}
    assert {"curl", "git", "libc6", "base-files"} <= {each.name for each in owning}
    for scan in (
        scanned_image(tmp_path / "image.tar"),
        converted(tmp_path / "s.cdx.json"),
        converted(tmp_path / "s.spdx.json"),
    ):
        assert scan.packages == owning
        assert scan.distribution == RELEASES[suite]
        assert scan.licences["libc6"]

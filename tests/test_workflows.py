"""The workflows are what GitHub takes for such, and fit the files that they use."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GITHUB = Path(__file__).parents[1] / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))


JUDGES = {
    "schema": (sys.executable, "-m", "check_jsonschema", "--builtin-schema",
               "vendor.github-workflows"),
    # No registry of packages has it: a job of test.yml runs its image.
    **({"actionlint": ("actionlint",)} if shutil.which("actionlint") else {}),
}  # fmt: skip


@pytest.mark.parametrize("judge", JUDGES)
def test_the_workflows_are_without_fault(judge: str) -> None:
    command = [*JUDGES[judge], *WORKFLOWS]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_what_is_released_is_built_once() -> None:
    built = (GITHUB / "workflows/build.yml").read_text()
    released = (GITHUB / "workflows/release.yml").read_text()
    assert not re.search(r"buildx build|build\.py|python -m build", released)
    assert 'build = "built"' in (GITHUB / "docker-bake.hcl").read_text()
    for machine, architecture in re.findall(r"machine: (\w+)\n *architecture: (\w+)", built):
        asset = f"assets/magicpak-{machine}-unknown-linux-musl"
        assert f"install -D {asset} built/{architecture}/magicpak" in released

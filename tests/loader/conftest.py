"""Where a bundle goes."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Name OUTPUT."""
    return tmp_path / "out"

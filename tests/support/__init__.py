"""What tests of several folders share: oracles that judge, and what it takes to ask them."""

from __future__ import annotations

import pkgutil

import pytest

# So that an assertion that fails in here shows its values too.
pytest.register_assert_rewrite(*(f"support.{each.name}" for each in pkgutil.iter_modules(__path__)))

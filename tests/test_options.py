"""What the user asks for: which options nothing makes use of."""

from __future__ import annotations

from typing import Any

import pytest

from magicpak import Options


def idle(**settings: Any) -> list[str]:
    """Return the warnings about options without effect."""
    return Options(("app",), "out", **settings).without_effect()


def test_no_option_is_without_effect_unless_given() -> None:
    assert idle() == []
    assert idle(test_timeout=60.0, busybox="busybox", dynamic_arg=[]) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"test": True, "test_command": "x", "test_stdin": "", "test_env": ("A=b",), "strace": "s"},
        {"dynamic": True, "dynamic_arg": ("x",), "dynamic_wait_for": "1", "strace": "s"},
        {"compress": True, "upx_arg": ("-1",), "upx": "u"},
        {"dynamic_log": ("log",)},
        {"dynamic": True, "dynamic_log": ("log",)},
    ],
)
def test_what_is_used_is_no_warning(settings: dict[str, Any]) -> None:
    assert idle(**settings) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"test_stdout": ""}, "--test-stdout has no effect without --test"),
        ({"test_timeout": 1}, "--test-timeout has no effect without --test"),
        ({"test": True, "upx_arg": ("-1",)}, "--upx-arg has no effect without --compress"),
        ({"compress": True, "strace": "s"}, "--strace has no effect without --dynamic or --test"),
        (
            {"dynamic": True, "dynamic_log": ("log",), "dynamic_arg": ("x",)},
            "--dynamic-arg has no effect with --dynamic-log",
        ),
    ],
)
def test_what_nothing_uses_is_said(settings: dict[str, Any], said: str) -> None:
    assert idle(**settings) == [said]

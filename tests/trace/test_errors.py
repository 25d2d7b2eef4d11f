"""Every failure of a trace is one line."""

from __future__ import annotations

import re

from magicpak import trace
from magicpak.errors import MagicpakError


def test_every_failure_is_ours_and_on_one_line() -> None:
    for error in (
        trace.DynamicFailed(1, b"a\nb\x1b"),
        trace.NotStarted("/a\nb", b"x\ny"),
        trace.TraceRefused("a", "b"),
        trace.CommandFailed("a\nb", None, b"\xff"),
        trace.NoAnswer("a\n", "b", b""),
        trace.MalformedEndpoint("a\nb"),
    ):
        assert isinstance(error, MagicpakError)
        assert re.fullmatch(r"[^\x00-\x1f]+", str(error))

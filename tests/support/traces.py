"""Trace real programs, and look at what they touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from magicpak.trace import Touched, What

PYTHON = "/usr/bin/python3"
needs_strace = pytest.mark.needs("strace")
needs_cc = pytest.mark.needs("strace", "cc")

Touch = Callable[..., tuple[Touched, ...]]
"""Runs a program under strace: ``(executable, *arguments, **options)`` of ``trace.run``."""

Compiled = Callable[[str], str]
"""Compiles a program from its source."""

HEAD = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
"""
"""How such a source begins."""


def files(touched: tuple[Touched, ...]) -> set[str]:
    """Return the paths of the files and links."""
    return {one.path for one in touched if one.bundled and not one.directory}


def left_out(touched: tuple[Touched, ...]) -> dict[str, str]:
    """Return the paths of what a run used and is left out all the same, with the reasons."""
    return {one.path: one.note for one in touched if one.what is What.NOTHING}


def directories(touched: tuple[Touched, ...]) -> set[str]:
    """Return the paths of the directories."""
    return {one.path for one in touched if one.directory}

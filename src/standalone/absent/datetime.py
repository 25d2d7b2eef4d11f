"""Stands in for the standard library's module, as its classes in C, which need no Python."""

from _datetime import *  # noqa: F403

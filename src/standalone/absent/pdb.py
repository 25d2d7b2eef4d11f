"""Stands in for the standard library's module: pyelftools imports it, to debug with it."""

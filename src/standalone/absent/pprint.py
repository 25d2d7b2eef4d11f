"""Stands in for the standard library's module: pyelftools imports it for its debug output."""

pformat = repr

"""Processes, kernel calls, and how the tools that they need are installed."""

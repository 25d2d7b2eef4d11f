"""The version, readable without importing the rest."""

VERSION = "2.0.0"

"""The bundle told: its facts as values, as JSON, and as the tree of why."""

from magicpak.report.facts import EntryFacts, Facts, PackageFacts

__all__ = ["EntryFacts", "Facts", "PackageFacts"]

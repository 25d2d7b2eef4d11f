"""The writers of a bundle, and the only ones: whole or not at all."""

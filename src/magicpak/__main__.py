"""``python -m magicpak``."""

from magicpak.cli import main

main()

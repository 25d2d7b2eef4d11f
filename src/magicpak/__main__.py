"""``python -m magicpak``, and where the command begins: before its imports take their time."""

from __future__ import annotations

import gc
from typing import NoReturn

from magicpak.system import signals

signals.leave_at_once()


def main() -> NoReturn:
    """Run the command."""
    # This process ends before garbage matters; to look for it, at the end too, costs a tenth.
    gc.disable()
    from magicpak import cli  # noqa: PLC0415  a signal meanwhile must not show a traceback

    cli.main()


if __name__ == "__main__":
    main()

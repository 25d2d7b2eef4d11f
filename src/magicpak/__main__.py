"""``python -m magicpak``, and where the command begins: before its imports take their time."""

from __future__ import annotations

import gc
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any, NoReturn

from magicpak.system import signals

signals.leave_at_once()

SELDOM_USED = ("inspect", "pdb", "traceback")
"""Modules that click, pyelftools, logging and dataclasses import for what few runs need.

With what they import in turn, they are a tenth of the time that a small program takes.
"""


def put_off(name: str) -> None:
    """Have a module loaded only when it is asked for something (PEP 562).

    importlib.util.LazyLoader loads it at the next import statement. The single file, in which no
    module is found by path, has a small one instead.
    """
    spec = PathFinder.find_spec(name)
    if name in sys.modules or spec is None or spec.loader is None:
        return
    execute = spec.loader.exec_module
    module = sys.modules[name] = module_from_spec(spec)

    def load(attribute: str) -> Any:
        del vars(module)["__getattr__"]
        execute(module)
        return getattr(module, attribute)

    vars(module)["__getattr__"] = load


def main() -> NoReturn:
    """Run the command."""
    # This process ends before garbage matters; to look for it, at the end too, costs a tenth.
    gc.disable()
    for name in SELDOM_USED:
        put_off(name)
    from magicpak import cli  # noqa: PLC0415  a signal meanwhile must not show a traceback

    cli.main()


if __name__ == "__main__":
    main()

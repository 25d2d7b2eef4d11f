"""Draw what ``--explain`` shows of three programs of this machine, as SVG beside this file.

    python example/pictures/make.py

The pictures in the README are made so on Debian 12, with curl, clang-format and python3 installed.
"""

from __future__ import annotations

import io
import shlex
from pathlib import Path

from rich.console import Console

from magicpak import Options, console, pack

PROGRAMS = {
    "curl": Options(("/usr/bin/curl",), "/bundle", with_data=("auto",), dry_run=True),
    "clang-format": Options(("/usr/bin/clang-format",), "/bundle", dry_run=True),
    "python3": Options(
        ("/usr/bin/python3",), "/bundle", dynamic=True, dynamic_arg=("-c", "import json"),
        dry_run=True,
    ),
}  # fmt: skip
WIDTH = 110
"""Characters."""


def line(options: Options) -> str:
    """Write the command of a run."""
    arguments = [f"--with={name}" for name in options.with_data]
    if options.dynamic:
        arguments.append("--dynamic")
        arguments += (f"--dynamic-arg={shlex.quote(each)}" for each in options.dynamic_arg)
    return " ".join(["magicpak", *arguments, "--explain", *options.inputs, options.output])


def main() -> None:
    """Draw each program."""
    for name, options in PROGRAMS.items():
        paper = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
        paper.print(*console.drawn(pack(options).explanation))
        picture = Path(__file__).parent / f"{name}.svg"
        picture.write_text(paper.export_svg(title=line(options)))


if __name__ == "__main__":
    main()

"""Measure what bundles a program, side by side: how long it takes, how large it is, if it starts.

    python3 -m venv PEERS && PEERS/bin/pip install exodus-bundler staticx
    apt-get install pax-utils patchelf musl-tools
    sudo .venv/bin/python tests/benchmarks/peers.py PEERS
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("/bin/ls", "/usr/bin/curl", "/usr/bin/clang-format")

ALONE = 'mount -t proc proc "$0/proc" && exec /usr/sbin/chroot "$0" "$@"'

Make = Callable[[str, Path], list[list[str]]]
"""The commands with which a tool makes a root for a program, and those that unpack it there."""


def tools(peers: Path, magicpak: str) -> dict[str, Make]:
    """Name the tools: each makes ``root``, in which the program has its path or its name."""
    python = str(peers / "bin/python")
    return {
        "magicpak": lambda program, root: [[*magicpak.split(), program, str(root)]],
        "lddtree": lambda program, root: [
            [python, "/usr/bin/lddtree", "--copy-to-tree", str(root), program],
        ],
        "exodus": lambda program, root: [
            [str(peers / "bin/exodus"), "-q", "-t", "-o", f"{root}.tgz", program],
            ["tar", "-xzf", f"{root}.tgz", "--one-top-level", "-C", str(root.parent)],
        ],
        "staticx": lambda program, root: [
            [str(peers / "bin/staticx"), program, f"{root}.file"],
            ["install", "-D", f"{root}.file", f"{root}{program}"],
        ],
    }


def starts(program: str, root: Path) -> bool:
    """Tell whether a program tells its version in ``root``, as in a container: with /proc."""
    name = Path(program).name
    places = (program, f"/usr{program}", f"/exodus/bin/{name}")
    for place in places:
        if os.path.lexists(f"{root}{place}"):
            (root / "proc").mkdir(exist_ok=True)
            line = ["unshare", "--mount", "sh", "-c", ALONE, str(root), place, "--version"]
            return subprocess.run(line, env={}, capture_output=True, check=False).returncode == 0
    return False


def size(root: Path) -> int:
    """Add the sizes of the files below a directory, in bytes, each file once."""
    found = (path.lstat() for path in root.rglob("*"))
    return sum({status.st_ino: status.st_size for status in found}.values())


def main() -> None:
    """Print a line of the table for each tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("peers", type=Path, metavar="PEERS")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--magicpak", default=f"{sys.executable} -m magicpak")
    options = parser.parse_args()
    os.environ["PATH"] += f":{options.peers / 'bin'}"
    every = tools(options.peers.absolute(), options.magicpak)
    print("| tool |" + "".join(f" {Path(program).name} |" for program in PROGRAMS))  # noqa: T201
    print("| --- " * (len(PROGRAMS) + 1) + "|")  # noqa: T201
    cells: dict[str, list[str]] = {name: [] for name in every}
    for program in PROGRAMS:
        with tempfile.TemporaryDirectory(prefix="magicpak-benchmark-") as room:
            walls: dict[str, list[float]] = {name: [] for name in every}
            for run in range(options.runs):
                for name, make in every.items():
                    root = Path(room, f"{name}-{run}")
                    begun = time.perf_counter()
                    for index, line in enumerate(make(program, root)):
                        root.parent.mkdir(exist_ok=True)
                        subprocess.run(line, capture_output=True, check=False)
                        if index == 0:
                            walls[name].append(time.perf_counter() - begun)
            for name, each in walls.items():
                root = Path(room, f"{name}-0")
                megabytes = size(root) / 1e6
                how = "starts" if starts(program, root) else "does not start"
                cells[name].append(f"{statistics.median(each):.2f} s, {megabytes:.1f} MB, {how}")
    for name, row in cells.items():
        print(f"| {name} | {' | '.join(row)} |")  # noqa: T201


if __name__ == "__main__":
    main()

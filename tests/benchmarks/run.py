"""Measure magicpak beside the physical limit and the floor of any Python program.

    python tests/benchmarks/run.py [--runs N] [--magicpak COMMAND] [--before COMMAND] [CASE...]

Prints, for each case, the median wall time, CPU time and peak memory of several cold runs (each is
a new process that writes a new OUTPUT), and the ratio to

  cp      `cp -a --parents` of exactly the files that the case bundles,
  python  `python -c 'import click, elftools.elf.elffile'`,

and, if given, to the command of --before, the same of an earlier commit for one, each run in turn
with it. It asserts nothing: machines differ, and only ratios in one run compare.
Peak memory is that of the largest process of the run, which with --test is the tested program.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

FLOOR = (sys.executable, "-c", "import click, elftools.elf.elffile")
HUGE = 2 << 30  # bytes
OPENED = 20_000  # files
MANY = 20_000


@dataclass(frozen=True)
class Measured:
    """One run of a command."""

    wall: float  # seconds
    cpu: float  # seconds, with children
    memory: float  # MiB


def measure(argv: Sequence[str], cwd: Path) -> Measured:
    """Run a command to its end."""
    begin = time.perf_counter()
    with subprocess.Popen(argv, cwd=cwd, stdout=subprocess.DEVNULL) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begin
    if child.returncode != 0:
        sys.exit(f"{argv[0]} failed: {child.returncode}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median(runs: Sequence[Measured]) -> Measured:
    """Take the median of each number."""
    return Measured(
        statistics.median(run.wall for run in runs),
        statistics.median(run.cpu for run in runs),
        statistics.median(run.memory for run in runs),
    )


def compare(  # noqa: PLR0917
    name: str,
    arguments: Sequence[str],
    magicpak: Sequence[str],
    before: Sequence[str],
    room: Path,
    runs: int,
) -> None:
    """Run a case, cp, the floor and the earlier command in turn, and print a line of the table."""
    ours, limits, floors, earlier = [], [], [], []
    files: list[str] = []
    for run in range(runs):
        # Each writes to a directory of its own, and the old ones stay until the case has ended: on
        # ext4, making files is slow for a minute after many were removed.
        bundle, copy = room / f"bundle-{run}", room / f"copy-{run}"
        ours.append(measure([*magicpak, *arguments, str(bundle)], room))
        files = files or [
            str(path.relative_to(bundle))
            for path in sorted(bundle.rglob("*"))
            if path.is_symlink() or path.is_file()
        ]
        copy.mkdir()
        limits.append(measure(["xargs", "-0", "-a", str(listed(room, files)), "cp", "-a",
                               "--parents", "-t", str(copy)], bundle))  # fmt: skip
        floors.append(measure(FLOOR, room))
        if before:
            earlier.append(measure([*before, *arguments, str(room / f"before-{run}")], room))
    our, limit, floor = median(ours), median(limits), median(floors)
    print(  # noqa: T201  the table is what it is for
        f"| {name} | {our.wall:.3f} | {our.cpu:.3f} | {our.memory:.0f} | {limit.wall:.3f} "
        f"| {floor.wall:.3f} | {our.wall / limit.wall:.2f} | {our.wall / floor.wall:.2f} "
        f"| {our.wall / (limit.wall + floor.wall):.2f} | {our.cpu / limit.cpu:.2f} "
        f"| {our.cpu / median(earlier).cpu if earlier else float('nan'):.2f} |",
        flush=True,
    )


def listed(room: Path, files: Sequence[str]) -> Path:
    """Write a list of files for xargs -0."""
    path = room / "files"
    path.write_bytes(b"".join(os.fsencode(file) + b"\0" for file in files))
    return path


def programs(count: int) -> list[str]:
    """Find dynamically linked executables in /usr/bin, each file once."""
    found: dict[tuple[int, int], str] = {}
    for path in sorted(Path("/usr/bin").iterdir()):
        if not path.is_file() or not os.access(path, os.X_OK):
            continue
        with path.open("rb") as file:
            head = file.read(8192)
        status = path.stat()
        if head.startswith(b"\x7fELF") and b"/ld-" in head:
            found.setdefault((status.st_dev, status.st_ino), str(path))
    return list(found.values())[:count]


def huge(room: Path) -> list[str]:
    """Make a file of 2 GiB without holes."""
    chunk = os.urandom(1 << 20)
    with (room / "huge").open("wb") as file:
        for _ in range(HUGE // len(chunk)):
            file.write(chunk)
    return ["-i", "huge", "/bin/true"]


def small(count: int) -> Callable[[Path], list[str]]:
    """Make a directory of small files."""

    def make(room: Path) -> list[str]:
        for index in range(count):
            file = room / "small" / str(index // 1000) / str(index)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{index}\n")
        return ["-i", "small", "/bin/true"]

    return make


def traced(room: Path) -> list[str]:
    """Make files for a program to open."""
    small(OPENED)(room)
    return ["-d", "--dynamic-arg=-r", "--dynamic-arg=0", f"--dynamic-arg={room}/small", "/bin/grep"]


def made(room: Path) -> list[str]:
    """Make a C project of 40 files, which make(1) compiles anew each time."""
    body = "int g%d(int a, char *b) { for (int k = 0; k < a; k++) b[k] += k %% %d; return *b; }"
    for index in range(40):
        source = "\n".join(body % (each, each + 2) for each in range(30))
        (room / f"file{index}.c").write_text(f"#include <stdio.h>\n{source}\n")
    objects = " ".join(f"file{index}.o" for index in range(40))
    rule = "%.o: %.c FORCE\n\t$(CC) -O2 -c -o $@ $<\nFORCE:\n"
    (room / "Makefile").write_text(f"all: {objects}\n{rule}")
    return ["-d", "--dynamic-arg=-sj2", f"--dynamic-arg=-C{room}", "/usr/bin/make"]


def linked(room: Path) -> list[str]:
    """Make many links to one file."""
    (room / "links").mkdir()
    (room / "links/file").touch()
    for index in range(MANY):
        (room / f"links/{index}").symlink_to("file")
    return ["-i", "links", "/bin/true"]


def without_libc(room: Path) -> list[str]:
    """Make many programs whose libc is excluded."""
    inputs = [str(shutil.copy("/bin/true", room / f"program-{index}")) for index in range(2_000)]
    return ["-e", "**/libc.so.6", *inputs]


def patterns(room: Path) -> list[str]:
    """Match one tree by many patterns."""
    small(5_000)(room)
    globs = [f"smal[l{chr(0x100 + index)}]" for index in range(80)]
    return [*(word for glob in globs for word in ("-i", glob)), "/bin/true"]


def excludes(room: Path) -> list[str]:
    """Hold many patterns against many files."""
    small(MANY)(room)
    globs = [f"**/no{index}*x" for index in range(500)]
    return ["-i", "small", *(word for glob in globs for word in ("-e", glob)), "/bin/true"]


def deep(room: Path) -> list[str]:
    """Nest directories."""
    here = os.getcwd()
    os.chdir(room)
    for _ in range(500):
        os.mkdir("deep")
        os.chdir("deep")
        Path("file").touch()
    os.chdir(here)
    return ["-i", "deep", "/bin/true"]


Make = Callable[[Path], list[str]]
CASES: dict[str, Make] = {
    "ls": lambda _: ["/bin/ls"],
    "clang-format": lambda _: ["/usr/bin/clang-format"],
    "clang-format-test": lambda _: ["-t", "--test-command", "clang-format --version",
                                    "/usr/bin/clang-format"],
    "noload": lambda _: ["--experimental-noload-resolver", "/usr/bin/clang-format"],
    "300-programs": lambda _: programs(300),
    "300-programs-report": lambda room: ["--report", f"{room}/report", *programs(300)],
    "ffmpeg": lambda _: ["/usr/bin/ffmpeg"],
    "huge": huge,
    "small-1000": small(1_000),
    "small-10000": small(10_000),
    "small-50000": small(50_000),
    "trace-20000": traced,
    "python-traced": lambda _: ["-d", "--dynamic-arg=-c", "--dynamic-arg=import ssl, json",
                                "/usr/bin/python3"],
    "make-traced": made,
    "links-20000": linked,
    "libc-excluded-2000": without_libc,
    "patterns-80": patterns,
    "excludes-500": excludes,
    "deep-500": deep,
}  # fmt: skip


def main() -> None:
    """Print the table of the cases that are asked for, or of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--magicpak", default=f"{sys.executable} -m magicpak")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--before", default="")
    options = parser.parse_args()
    print(  # noqa: T201
        "| case | wall s | CPU s | peak MiB | cp s | python s | / cp | / python | / both "
        "| CPU / cp | CPU / before |"
    )
    print("| --- " * 11 + "|")  # noqa: T201
    for name in options.cases or CASES:
        with tempfile.TemporaryDirectory(prefix="magicpak-benchmark-") as room:
            arguments = CASES[name](Path(room))
            compare(
                name, arguments, options.magicpak.split(), options.before.split(), Path(room),
                options.runs,
            )  # fmt: skip


if __name__ == "__main__":
    main()

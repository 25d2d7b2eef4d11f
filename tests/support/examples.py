"""The examples, built as their readers build them; servers among them, asked by another image."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from support.docker_engine import Engine

DIRECTORY = Path(__file__).parents[2] / "example"
MEGABYTE = 1_000_000

Built = Callable[[str], str]
"""Builds an example, and returns its image."""


class Sizes(NamedTuple):
    """An image, what it is bundled on, and that with the program installed, in bytes."""

    name: str
    image: int
    base: str
    base_size: int
    installed: int

    def row(self) -> str:
        """Write a row of the table in the README."""
        image, base, installed = (
            f"{size / MEGABYTE:.1f} MB" for size in (self.image, self.base_size, self.installed)
        )
        return f"| {self.name} | {image} | {self.base} | {base} | {installed} |"


def names() -> list[str]:
    """List the examples."""
    return sorted(path.parent.name for path in DIRECTORY.glob("*/Dockerfile"))


def tested_by(test: str) -> str | None:
    """Return the example that a test is named after, or its parameter; None for other tests."""
    title, _, parameter = test.removesuffix("]").partition("[")
    name = parameter or title.removeprefix("test_").replace("_", "-")
    return name if name in names() else None


def text(name: str) -> str:
    """Return the Dockerfile of an example."""
    return (DIRECTORY / name / "Dockerfile").read_text()


def base(name: str) -> str:
    """Return the image that an example is bundled on."""
    lines = text(name).splitlines()
    return next(line.split()[1] for line in lines if line.startswith("FROM "))


def build(name: str, engine: Engine, *args: str) -> str:
    """Build an example, and return its image."""
    engine.base(base(name).removeprefix("debian:").removesuffix("-slim"), slim=True)
    image = f"magicpak-example/{name}"
    engine.build(DIRECTORY / name, image, *args)
    return image


def measure(name: str, engine: Engine) -> Sizes:
    """Measure an example that is built."""
    installed = f"magicpak-installed/{name}"
    before = text(name)[: text(name).index("COPY --from=magicpak")]
    from_here = ("-t", installed, "-f", "-", DIRECTORY / name)
    engine.docker("build", *engine.network, *from_here, stdin=before)
    images = (f"magicpak-example/{name}", base(name), installed)
    image, below, with_it = (engine.size(each) for each in images)
    return Sizes(name, image, base(name), below, with_it)


class Server(NamedTuple):
    """A container that nothing reaches but what shares its loopback."""

    engine: Engine
    container: str

    def ask(self, image: str, *command: str, options: Sequence[str] = ()) -> str:
        """Run a client beside the server until it succeeds, and return what it printed."""
        beside = ("--network", f"container:{self.container}")
        return self._until("run", "--rm", *beside, *options, image, *command)

    def execute(self, *command: str) -> str:
        """Run a program of the server's own image in it until it succeeds."""
        return self._until("exec", self.container, *command)

    def _until(self, *command: str) -> str:
        deadline = time.monotonic() + 60
        while (asked := self.engine.docker(*command, check=False)).returncode:
            logs = self.engine.docker("logs", self.container)
            assert time.monotonic() < deadline, asked.stderr + logs.stdout + logs.stderr
            time.sleep(0.2)
        return asked.stdout.strip()


@contextlib.contextmanager
def serving(engine: Engine, image: str, *options: str) -> Iterator[Server]:
    """Start a server; end it with the body."""
    started = engine.docker("run", "-d", "--network", "none", *options, image)
    server = Server(engine, started.stdout.strip())
    try:
        yield server
    finally:
        engine.docker("rm", "-f", server.container)

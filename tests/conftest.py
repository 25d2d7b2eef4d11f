"""Shared by all tests: what the machine can do, and small programs compiled on the spot."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from support import docker_engine, examples, programs
from support.docker_engine import Engine
from support.examples import Built
from support.programs import Compile

ROOT = Path(__file__).parents[1]

TOOLS = {"cc": "cc", "strace": "strace", "upx": "upx", "busybox": "busybox", "patchelf": "patchelf"}
"""Capabilities that are programs."""

COSTLY = {
    "docker": "minutes and 2 GB",
    "architectures": "minutes and downloads 600 MB",
    "distributions": "minutes and downloads 500 MB",
}
"""Markers of tests that run only where they are asked for, and in CI."""


def _strace_works() -> bool:
    run = subprocess.run(["strace", "-qq", "true"], capture_output=True, check=False)
    return run.returncode == 0


def _unshares(namespace: str) -> bool:
    tool = shutil.which("unshare")
    return (
        tool is not None
        and subprocess.run([tool, namespace, "true"], capture_output=True, check=False).returncode
        == 0
    )


def _static_python() -> bool:
    """Tell whether the system's Python has a library to link statically (libpython3-dev)."""
    code = "import os, sysconfig as s; print(os.listdir(s.get_config_var('LIBPL')))"
    run = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, check=False)
    return b".a'" in run.stdout


@functools.cache
def lacking(capability: str) -> str | None:
    """Say why the machine lacks a capability; None where it has it."""
    if capability == "docker":
        return docker_engine.lacking()
    if capability in TOOLS and shutil.which(TOOLS[capability]) is None:
        return f"{TOOLS[capability]} is not installed"
    checks: dict[str, tuple[Callable[[], bool], str]] = {
        "root": (lambda: os.geteuid() == 0, "only root can do that"),
        "strace": (_strace_works, "strace may not trace here"),
        "userns": (lambda: _unshares("--user"), "user namespaces are not permitted"),
        "mounts": (lambda: _unshares("--mount"), "mounts are not permitted"),
        "static python": (_static_python, "the system's python3 has no static library"),
    }
    check, reason = checks.get(capability, (lambda: True, ""))
    if capability not in TOOLS and capability not in checks:
        # Any other capability is a program of that name, as input.
        return None if shutil.which(capability) else f"{capability} is not installed"
    return None if check() else reason


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what the machine cannot do, and what takes long unless it is asked for."""
    for marker, cost in COSTLY.items():
        if item.get_closest_marker(marker) is not None and not _wanted(marker, item.config):
            pytest.skip(f"takes {cost}: run it by -m {marker}")
    for mark in item.iter_markers("needs"):
        for capability in mark.args:
            reason = lacking(capability)
            if reason is None:
                continue
            pytest.skip(f"needs {capability}: {reason}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Count what is skipped as failed where everything is required: in CI."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("MAGICPAK_TESTS_REQUIRE_ALL"):
        report.outcome = "failed"
        report.longrepr = f"required here, but skipped: {report.longrepr[2]}"


def _wanted(marker: str, config: pytest.Config) -> bool:
    everything = bool(os.environ.get("MAGICPAK_TESTS_REQUIRE_ALL"))
    return everything or marker in str(config.getoption("markexpr"))


@pytest.fixture
def compile_c(tmp_path: Path) -> Compile:
    """Compile C source into a file below the test's directory."""
    return lambda name, source, *flags: programs.compile_c(tmp_path / name, source, *flags)


_naps = itertools.count(1)


@pytest.fixture
def nap() -> str:
    """Return seconds to sleep, two hours, that tell the process from any other of this machine."""
    return f"7654.{os.getpid():07}{next(_naps):03}"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker engine: the one that answers, or one of our own."""
    # Not below pytest's directory, which is kept: this one goes with the engine.
    scratch = Path(tempfile.mkdtemp(prefix="magicpak-docker-"))
    try:
        with docker_engine.running(scratch) as running:
            yield running
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope="session")
def single(engine: Engine) -> str:
    """The image that holds the single file."""
    engine.base("bookworm", slim=True)
    engine.build(ROOT, "magicpak", "--target", "magicpak")
    return "magicpak"


@pytest.fixture(scope="session")
def built(engine: Engine, single: str, request: pytest.FixtureRequest) -> Iterator[Built]:
    """Build examples by name; print how large they are at the end.

    All that the tests of this session ask for are being built from the first call on.
    """
    assert single

    builds: dict[str, Future[str]] = {}

    def build(name: str) -> Future[str]:
        if name not in builds:
            builds[name] = pool.submit(examples.build, name, engine)
        return builds[name]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for item in request.session.items:
            if (name := examples.tested_by(item.name)) is not None:
                build(name)
        yield lambda name: build(name).result()
        pool.shutdown(cancel_futures=True)
    if "docker" not in str(request.config.getoption("markexpr")):
        return  # nobody asks how large they are; to build what they are compared with takes minutes
    whole = [name for name, each in builds.items() if not each.cancelled() and not each.exception()]
    rows = ["", "| image | size | base | its size | with the program installed |"]
    rows += [examples.measure(name, engine).row() for name in sorted(whole)]
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        sys.stdout.write("\n".join([*rows, ""]))

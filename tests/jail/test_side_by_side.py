"""What small programs print in a jail is what they print in a container."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from magicpak import jail
from magicpak.system.user import User
from support.docker_engine import Engine
from support.jails import Bundle
from support.privileges import NOBODY, docker_build, forked, full, nobody
from support.programs import compile_c

pytestmark = [pytest.mark.docker, pytest.mark.needs("root", "cc", "docker")]

SOURCE = (Path(__file__).parent / "probes.c").read_text()
PROBES = (*re.findall(r"PROBE \((\w+)\)[,}\s]", SOURCE.partition("probes[] =")[2]), "arguments")

WITHOUT_MOUNTS = {
    "in_dev": "no devpts",
    "pseudo_terminal": "no devpts",
    "shared_memory": "/dev/shm is a directory, not of 64 MB",
    "standard_streams": "what is written by name comes later",
    "capabilities": "no /proc/self/status",
    "process": "no /proc/self/status",
    "privileges": "no chroot(2), which leads out of another",
    "devices_made": "none can be made: that of a disk leads out",
    "proc_protected": "no /proc/sys, no /sys",
    "mounts": "no /proc/self/mountinfo",
    "given_files": "no mount points, so that they can be removed",
}
ONE_USER = {
    "in_root": "/proc is of a user that it does not know",
    "in_dev": "the devices are of a user that it does not know",
    "user": "no groups can be set",
    "privileges": "there is no other user to become",
    "devices_made": "none can be made",
    "proc_protected": "refused, because another user owns it",
    "mounts": "the devices are mounts too",
}
AS_USER = (
    "environment",
    "files",
    "in_root",
    "standard_streams",
    "terminal",
    "user",
    "capabilities",
)
"""What may differ by the user."""

DIFFERENT: Mapping[Callable[[], None], Mapping[str, str]] = {
    full: {}, docker_build: WITHOUT_MOUNTS, nobody: ONE_USER,
}  # fmt: skip
"""The probes that print something else, by what this process may do, and why."""


UNORDERED = frozenset({"standard_streams"})
"""Of those, what prints the same lines, now and then in the same order too."""


class Sides:
    """The programs, and what they print on either side."""

    def __init__(self, engine: Engine, top: Path) -> None:
        """Compile the programs, and run them in containers."""
        self.probe = compile_c(top / "probe", SOURCE, "-static", "-lrt")
        context = top / "context"
        (context / "probe").mkdir(parents=True)
        (context / "Dockerfile").write_text("FROM scratch\nCOPY probe /probe\n")
        self.fill(context)
        engine.build(context, "magicpak-test/probes")
        self.engine = engine
        self.root = self.docker(PROBES)
        self.user = self.docker(AS_USER, "--user", "1234:2345")

    def docker(self, names: Sequence[str], *options: str) -> dict[str, str]:
        """Run programs in containers, and return what they print."""

        def printed(name: str) -> str:
            run = self.engine.run("magicpak-test/probes", f"/probe/{name}", options=options)
            assert run.stdout.strip()
            return run.stdout.strip()

        with ThreadPoolExecutor(4) as pool:
            return dict(zip(names, pool.map(printed, names), strict=True))

    def fill(self, tree: Path) -> None:
        """Put the programs into a bundle."""
        (tree / "probe").mkdir(exist_ok=True)
        shutil.copy(self.probe, tree / "probe" / PROBES[0])
        for name in PROBES[1:]:
            os.link(tree / "probe" / PROBES[0], tree / "probe" / name)
        (tree / "probe/file").write_text("of the bundle\n")


@pytest.fixture(scope="module")
def sides(engine: Engine) -> Iterator[Sides]:
    top = Path(tempfile.mkdtemp(prefix="magicpak-probes-"))
    try:
        yield Sides(engine, top)
    finally:
        shutil.rmtree(top)
        engine.docker("rmi", "magicpak-test/probes", check=False)


def cases() -> Iterator[object]:
    for become in DIFFERENT:
        capability = {full: "mounts", docker_build: "root", nobody: "userns"}[become]
        for name in PROBES:
            marks = pytest.mark.needs(capability)
            yield pytest.param(become, name, id=f"{become.__name__}-{name}", marks=marks)


@pytest.mark.parametrize(("become", "name"), list(cases()))
def test_a_program_prints_the_same_in_a_jail_and_in_a_container(
    sides: Sides, bundle: Bundle, become: Callable[[], None], name: str
) -> None:
    sides.fill(bundle.tree)
    if become is nobody:
        for path in (bundle.top, *bundle.top.rglob("*")):
            os.lchown(path, NOBODY, NOBODY)

    if name not in DIFFERENT[become]:
        check(become, bundle, name, sides.root[name])
        return
    if name in UNORDERED:
        got = sides.root[name]
        try:
            check(become, bundle, name, got)
        except jail.OutputDiffers as e:
            got = e.got
        assert sorted(got.splitlines()) == sorted(sides.root[name].splitlines())
        return
    with pytest.raises(jail.OutputDiffers):
        check(become, bundle, name, sides.root[name])


@pytest.mark.parametrize(
    ("become", "name"),
    [(each, name) for each in (full, docker_build) for name in AS_USER
     if name not in DIFFERENT[each]],
)  # fmt: skip
def test_a_program_of_a_user_prints_the_same_in_a_jail_and_in_a_container(
    sides: Sides, bundle: Bundle, become: Callable[[], None], name: str
) -> None:
    sides.fill(bundle.tree)
    check(become, bundle, name, sides.user[name], User(1234, 2345, (2345,), "/", "1234"))


def check(
    become: Callable[[], None], bundle: Bundle, name: str, printed: str, user: User | None = None
) -> None:
    # No strace: why it differs is known.
    options = {"stdout": printed, "user": user, "strace": "none"}
    forked(become, lambda: jail.check(str(bundle.tree), [f"/probe/{name}"], **options))

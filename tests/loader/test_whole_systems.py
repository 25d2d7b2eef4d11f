"""What a program loads in its bundle is what it loaded on the host: real starts in chroots."""

from __future__ import annotations

import collections
import json
import logging
import os
import random
import shutil
import traceback
from pathlib import Path
from typing import NamedTuple

import pytest

from magicpak import MagicpakError, Options, pack
from magicpak.host import Host
from support.loader import here
from support.trees import Maker, Tree, draw, started

CASES = int(os.environ.get("MAGICPAK_TESTS_SYSTEMS", "150"))
SEED = int(os.environ.get("MAGICPAK_TESTS_SEED", "1"))

pytestmark = [here, pytest.mark.needs("root", "cc")]


class Packed(NamedTuple):
    """How a run in the system ended."""

    error: str
    """Empty if it succeeded."""
    warnings: tuple[str, ...]


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Compile the program once."""
    place = tmp_path_factory.mktemp("maker")
    pack(Options(("/bin/true",), str(place / "warm")))  # imports all that it needs
    return Maker(place)


def packed(root: Path, tree: Tree) -> Packed:
    """Bundle the program of a system into its /out, in a child of this process."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chroot(root)
            os.chdir("/")
            os.environ.clear()
            os.environ.update(PATH="/bin", LD_LIBRARY_PATH=tree.library_path)
            records: list[str] = []
            listener = logging.Handler(logging.WARNING)
            listener.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
            logging.getLogger().handlers = [listener]
            error = ""
            try:
                pack(Options(("/app/program",), "/out", include=tree.included))
            except MagicpakError as e:
                error = str(e)
            except BaseException:
                error = traceback.format_exc()
            os.write(tell, json.dumps([error, records]).encode())
        finally:
            os._exit(0)
    os.close(tell)
    with open(told) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    error, warnings = json.loads(text)
    return Packed(error, tuple(warnings))


def contents(root: Path, paths: tuple[str, ...]) -> list[bytes]:
    """Read what was loaded: the content tells one library from another."""
    inside = Host(str(root))
    return [Path(inside.locate(inside.real(path))).read_bytes() for path in paths]


def verdict(root: Path, tree: Tree) -> str:
    """Compare the host with the bundle; what differs without a word is an assertion."""
    host = started(root, tree, LD_LIBRARY_PATH=tree.library_path)
    run = packed(root, tree)
    assert "Traceback" not in run.error, run.error
    if host.failure:
        assert run.error or not host.is_lookup, (host, run)
        return "fails on both sides" if run.error else "the loader itself fails"
    if run.error:
        return "refused: " + run.error
    bundle = started(root / "out", tree)
    told = " ".join(run.warnings)
    if bundle.failure:
        assert "/app/program" in told, (host, bundle, run)
        return "does not start, as told"
    then, now = contents(root, host.paths), contents(root / "out", bundle.paths)
    if then == now:
        return without_proc(root, tree, now)
    lost = {path for path, text in zip(host.paths, then, strict=True) if text not in now}
    more = {path for path, text in zip(bundle.paths, now, strict=True) if text not in then}
    names = {os.path.basename(path) for path in (lost | more or host.paths)}
    assert any(name in told for name in names), (lost, more, host, bundle, run)
    return "another, as told"


def without_proc(root: Path, tree: Tree, then: list[bytes]) -> str:
    """Compare with a chroot that has no /proc; README tells what is different there."""
    plain = started(root / "out", tree, with_proc=False)
    if contents(root / "out", plain.paths) == then:
        return "the same"
    assert "$" in str(tree), (plain, tree)
    return "the same with /proc"


def test_a_bundle_loads_what_the_host_does_or_tells(maker: Maker, tmp_path: Path) -> None:
    count: collections.Counter[str] = collections.Counter()
    for seed in range(SEED, SEED + CASES):
        tree = draw(random.Random(seed))  # noqa: S311  not for secrets
        root = tmp_path / str(seed)
        root.mkdir()
        maker.write(tree, root)
        try:
            count[verdict(root, tree).partition(":")[0]] += 1
        except AssertionError as e:
            raise AssertionError(f"seed {seed}: {e}") from e
        finally:
            shutil.rmtree(root)
    assert count["the same"] > CASES // 4, count

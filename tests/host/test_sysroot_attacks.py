"""Nothing outside a sysroot is read, whatever its links say and however they change."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from magicpak import MagicpakError, Options, pack
from magicpak.host import Host
from magicpak.system import beneath
from magicpak.system.beneath import Beneath
from support.command import failed, magicpak, paths
from support.elves import Made

CONFIDENTIAL = "of the host"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A sysroot with a program, and beside it a secret."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text(CONFIDENTIAL)
    root = tmp_path / "root"
    (root / "data").mkdir(parents=True)
    (root / "data" / "file").write_text("inside")
    Made([("runpath", "/chain/lib")]).write(root / "app")
    return root


@pytest.fixture(params=["openat2", "walk"])
def below(request: pytest.FixtureRequest, tree: Path) -> Beneath:
    """The sysroot opened, as this kernel does it and as an old one."""
    found = Beneath(str(tree))
    found._by_kernel = request.param == "openat2"
    return found


def chain(root: Path, length: int, target: str, name: str = "chain") -> None:
    """Make links that lead to one another, and at last to the target."""
    for number in range(length):
        text = target if number == length - 1 else f"/{name}{number + 1}"
        (root / (name if number == 0 else f"{name}{number}")).symlink_to(text)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/data/file", b"inside"),
        ("data/file", b"inside"),
        ("/../../data/../data/./file", b"inside"),
        ("/up", b"inside"),
        ("/absolute", b"inside"),
        ("/out", None),
        ("/proc-like", None),
    ],
)
def test_a_path_is_resolved_as_after_chroot(
    below: Beneath, tree: Path, path: str, content: bytes | None
) -> None:
    (tree / "up").symlink_to("../../../data/file")
    (tree / "absolute").symlink_to("/data/file")
    (tree / "out").symlink_to(tree.parent / "secret" / "file")
    (tree / "proc-like").symlink_to("../secret/file")
    if content is None:
        with pytest.raises(FileNotFoundError):
            below.opened(path, os.O_RDONLY)
        return
    fd = below.opened(path, os.O_RDONLY)
    assert os.read(fd, 100) == content
    os.close(fd)
    assert below.resolved(path) == "/data/file"


def test_the_last_link_can_be_looked_at(below: Beneath, tree: Path) -> None:
    (tree / "link").symlink_to("/data")
    fd = below.opened("/link", os.O_PATH | os.O_NOFOLLOW)
    assert os.readlink("", dir_fd=fd) == "/data"
    os.close(fd)
    fd = below.opened("/link/", os.O_RDONLY)
    assert os.listdir(fd) == ["file"]
    os.close(fd)


@pytest.mark.parametrize("length", [41, 100])
def test_a_chain_of_too_many_links_is_refused(below: Beneath, tree: Path, length: int) -> None:
    chain(tree, length, str(tree.parent / "secret"))
    with pytest.raises(OSError, match="Too many levels"):
        below.opened("/chain/file", os.O_RDONLY)
    with pytest.raises(OSError, match="Too many levels"):
        below.resolved("/chain/file")


@pytest.mark.parametrize("length", [1, 40, 41, 45, 200])
@pytest.mark.parametrize("way", ["input", "include", "tree", "runpath"])
def test_no_chain_of_links_leads_out(tree: Path, length: int, way: str) -> None:
    """It led out where the count of links ended, and the kernel followed the rest."""
    secret = tree.parent / "secret"
    Made([]).write(secret / "lib" / "libsecret.so")
    (secret / "program").write_bytes((tree / "app").read_bytes() + CONFIDENTIAL.encode())
    chain(tree, length, str(secret))
    if way == "runpath":
        Made([("needed", "libsecret.so"), ("runpath", "/chain/lib")]).write(tree / "app")
    (tree / "included").mkdir()
    (tree / "included" / "link").symlink_to("/chain/file")
    arguments = {
        "input": ("/chain/program",),
        "include": ("-i", "/chain/*", "/app"),
        "tree": ("-i", "/included", "/app"),
        "runpath": ("/app",),
    }
    out = tree.parent / "out"
    run = magicpak("--sysroot", tree, *arguments[way], out)
    assert "Traceback" not in run.stderr
    assert way not in ("input",) or failed(run)
    for path in paths(out):
        if not (out / path[1:]).is_symlink():
            assert CONFIDENTIAL.encode() not in (out / path[1:]).read_bytes()
            assert "libsecret" not in path


@pytest.fixture
def swapping(tree: Path) -> Iterator[Path]:
    """A directory of the sysroot that is all the time replaced by a link to the secret and back."""
    directory, link, spare = tree / "data", tree / "link", tree / "spare"
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            link.symlink_to(tree.parent / "secret")
            directory.rename(spare)
            link.rename(directory)
            directory.unlink()
            spare.rename(directory)

    thread = threading.Thread(target=swap)
    thread.start()
    yield directory
    ended.set()
    thread.join()


def test_a_directory_that_is_swapped_for_a_link_does_not_lead_out(
    below: Beneath, swapping: Path
) -> None:
    seen: set[bytes] = set()
    tries = 0
    until = time.monotonic() + 30
    while tries < 2_000 or (not seen and time.monotonic() < until):
        tries += 1
        try:
            fd = below.opened(f"/{swapping.name}/file", os.O_RDONLY)
        except OSError:
            continue
        seen.add(os.read(fd, 100))
        os.close(fd)
    assert seen == {b"inside"}


def test_a_bundle_of_a_tree_that_changes_has_nothing_of_the_host(
    tree: Path, swapping: Path
) -> None:
    for number in range(25):
        out = tree.parent / f"out{number}"
        try:
            pack(Options(("/app",), str(out), include=(f"/{swapping.name}",), sysroot=str(tree)))
        except MagicpakError:
            assert not out.exists()
            continue
        for path in (path for path in paths(out) if not (out / path[1:]).is_symlink()):
            assert CONFIDENTIAL.encode() not in (out / path[1:]).read_bytes()


def test_what_the_kernel_refuses_is_walked(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(38, "Function not implemented", "openat2")

    monkeypatch.setattr(beneath.kernel, "openat2", refuse)
    host = Host(str(tree))
    assert host.content("/data/file") == b"inside"
    assert host.names("/data") == ["file"]

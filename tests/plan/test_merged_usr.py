"""A bundle for images whose /bin, /lib and so on are links into /usr."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from magicpak.plan import (
    Bundle,
    Directory,
    Entry,
    Meta,
)
from magicpak.plan.merged_usr import merge
from support.command import done, magicpak
from support.plans import file, link, placed


def merged(entries: dict[str, Entry]) -> dict[str, Entry]:
    """Plan entries by path, merge, and return the entries by path."""
    bundle = Bundle().add(placed(path, each) for path, each in entries.items())
    return {str(path): item.entry for path, item in merge(bundle).settled()}


def test_what_lies_in_such_a_directory_moves_below_usr() -> None:
    entries = merged({"/lib/a": file(1), "/bin/b": file(2), "/usr/lib/c": file(3)})
    assert entries == {
        "/bin": link("usr/bin"), "/lib": link("usr/lib"),
        "/usr/bin/b": file(2), "/usr/lib/a": file(1), "/usr/lib/c": file(3),
    }  # fmt: skip


def test_only_what_the_bundle_has_becomes_a_link() -> None:
    assert set(merged({"/opt/bin/a": file(1), "/library/b": file(2)})) == {
        "/opt/bin/a", "/library/b",
    }  # fmt: skip


def test_a_directory_of_its_own_becomes_a_link_too() -> None:
    assert merged({"/lib": Directory(Meta(0o755)), "/lib/a": file(1)})["/lib"] == link("usr/lib")


def test_a_link_that_is_there_stays() -> None:
    assert merged({"/lib": link("/usr/lib"), "/lib/a": file(1)}) == {
        "/lib": link("/usr/lib"), "/usr/lib/a": file(1),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "text", "there"),
    [
        ("/lib/a", "b", "b"),
        ("/lib/a", "../bin/b", "../bin/b"),
        ("/bin/a", "../etc/b", "/etc/b"),
        ("/bin/a", "../usr/bin/b", "/usr/bin/b"),
        ("/bin/a", "/etc/b", "/etc/b"),
        ("/etc/a", "../lib/b", "../lib/b"),
    ],
)
def test_a_link_leads_to_the_same_as_before(path: str, text: str, there: str) -> None:
    entries = merged({path: link(text), "/lib/x": file(1), "/bin/x": file(2)})
    place = path if path.startswith("/etc") else f"/usr{path}"
    assert entries[place] == link(there)


@pytest.mark.needs("root")
def test_the_bundle_starts_alone_and_on_a_merged_tree(tmp_path: Path) -> None:
    bundle, image = tmp_path / "bundle", tmp_path / "image"
    done(magicpak("--merged-usr", "--install-to", "/bin/", "/bin/ls", bundle))
    assert [os.readlink(bundle / name) for name in ("bin", "lib")] == ["usr/bin", "usr/lib"]
    (image / "usr/lib").mkdir(parents=True)
    (image / "lib").symlink_to("usr/lib")
    (image / "usr/lib/own").write_text("of the image")
    # cp refuses to put a directory in the place of a link, as BuildKit does.
    subprocess.run(["cp", "-a", f"{bundle}/.", image], check=True)
    assert (image / "lib/own").read_text() == "of the image"
    for root in (bundle, image):
        subprocess.run(["/usr/sbin/chroot", root, "/bin/ls", "/"], env={}, check=True)

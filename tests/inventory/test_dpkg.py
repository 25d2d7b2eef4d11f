"""The database of dpkg: this machine's, judged by dpkg-query, and small ones of every kind."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TypeVar

import pytest

from magicpak import Options
from magicpak.host import Host
from magicpak.inventory import Inventory
from magicpak.plan import Bundle
from magicpak.stages import inputs, libraries
from magicpak.stages.run import no_progress, opened
from support.packages import DPKG, diverted, dpkg, listing, look_at, names, owners_by_dpkg, stanza

T = TypeVar("T")


def installed() -> list[str]:
    run = subprocess.run(
        ["dpkg-query", "-W", "-f", "${binary:Package}\n"], capture_output=True, check=True
    )
    return sorted(run.stdout.decode().split())


def spread(sequence: list[T], count: int) -> list[T]:
    """Choose so many of a sequence, from its beginning to its end."""
    return sequence[:: max(1, len(sequence) // count)][:count]


def spellings(path: str) -> set[str]:
    return {path, f"/usr{path}", path.removeprefix("/usr")}


@pytest.mark.needs("dpkg-query")
def test_all_files_of_forty_packages_belong_where_dpkg_says() -> None:
    run = subprocess.run(
        ["dpkg-query", "-L", *spread(installed(), 40)], capture_output=True, text=True, check=True
    )
    found = {line for line in run.stdout.splitlines() if line.startswith("/")} - {"/."} - diverted()
    judge = owners_by_dpkg(spelling for path in found for spelling in spellings(path))
    owners = names(Inventory(Host()).owners(found))
    for path in sorted(found):
        expected = set().union(*(judge.get(spelling, set()) for spelling in spellings(path)))
        if len(expected) > 1 and os.path.isdir(path):
            assert path not in owners
        else:
            assert {owners[path]} == expected, path


@pytest.mark.needs("dpkg-query", "cc")
def test_what_three_hundred_programs_need_belongs_where_dpkg_says(tmp_path: Path) -> None:
    programs = [path for path in sorted(Path("/usr/bin").iterdir()) if elf(path)]
    options = Options(tuple(map(str, spread(programs, 300))), str(tmp_path / "out"))
    with opened(options, no_progress) as run:
        bundle = libraries.resolve(run, inputs.place(run, Bundle()))
    owners = names(Inventory(Host()).owners_in(bundle))
    moved = diverted()
    paths = [str(path) for path, _ in bundle if path not in moved]
    judge = owners_by_dpkg(spelling for path in paths for spelling in spellings(path))
    for path in paths:
        expected = set().union(*(judge.get(spelling, set()) for spelling in spellings(path)))
        if expected:
            assert {owners.get(path)} == expected, path
        elif not os.path.islink(path):  # dpkg knows no link that alternatives or ldconfig made
            assert path not in owners


def elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


@pytest.mark.needs("dpkg-query")
def test_fifty_thousand_files_take_less_than_a_second() -> None:
    lists = Path("/var/lib/dpkg/info").glob("*.list")
    listed = {line for path in lists for line in path.read_text().splitlines()}
    asked = sorted(path for path in listed if not os.path.isdir(path))[:50_000]
    start = time.process_time()
    owners = Inventory(Host()).owners(asked)
    # It is 0.2 s where nothing else runs; a process for each file would be minutes.
    assert time.process_time() - start < 1
    assert len(owners) > 0.99 * len(asked)


def test_a_package_says_where_it_comes_from(tmp_path: Path) -> None:
    maintainer = "GNU Libc Maintainers <debian-glibc@lists.debian.org>"
    status = stanza(
        "libc6", "Multi-Arch: same", "Source: glibc (2.36-9)", f"Maintainer: {maintainer}",
        "Description: GNU C Library\n long text\n .\n Version: 9", version="2.36-9+b1",
    )  # fmt: skip
    inventory = look_at(tmp_path / "root", dpkg({"libc6:amd64": ["/lib/libc.so.6"]}, status))
    (package,) = inventory.find("libc6")
    assert package == inventory.owner("/lib/libc.so.6")
    assert package[1:7] == ("libc6", "2.36-9+b1", "amd64", "glibc", "2.36-9", maintainer)
    assert package.record == status.rstrip("\n") + "\n"


@pytest.mark.parametrize(("field", "source"), [
    ("", ("tool", "1:2-3")),
    ("Source: other", ("other", "1:2-3")),
    ("Source: other (4)", ("other", "4")),
])  # fmt: skip
def test_the_source_package_is_its_own_unless_it_says(
    tmp_path: Path, field: str, source: tuple[str, str]
) -> None:
    status = stanza("tool", *filter(None, [field]), version="1:2-3")
    (package,) = look_at(tmp_path / "root", dpkg({"tool": []}, status)).find("tool")
    assert (package.source, package.source_version) == source


def test_a_package_for_several_architectures_is_named_with_its_own(tmp_path: Path) -> None:
    packages = {
        "libz:amd64": ["/usr/lib/x86_64-linux-gnu/libz.so.1", "/usr/share/doc/libz/copyright"],
        "libz:i386": ["/usr/lib/i386-linux-gnu/libz.so.1", "/usr/share/doc/libz/copyright"],
        "tool": ["/usr/bin/tool"],
    }
    stanzas = [stanza("libz", "Multi-Arch: same", architecture=arch) for arch in ("amd64", "i386")]
    status = (*stanzas, stanza("tool", architecture="i386"))
    inventory = look_at(tmp_path / "root", dpkg(packages, *status))
    owners = inventory.owners([path for paths in packages.values() for path in paths])
    assert {path: str(package) for path, package in owners.items()} == {
        "/usr/lib/x86_64-linux-gnu/libz.so.1": "libz:amd64",
        "/usr/lib/i386-linux-gnu/libz.so.1": "libz:i386",
        "/usr/share/doc/libz/copyright": "libz:amd64",
        "/usr/bin/tool": "tool:i386",
    }
    assert [str(package) for package in inventory.find("libz")] == ["libz:amd64", "libz:i386"]
    assert [str(package) for package in inventory.find("libz:i386")] == ["libz:i386"]


def test_a_diverted_path_belongs_to_the_diverting_package(tmp_path: Path) -> None:
    files = dpkg({"dash": ["/bin/sh"], "bash": ["/bin/sh", "/bin/bash"]})
    files[f"{DPKG}/diversions"] = "/bin/sh\n/bin/sh.distrib\ndash\n"
    inventory = look_at(tmp_path / "root", {"usr/bin/sh": "", **files}, {"bin": "usr/bin"})
    asked = ["/bin/sh", "/usr/bin/sh", "/bin/sh.distrib", "/usr/bin/sh.distrib", "/bin/bash"]
    assert names(inventory.owners(asked)) == {
        "/bin/sh": "dash", "/usr/bin/sh": "dash", "/bin/bash": "bash",
        "/bin/sh.distrib": "bash", "/usr/bin/sh.distrib": "bash",
    }  # fmt: skip
    assert names(inventory.owners(["/bin/sh.distrib"])) == {"/bin/sh.distrib": "bash"}
    (bash,) = inventory.find("bash")
    assert set(inventory.files(bash)) == {"/bin", "/bin/sh.distrib", "/bin/bash"}


def test_what_the_administrator_diverted_belongs_to_nobody_where_it_was(tmp_path: Path) -> None:
    files = dpkg({"tool": ["/usr/bin/tool"]})
    files[f"{DPKG}/diversions"] = "/usr/bin/tool\n/usr/bin/tool.real\n:\n"
    owners = look_at(tmp_path / "root", files).owners(["/usr/bin/tool", "/usr/bin/tool.real"])
    assert names(owners) == {"/usr/bin/tool.real": "tool"}


def test_a_diversion_of_one_spelling_does_not_move_the_other(tmp_path: Path) -> None:
    # So base-files of Debian 13 keeps what other packages have in /lib64 from going.
    loader = "ld-linux-x86-64.so.2"
    files = dpkg({"libc6": [f"/usr/lib64/{loader}"], "base-files": ["/usr/bin/x"]})
    files[f"{DPKG}/diversions"] = f"/lib64/{loader}\n/lib64/{loader}.usr-is-merged\nbase-files\n"
    inventory = look_at(
        tmp_path / "root", {f"usr/lib64/{loader}": "", **files}, {"lib64": "usr/lib64"}
    )
    assert names(inventory.owners([f"/lib64/{loader}"])) == {f"/lib64/{loader}": "libc6"}


@pytest.mark.parametrize("lead", ["", "./", "/"])
def test_an_image_without_dpkg_has_its_packages_in_status_d(tmp_path: Path, lead: str) -> None:
    digest = "0123456789abcdef0123456789abcdef"
    files = {
        f"{DPKG}/status.d/libssl3": stanza("libssl3", version="3.0.17").replace(
            "Status: install ok installed\n", ""
        ),
        f"{DPKG}/status.d/libssl3.md5sums": f"{digest}  {lead}usr/lib/libssl.so.3\n",
    }
    inventory = look_at(tmp_path / "root", files)
    (package,) = inventory.find("libssl3")
    assert (package.version, package.state) == ("3.0.17", "installed")
    assert inventory.owners(["/usr/lib/libssl.so.3"]) == {"/usr/lib/libssl.so.3": package}
    assert inventory.files(package) == ("/usr/lib/libssl.so.3",)
    assert inventory.checksums(package) == {"/usr/lib/libssl.so.3": digest}


def test_checksums_are_by_the_path_where_a_file_is(tmp_path: Path) -> None:
    digest = "0123456789abcdef0123456789abcdef"
    files = dpkg({"tool:amd64": ["/usr/bin/tool"]}, stanza("tool", "Multi-Arch: same"))
    files[f"{DPKG}/info/tool:amd64.md5sums"] = f"{digest}  usr/bin/tool\n"
    files[f"{DPKG}/diversions"] = "/usr/bin/tool\n/usr/bin/tool.real\nother\n"
    inventory = look_at(tmp_path / "root", files)
    assert inventory.checksums(*inventory.find("tool")) == {"/usr/bin/tool.real": digest}


def test_the_licence_is_the_copyright_file_also_of_a_shared_directory(tmp_path: Path) -> None:
    files = {"usr/share/doc/gcc-base/copyright": "text", **dpkg({"libgcc": []})}
    inventory = look_at(tmp_path / "root", files, {"usr/share/doc/libgcc": "gcc-base"})
    (package,) = inventory.find("libgcc")
    assert inventory.licence_files(package) == ("/usr/share/doc/libgcc/copyright",)


def test_a_package_without_a_copyright_file_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inventory = look_at(tmp_path / "root", dpkg({"tool": ["/usr/bin/tool"]}))
    assert inventory.licence_files(*inventory.find("tool")) == ()
    assert caplog.messages == [
        "tool:amd64 has no copyright file: /usr/share/doc/tool/copyright is not there"
    ]


@pytest.mark.parametrize(
    "state", ["half-configured", "unpacked", "half-installed", "triggers-pending"]
)
def test_a_package_that_is_not_configured_is_told_and_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    status = stanza("tool", f"Status: install ok {state}") + stanza("other", f"Status: a b {state}")
    inventory = look_at(
        tmp_path / "root", dpkg({"tool": ["/usr/bin/tool"], "other": ["/usr/bin/other"]}, status)
    )
    owner = inventory.owner("/usr/bin/tool")
    assert owner is not None
    assert (owner.version, owner.state) == ("1", state)
    assert inventory.find("tool") == (owner,)
    assert caplog.messages == [
        f"dpkg has tool:amd64 as {state}: not all its files may be of its version"
    ]


def test_a_removed_package_still_has_its_configuration_files(tmp_path: Path) -> None:
    status = stanza("tool", "Status: deinstall ok config-files")
    inventory = look_at(tmp_path / "root", dpkg({"tool": ["/etc/tool.conf"]}, status))
    assert names(inventory.owners(["/etc/tool.conf"])) == {"/etc/tool.conf": "tool"}
    assert inventory.find("tool") == ()


def test_a_package_that_was_removed_for_another_architecture_is_not_taken_for_the_installed_one(
    tmp_path: Path,
) -> None:
    removed = stanza("tool", "Status: deinstall ok config-files", architecture="amd64")
    status = removed + stanza("tool", architecture="i386")
    inventory = look_at(tmp_path / "root", dpkg({"tool": ["/usr/bin/tool"]}, status))
    assert [str(package) for package in inventory.find("tool")] == ["tool:i386"]
    assert str(inventory.owner("/usr/bin/tool")) == "tool:i386"


BROKEN = {
    "a list that ends amid a line": (
        f"{DPKG}/info/tool.list", b"/.\n/usr/bin/tool\n/usr/bi",
        "/var/lib/dpkg/info/tool.list is damaged: not all files of the package may be known",
    ),
    "a list with zeros": (
        f"{DPKG}/info/tool.list", b"/.\n/usr/bin/tool\n\0\0\0\n",
        "/var/lib/dpkg/info/tool.list is damaged: not all files of the package may be known",
    ),
    "a status without the package": (
        f"{DPKG}/status", stanza("other").encode(),
        "tool has a list of files, but dpkg's status says nothing of it",
    ),
    "no status": (
        f"{DPKG}/status", None, "tool has a list of files, but dpkg's status says nothing of it",
    ),
    "a status without a version": (
        f"{DPKG}/status", b"Package: tool\nStatus: install ok installed\n",
        "dpkg's status has no version of tool",
    ),
    "a status that begins with zeros": (
        f"{DPKG}/status", b"\0\0\0\n\n" + stanza("tool").encode(),
        "/var/lib/dpkg/status is damaged: a stanza without Package is left aside",
    ),
    "a diversion cut off": (
        f"{DPKG}/diversions", b"/bin/sh\n/bin/sh.distrib\n",
        "/var/lib/dpkg/diversions is damaged: its last line is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("path", "content", "message"), BROKEN.values(), ids=BROKEN)
def test_damage_is_told_and_what_is_known_counts(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    path: str,
    content: bytes | None,
    message: str,
) -> None:
    files = {**dpkg({"tool": ["/usr/bin/tool"]}), path: content}
    sound = {path: content for path, content in files.items() if content is not None}
    inventory = look_at(tmp_path / "root", sound)
    assert names(inventory.owners(["/usr/bin/tool"])) == {"/usr/bin/tool": "tool"}
    assert message in caplog.messages


def test_an_installed_package_without_a_list_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    status = [stanza(name) for name in ("a", "b", "c", "d", "e")]
    removed = stanza("f", "Status: deinstall ok config-files")
    inventory = look_at(tmp_path / "root", dpkg({"e": ["/usr/bin/e"]}, *status, removed))
    assert names(inventory.owners(["/usr/bin/e"])) == {"/usr/bin/e": "e"}
    assert caplog.messages == [
        "dpkg has no list of the files of a:amd64, b:amd64, c:amd64 and 1 more"
    ]


def test_a_fifo_in_the_place_of_a_file_is_told_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inventory = look_at(tmp_path / "root", {f"{DPKG}/status": stanza("tool")})
    (tmp_path / "root" / DPKG / "info").mkdir()
    os.mkfifo(tmp_path / "root" / DPKG / "info/tool.list")
    assert inventory.owner("/usr/bin/tool") is None
    assert caplog.messages == [
        "/var/lib/dpkg/info/tool.list cannot be read: it is not a regular file"
    ]


def test_names_that_are_no_utf_8_are_found(tmp_path: Path) -> None:
    path = os.fsdecode(b"/usr/share/caf\xe9\x85/\xe2\x80\xa8")
    files = {f"{DPKG}/info/tool.list": os.fsencode(listing(path)), f"{DPKG}/status": stanza("tool")}
    inventory = look_at(tmp_path / "root", files)
    assert names(inventory.owners([path])) == {path: "tool"}
    assert path in inventory.files(*inventory.find("tool"))

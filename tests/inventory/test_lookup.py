"""Which package a path belongs to, whatever its spelling, and whatever leads to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from magicpak.host import Host
from magicpak.host.sysroot import Sysroot
from magicpak.inventory import Inventory
from magicpak.plan import Bundle, BundlePath, Origin, Placed, Why
from support.packages import APK, DPKG, dpkg, look_at, names

LIBC = "x86_64-linux-gnu/libc.so.6"


@pytest.mark.parametrize("listed", [f"/lib/{LIBC}", f"/usr/lib/{LIBC}"])
@pytest.mark.parametrize("asked", [f"/lib/{LIBC}", f"/usr/lib/{LIBC}", f"/usr/bin/../lib/{LIBC}"])
def test_both_spellings_of_a_merged_usr_are_one_file(
    tmp_path: Path, listed: str, asked: str
) -> None:
    files = {f"usr/lib/{LIBC}": "", "usr/bin/x": "", **dpkg({"libc6:amd64": [listed]})}
    inventory = look_at(tmp_path / "root", files, {"lib": "usr/lib", "bin": "usr/bin"})
    assert names(inventory.owners([asked])) == {asked: "libc6"}


@pytest.mark.parametrize(("link", "text", "listed", "asked"), [
    ("usr/sbin", "bin", "/usr/sbin/tool", "/usr/bin/tool"),
    ("var/run", "/run", "/var/run/tool", "/run/tool"),
    ("sbin", "usr/bin", "/sbin/tool", "/usr/bin/tool"),
    ("usr/lib64", "lib", "/usr/lib64/deep/tool", "/usr/lib/deep/tool"),
])  # fmt: skip
def test_any_directory_of_the_system_may_be_a_link(
    tmp_path: Path, link: str, text: str, listed: str, asked: str
) -> None:
    files = {asked.lstrip("/"): "", **dpkg({"tool": [listed]})}
    inventory = look_at(tmp_path / "root", files, {link: text})
    assert names(inventory.owners([asked, listed])) == {asked: "tool", listed: "tool"}


def test_a_link_on_the_way_deeper_down_is_followed(tmp_path: Path) -> None:
    files = {"usr/lib/a/tool": "", **dpkg({"tool": ["/usr/lib/a/tool"]})}
    inventory = look_at(tmp_path / "root", files, {"opt/b/c": "/usr/lib/a"})
    assert names(inventory.owners(["/opt/b/c/tool"])) == {"/opt/b/c/tool": "tool"}


def test_where_nothing_is_merged_the_spellings_are_two_files(tmp_path: Path) -> None:
    files = {"lib/x": "", "usr/lib/x": "", **dpkg({"a": ["/lib/x"], "b": ["/usr/lib/x"]})}
    owners = look_at(tmp_path / "root", files).owners(["/lib/x", "/usr/lib/x"])
    assert names(owners) == {"/lib/x": "a", "/usr/lib/x": "b"}


@pytest.mark.parametrize("text", ["/etc/alternatives/awk", "../../etc/alternatives/awk"])
def test_alternatives_lead_to_the_package_of_their_target(tmp_path: Path, text: str) -> None:
    files = {"usr/bin/mawk": "", **dpkg({"mawk": ["/usr/bin/mawk"]})}
    links = {"usr/bin/awk": text, "etc/alternatives/awk": "/usr/bin/mawk", "bin": "usr/bin"}
    asked = ["/bin/awk", "/usr/bin/awk", "/etc/alternatives/awk"]
    owners = look_at(tmp_path / "root", files, links).owners(asked)
    assert names(owners) == dict.fromkeys(asked, "mawk")


def test_a_soname_link_that_ldconfig_made_belongs_with_the_library_beside_it(
    tmp_path: Path,
) -> None:
    files = {"usr/lib/libz.so.1.3": "", **dpkg({"zlib1g": ["/usr/lib/libz.so.1.3"]})}
    inventory = look_at(tmp_path / "root", files, {"usr/lib/libz.so.1": "libz.so.1.3"})
    assert names(inventory.owners(["/usr/lib/libz.so.1"])) == {"/usr/lib/libz.so.1": "zlib1g"}


def test_a_link_that_a_user_made_elsewhere_belongs_to_no_package(tmp_path: Path) -> None:
    files = {"usr/bin/tool": "", **dpkg({"tool": ["/usr/bin/tool"]})}
    inventory = look_at(tmp_path / "root", files, {"usr/local/bin/tool": "/usr/bin/tool"})
    assert inventory.owner("/usr/local/bin/tool") is None


def test_alternatives_in_a_circle_belong_to_no_package(tmp_path: Path) -> None:
    links = {"etc/alternatives/a": "/etc/alternatives/b", "etc/alternatives/b": "a"}
    inventory = look_at(tmp_path / "root", dpkg({"tool": ["/usr/bin/tool"]}), links)
    assert inventory.owners(["/etc/alternatives/a", "/etc/alternatives/b"]) == {}


@pytest.mark.needs("dpkg-query")
@pytest.mark.parametrize("path", ["sh", "./sh", "../bin/sh"])
def test_a_relative_path_is_one_of_the_working_directory(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/usr/bin")
    owners = names(Inventory(Host()).owners(["/sh", path, "/usr/bin/sh"]))
    assert owners.keys() == {path, "/usr/bin/sh"}
    assert len(set(owners.values())) == 1


@pytest.mark.parametrize("path", ["/", "/..", "//", ".", "", "/usr/bin/tool/", "/usr//bin/tool"])
def test_any_path_can_be_asked_about(tmp_path: Path, path: str) -> None:
    inventory = look_at(tmp_path / "root", dpkg({"tool": ["/usr/bin/tool"]}))
    owner = inventory.owner(path)
    assert (owner and owner.name) == ("tool" if "tool" in path else None)


def test_a_directory_that_several_packages_share_belongs_to_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    packages = {"a": ["/usr/lib/shared/a"], "b": ["/usr/lib/shared/b", "/usr/lib/own/b"]}
    files = {"usr/lib/shared/a": "", "usr/lib/own/b": "", **dpkg(packages)}
    owners = look_at(tmp_path / "root", files).owners(["/usr/lib/shared", "/usr/lib/own"])
    assert names(owners) == {"/usr/lib/own": "b"}
    assert caplog.messages == []


def test_a_file_that_two_packages_have_is_told_and_counts_for_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {"usr/bin/x": "", "usr/bin/y": ""}
    packages = dpkg({"b": ["/usr/bin/x", "/usr/bin/y"], "a": ["/usr/bin/x", "/usr/bin/y"]})
    owners = look_at(tmp_path / "root", files | packages).owners(["/usr/bin/y", "/usr/bin/x"])
    assert names(owners) == {"/usr/bin/x": "a", "/usr/bin/y": "a"}
    assert caplog.messages == [
        "/usr/bin/x belongs to a:amd64 and to b:amd64: counted as a file of the first"
    ]


def test_a_root_may_have_several_databases(tmp_path: Path) -> None:
    apk = "P:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\nR:ld-musl-x86_64.so.1\n\n"
    inventory = look_at(tmp_path / "root", {APK: apk, **dpkg({"tool": ["/usr/bin/tool"]})})
    owners = inventory.owners(["/usr/bin/tool", "/lib/ld-musl-x86_64.so.1"])
    assert {package.type.value for package in owners.values()} == {"deb", "apk"}
    assert [package.version for package in inventory.find("musl")] == ["1.2.5-r0"]


def test_a_root_without_a_database_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inventory = look_at(tmp_path / "root", {"usr/bin/tool": ""})
    assert inventory.owner("/usr/bin/tool") is None
    assert inventory.find("tool") == ()
    assert caplog.messages == [
        f"no database of dpkg, rpm or apk is below {tmp_path}/root: no package is known"
    ]


class Untouched(Sysroot):
    """A root that nobody may look at."""

    def __getattribute__(self, name: str) -> object:
        raise AssertionError(f"{name} was used")


def test_nothing_is_read_before_somebody_asks() -> None:
    inventory = Inventory(Untouched.__new__(Untouched))
    with pytest.raises(AssertionError, match="was used"):
        inventory.owner("/usr/bin/tool")


@pytest.mark.parametrize("database", [f"{DPKG}/status", f"{DPKG}/info", "var/lib", APK])
def test_a_link_does_not_lead_out_of_the_sysroot(tmp_path: Path, database: str) -> None:
    outside = tmp_path / "outside"
    # All that the link may lead to would do.
    files = dpkg({"tool": ["/usr/bin/tool"]})
    files |= {path.removeprefix("var/lib/"): text for path, text in files.items()}
    files |= {path.removeprefix("dpkg/"): text for path, text in files.items()}
    look_at(outside, files | {"installed": "P:tool\nF:usr/bin\nR:tool\n"})
    target = outside / database.removeprefix("var/lib").removeprefix("/dpkg/").split("/")[-1]
    inventory = look_at(tmp_path / "root", {"usr/bin/tool": ""}, {database: str(target)})
    assert target.exists()
    assert inventory.owner("/usr/bin/tool") is None


def test_an_absolute_link_to_the_database_is_taken_below_the_sysroot(tmp_path: Path) -> None:
    files = {path.replace("var/lib", "data"): text for path, text in dpkg({"a": ["/x"]}).items()}
    inventory = look_at(tmp_path / "root", files, {"var/lib": "/data"})
    assert names(inventory.owners(["/x"])) == {"/x": "a"}


def test_an_entry_of_a_plan_belongs_where_its_source_does(tmp_path: Path) -> None:
    files = {"usr/bin/tool": "content", **dpkg({"tool": ["/usr/bin/tool"]})}
    links = {"usr/bin/t": "/etc/alternatives/t", "etc/alternatives/t": "/usr/bin/tool"}
    inventory = look_at(tmp_path / "root", files, links)
    host = Host(str(tmp_path / "root"))
    made_from = {BundlePath("/bin/app"): "/usr/bin/tool", BundlePath("/usr/bin/t"): "/usr/bin/t"}
    bundle = Bundle()
    for place, source in made_from.items():
        bundle = bundle.add(host.entries(source, place, Origin(Why.INPUT, source)))
    assert names(inventory.owners_in(bundle)) == dict.fromkeys(
        ("/bin/app", "/etc/alternatives/t", "/usr/bin/t", "/usr/bin/tool"), "tool"
    )


@pytest.mark.parametrize("why", [Why.PARENT, Why.MKDIR, Why.MERGED, Why.CACHE])
def test_an_entry_that_was_made_for_the_bundle_belongs_to_no_package(
    tmp_path: Path, why: Why
) -> None:
    files = {"var/lib/tool/x": "", **dpkg({"tool": ["/var/lib/tool/x"]})}
    inventory = look_at(tmp_path / "root", files)
    host = Host(str(tmp_path / "root"))
    entry = host.directory(BundlePath("/var/lib/tool"))
    bundle = Bundle().add([Placed(BundlePath("/var/lib/tool"), entry, Origin(why))])
    assert inventory.owners_in(bundle) == {}
    bundle = bundle.add([Placed(BundlePath("/var/lib/tool"), entry, Origin(Why.INCLUDED, "/var"))])
    assert names(inventory.owners_in(bundle)) == {"/var/lib/tool": "tool"}

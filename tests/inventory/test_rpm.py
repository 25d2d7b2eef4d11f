"""The database of rpm, in its three formats, judged by rpm(8)."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

from magicpak.host import Host
from magicpak.inventory import Inventory
from magicpak.inventory.bdb import OVERFLOW
from support.packages import look_at, names
from support.rpms import bdb, header, headers_in, ndb

DATABASE = "var/lib/rpm"
STORE = f"{DATABASE}/rpmdb.sqlite"
SUBPACKAGES = 40
SPEC = """\
Name: tiny
Epoch: 1
Version: 1.2
Release: 3.fc40
Summary: A test
License: MIT OR Apache-2.0
Vendor: Vendor's <vendor@example.org>
BuildArch: noarch
%description
A test.
{subpackages}
%install
mkdir -p %{{buildroot}}/usr/bin %{{buildroot}}/usr/share/licenses/tiny %{{buildroot}}/usr/share/many
echo text > %{{buildroot}}/usr/bin/tiny
echo text > %{{buildroot}}/usr/share/licenses/tiny/LICENSE
for i in $(seq {count}); do echo $i > %{{buildroot}}/usr/share/many/$i; done
for i in $(seq 3000); do echo > %{{buildroot}}/usr/share/many/a-file-of-many-number-$i; done
%files
/usr/bin/tiny
%license /usr/share/licenses/tiny/LICENSE
"""
SUBPACKAGE = """
%package -n sub{i}
Version: {i}
Summary: Part {i}
%description -n sub{i}
{text}
%files -n sub{i}
/usr/share/many/{i}
"""
MANIFEST = (
    "%{NAME}\\t%{VERSION}-%{RELEASE}\\t%{INSTALLTIME}\\t%{BUILDTIME}\\t%{VENDOR}\\t%{EPOCH}"
    "\\t%{SIZE}\\t%{ARCH}\\t%{EPOCHNUM}\\t%{SOURCERPM}\\n"
)
"""How the manifest of distroless images is made."""
BY_RPM = pytest.mark.needs("rpm", "rpmbuild")


def rpm(database: Path, *arguments: str | Path) -> str:
    run = subprocess.run(
        ["rpm", "--dbpath", database, *arguments], capture_output=True, text=True, check=True
    )
    return run.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root in which rpm installed packages; the database needs all kinds of pages."""
    top = tmp_path_factory.mktemp("rpm")
    parts = [SUBPACKAGE.format(i=i, text="x" * i * 20) for i in range(1, SUBPACKAGES + 1)]
    parts[0] += "/usr/share/many/a-file-of-many-number-*\n"
    spec = top / "tiny.spec"
    spec.write_text(SPEC.format(subpackages="".join(parts), count=SUBPACKAGES))
    build = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}/build", spec]
    subprocess.run(build, capture_output=True, check=True)
    database = top / "root" / DATABASE
    database.mkdir(parents=True)
    packages = sorted((top / "build").rglob("*.rpm"))
    rpm(database, "-i", "--justdb", "--nodeps", *packages)
    return top / "root"


@pytest.fixture(params=[
    "sqlite",
    "ndb",
    pytest.param("bdb", marks=pytest.mark.needs("db5.3_load")),
    pytest.param("bdb of another byte order", marks=pytest.mark.needs("db5.3_load")),
])  # fmt: skip
def root(request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> Path:
    """The same packages in each of the formats."""
    if request.param == "sqlite":
        return built
    store = tmp_path / "root" / DATABASE
    store.mkdir(parents=True)
    if request.param == "ndb":
        (store / "Packages.db").write_bytes(ndb(headers_in(built / STORE)))
    else:
        bdb(store / "Packages", headers_in(built / STORE), 1234 if request.param == "bdb" else 4321)
    return tmp_path / "root"


@BY_RPM
def test_every_file_belongs_where_rpm_says(built: Path, root: Path) -> None:
    shown = rpm(built / DATABASE, "-qa", "--qf", "[%{=NAME} %{FILENAMES}\\n]")
    expected = dict(line.split(" ", 1)[::-1] for line in shown.splitlines())
    assert len(expected) == 3000 + SUBPACKAGES + 2
    inventory = Inventory(Host(str(root)))
    assert names(inventory.owners([*expected, "/usr/bin/other"])) == expected


@BY_RPM
def test_a_package_says_what_rpm_says(built: Path, root: Path) -> None:
    shown = rpm(built / DATABASE, "-qa", "--qf", MANIFEST).splitlines(keepends=True)
    inventory = Inventory(Host(str(root)))
    expected = {line.split("\t")[0]: line for line in shown}
    assert len(expected) == SUBPACKAGES + 1
    for name, line in expected.items():
        (package,) = inventory.find(name)
        assert package.record == line
    (tiny,) = inventory.find("tiny")
    assert tiny.type.value == "rpm"
    assert tiny[1:8] == (
        "tiny", "1:1.2-3.fc40", "noarch", "tiny", "1.2-3.fc40",
        "Vendor's <vendor@example.org>", "MIT OR Apache-2.0",
    )  # fmt: skip
    assert inventory.files(tiny) == ("/usr/bin/tiny", "/usr/share/licenses/tiny/LICENSE")
    assert inventory.licence_files(tiny) == ("/usr/share/licenses/tiny/LICENSE",)
    assert inventory.checksums(tiny) == {}
    (sub,) = inventory.find("sub7")
    assert (sub.version, sub.source, sub.source_version) == ("1:7-3.fc40", "tiny", "1.2-3.fc40")
    assert inventory.files(sub) == ("/usr/share/many/7",)


@BY_RPM
@pytest.mark.parametrize("place", ["usr/lib/sysimage/rpm", "var/lib/rpm"])
def test_the_database_is_below_usr_or_var(built: Path, tmp_path: Path, place: str) -> None:
    content = (built / STORE).read_bytes()
    inventory = look_at(tmp_path / "root", {f"{place}/rpmdb.sqlite": content})
    assert names(inventory.owners(["/usr/bin/tiny"])) == {"/usr/bin/tiny": "tiny"}


@BY_RPM
def test_a_link_from_one_place_to_the_other_makes_no_second_database(
    built: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = (built / STORE).read_bytes()
    files = {"usr/lib/sysimage/rpm/rpmdb.sqlite": content}
    inventory = look_at(tmp_path / "root", files, {"var/lib/rpm": "../../usr/lib/sysimage/rpm"})
    assert len(inventory.find("tiny")) == 1
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["rpmdb.sqlite", "Packages.db", "Packages"])
@pytest.mark.parametrize("content", [b"", b"no database", bytes(100_000)])
def test_what_is_no_database_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, content: bytes
) -> None:
    inventory = look_at(tmp_path / "root", {f"{DATABASE}/{name}": content})
    assert inventory.owner("/usr/bin/tiny") is None
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"/var/lib/rpm/{name} cannot be read to its end: ")


def test_a_key_that_rpm_trusts_is_no_package(tmp_path: Path) -> None:
    store = ndb([header("gpg-pubkey"), header("tiny", "/usr/bin/tiny")])
    inventory = look_at(tmp_path / "root", {f"{DATABASE}/Packages.db": store})
    assert inventory.find("gpg-pubkey") == ()
    assert inventory.owner("/usr/bin/tiny") is not None


def test_a_fifo_in_the_place_of_the_database_is_told_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inventory = look_at(tmp_path / "root", {f"{DATABASE}/.rpm.lock": b""})
    os.mkfifo(tmp_path / "root" / STORE)
    assert inventory.owner("/usr/bin/tiny") is None
    assert caplog.messages == [
        "/var/lib/rpm/rpmdb.sqlite cannot be read to its end: it is not a regular file; "
        "see rpm --rebuilddb"
    ]


def test_a_damaged_package_is_told_and_the_others_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    headers = [header("a", "/a"), header("b", "/b")[:-1], header("c", "/c")]
    inventory = look_at(tmp_path / "root", {f"{DATABASE}/Packages.db": ndb(headers)})
    assert names(inventory.owners(["/a", "/b", "/c"])) == {"/a": "a", "/c": "c"}
    assert caplog.messages == [
        "/var/lib/rpm/Packages.db is damaged: a package in it cannot be read: it is cut off"
    ]


@pytest.mark.needs("db5.3_load")
@pytest.mark.parametrize(("used", "length"), [(0, None), (4070, 1 << 31)])
def test_pages_that_lead_in_a_circle_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, used: int, length: int | None
) -> None:
    blob = header("tiny" * 2000, "/usr/bin/tiny")
    bdb(tmp_path / "Packages", [blob])
    content, page = bytearray((tmp_path / "Packages").read_bytes()), 4096
    said = content.index(struct.pack("<I", len(blob)))
    content[said : said + 4] = struct.pack("<I", length or len(blob))
    for at in range(0, len(content), page):
        if content[at + 25] == OVERFLOW:
            content[at + 16 : at + 24] = struct.pack("<IHH", at // page, 0, used)
    inventory = look_at(tmp_path / "root", {f"{DATABASE}/Packages": bytes(content)})
    assert inventory.owner("/usr/bin/tiny") is None
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("/var/lib/rpm/Packages cannot be read to its end: ")

"""Package URLs, and the distribution that they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from magicpak.host import Host
from magicpak.inventory import Package, PackageType
from magicpak.inventory.os_release import Distribution, distribution, parse
from magicpak.inventory.purl import purl
from support.packages import look_at

DEB, RPM, APK = PackageType.DEB, PackageType.RPM, PackageType.APK
DEBIAN = Distribution("debian", "12")
FEDORA = Distribution("fedora", "40")


@pytest.mark.parametrize(("package", "where", "expected"), [
    (
        Package(DEB, "libssl3", "3.0.17-1~deb12u2", "amd64"), DEBIAN,
        "pkg:deb/debian/libssl3@3.0.17-1~deb12u2?arch=amd64&distro=debian-12",
    ),
    (
        Package(DEB, "libstdc++6", "1:12.2.0-14+deb12u1", "amd64"), Distribution("ubuntu", "24.04"),
        "pkg:deb/ubuntu/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1?arch=amd64&distro=ubuntu-24.04",
    ),
    (Package(DEB, "tool", "1", "all"), Distribution(), "pkg:deb/debian/tool@1?arch=all"),
    (
        Package(DEB, "tool", "1", "all"), Distribution("debian"),
        "pkg:deb/debian/tool@1?arch=all&distro=debian",
    ),
    (Package(DEB, "tool", "", ""), DEBIAN, "pkg:deb/debian/tool?distro=debian-12"),
    (
        Package(RPM, "NetworkManager", "1:1.46.0-2.fc40", "x86_64"), FEDORA,
        "pkg:rpm/fedora/NetworkManager@1.46.0-2.fc40?arch=x86_64&distro=fedora-40&epoch=1",
    ),
    (
        Package(RPM, "bash", "5.1.8-9.el9", "x86_64"), Distribution("rhel", "9.4"),
        "pkg:rpm/redhat/bash@5.1.8-9.el9?arch=x86_64&distro=rhel-9.4",
    ),
    (
        Package(RPM, "bash", "5.2-1", "x86_64"), Distribution("opensuse-leap", "15.6"),
        "pkg:rpm/opensuse/bash@5.2-1?arch=x86_64&distro=opensuse-leap-15.6",
    ),
    (
        Package(APK, "musl", "1.2.5-r0", "x86_64"), Distribution("alpine", "3.20.1"),
        "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1",
    ),
    (
        Package(APK, "a%b c/d", "1?&#@é", "x"), Distribution("wolfi", "1"),
        "pkg:apk/wolfi/a%25b%20c%2Fd@1%3F%26%23%40%C3%A9?arch=x&distro=wolfi-1",
    ),
])  # fmt: skip
def test_a_package_url_names_it_with_its_distribution(
    package: Package, where: Distribution, expected: str
) -> None:
    assert purl(package, where) == expected


@pytest.mark.parametrize(("text", "expected"), [
    ("ID=debian\nVERSION_ID=12\n", DEBIAN),
    ("ID='fedora'\nVERSION_ID=\"40\"\n", FEDORA),
    ("# ID=x\n\n  ID=debian\nVERSION_ID=12", DEBIAN),
    ('ID="rocky"\nID_LIKE="rhel fedora"', Distribution("rocky", like=("rhel", "fedora"))),
    (
        'NAME=x\nPRETTY_NAME="A \\"B\\" \\$C \\`D\\` \\\\ \\n"',
        Distribution(name='A "B" $C `D` \\ \\n'),
    ),
    ("NAME='Void'\nID=\"\"void''", Distribution("void", name="Void")),
    ("ID=arch\nID=later\n", Distribution("later")),
    ("ID=debian # not derived\n", Distribution("debian")),
    ('ID="never ended\nVERSION_ID=12\n', Distribution(version="12")),
    ("\0\0\n=\nID\nID =x\n", Distribution()),
])  # fmt: skip
def test_os_release_is_read_as_a_shell_does(text: str, expected: Distribution) -> None:
    assert parse(text) == expected


def test_os_release_is_looked_for_in_etc_then_in_usr_lib(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    host = Host(str(root))
    assert distribution(host) == Distribution()
    look_at(root, {"usr/lib/os-release": "ID=debian\nVERSION_ID=12\n"})
    assert distribution(host) == DEBIAN
    look_at(root, {"etc/os-release": "ID=fedora\nVERSION_ID=40\n"})
    assert distribution(host) == FEDORA


def test_os_release_does_not_lead_out_of_the_sysroot(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text("ID=outside\n")
    look_at(tmp_path / "root", {}, {"etc/os-release": "../../os-release"})
    assert distribution(Host(str(tmp_path / "root"))) == Distribution()

"""Package records tell scanners what is in the bundle, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.command import done, failed, magicpak, paths
from support.packages import APK, DPKG, dpkg, look_at, stanza
from support.programs import compile_c
from support.rpms import header, ndb, sqlite
from support.scanners import Seen, owning, scanned

pytestmark = pytest.mark.needs("cc", "dpkg")

OS_RELEASE = {"etc/os-release": 'ID=debian\nVERSION_ID="12"\n'}
STATUS = f"{DPKG}/status.d"
MANIFEST = "var/lib/rpmmanifest/container-manifest-2"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a static program and, beside it, data."""
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    program = compile_c(tmp_path / "program", "int main(void) { return 0; }", "-static")
    shutil.copy(program, root / "usr/bin/tool")
    look_at(root, {**OS_RELEASE, "usr/share/tool/data": "data", "usr/share/tool/more": "more"})
    return root


def pack(root: Path, *args: str, told: Sequence[str] = ()) -> Path:
    """Bundle the program with its data, and compare what was said of packages."""
    out = root.parent / "out"
    lines = done(magicpak(
        "--sysroot", root, "/usr/bin/tool", "--include", "/usr/share/tool", out,
        "--with", "package-db", *args,
    ))  # fmt: skip
    said = [line for line in lines if "statically linked" not in line]
    for expected in told:
        assert any(expected in line for line in said), lines
    assert len(said) == len(told), lines
    return out


PROGRAMS = {
    "curl": (),
    "git": ("--with", "auto"),
    "ffmpeg": (),
    "/usr/bin/python3": ("--dynamic", "--dynamic-arg=-c", "--dynamic-arg=import ssl, json"),
    "clang-format": ("--compress",),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_syft_sees_what_dpkg_says_is_there(tmp_path: Path, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    out = tmp_path / "out"
    run = magicpak(program, out, "--with", "package-db", *PROGRAMS[program], cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    scan = scanned(out)
    assert scan.packages == owning(out)
    assert len(scan.packages) > 3
    assert scan.distribution.startswith(("debian-", "ubuntu-"))
    assert all((out / f"usr/share/doc/{each.name}/copyright").is_file() for each in scan.packages)
    assert scan.licences["libc6"]


class TestDpkg:
    def test_a_record_has_the_stanza_and_the_sums_of_what_is_shipped(self, root: Path) -> None:
        described = stanza("tool", "Source: tools (2)", "Depends: libc6")
        sums = "0" * 32 + "  usr/share/tool/data\n" + "1" * 32 + "  usr/share/tool/absent\n"
        files = ("/usr/bin/tool", "/usr/share/tool/data", "/usr/share/tool/absent")
        others = {"other": ["/usr/bin/other"]}
        look_at(root, dpkg({"tool": files, **others}, described, stanza("other")))
        look_at(root, {
            f"{DPKG}/info/tool.md5sums": sums, "usr/share/doc/tool/copyright": "free",
            "etc/debian_version": "12.5\n", "etc/lsb-release": "DISTRIB_ID=x\n",
        })  # fmt: skip
        out = pack(root)
        assert (out / STATUS / "tool").read_text() == described.rstrip("\n") + "\n"
        assert (out / STATUS / "tool.md5sums").read_text() == "0" * 32 + "  usr/share/tool/data\n"
        assert paths(out) == {
            "/usr/bin/tool", "/usr/share/tool/data", "/usr/share/tool/more",
            "/usr/share/doc/tool/copyright", f"/{STATUS}/tool", f"/{STATUS}/tool.md5sums",
            "/etc/os-release", "/etc/debian_version", "/etc/lsb-release",
        }  # fmt: skip
        assert scanned(out).packages == {Seen("tool", "1", "amd64")}
        assert scanned(out).sources == {"tool": "tools"}

    def test_configuration_files_that_are_not_shipped_are_not_told(self, root: Path) -> None:
        conffiles = "Conffiles: \n /usr/share/tool/data 0123\n /etc/absent 4567"
        listed = {"tool": ["/usr/share/tool/data", "/etc/absent"]}
        look_at(root, dpkg(listed, stanza("tool", conffiles)))
        look_at(root, {"usr/share/doc/tool/copyright": "free"})
        text = (pack(root) / STATUS / "tool").read_text()
        assert "/usr/share/tool/data 0123" in text
        assert "/etc/absent" not in text

    def test_two_architectures_of_one_package_have_a_record_each(self, root: Path) -> None:
        look_at(root, dpkg(
            {"lib:amd64": ["/usr/share/tool/data"], "lib:i386": ["/usr/share/tool/more"]},
            stanza("lib", "Multi-Arch: same"),
            stanza("lib", "Multi-Arch: same", architecture="i386"),
        ))  # fmt: skip
        look_at(root, {
            f"{DPKG}/info/lib:amd64.md5sums": "0" * 32 + "  usr/share/tool/data\n",
            f"{DPKG}/info/lib:i386.md5sums": "1" * 32 + "  usr/share/tool/more\n",
            "usr/share/doc/lib/copyright": "free",
        })  # fmt: skip
        out = pack(root)
        assert scanned(out).packages == {Seen("lib", "1", "amd64"), Seen("lib", "1", "i386")}
        sums = (out / STATUS / "lib:i386.md5sums").read_text()
        assert sums == "1" * 32 + "  usr/share/tool/more\n"

    def test_a_directory_of_documentation_that_is_a_link_brings_what_it_leads_to(
        self, root: Path
    ) -> None:
        look_at(
            root,
            dpkg({
                "tool": ["/usr/bin/tool", "/usr/share/doc/tool"],
                "base": ["/usr/share/doc/base/copyright"],
            }) | {"usr/share/doc/base/copyright": "free"},
            {"usr/share/doc/tool": "base"},
        )  # fmt: skip
        out = pack(root)
        assert os.readlink(out / "usr/share/doc/tool") == "base"
        assert {each.name for each in scanned(out).packages} == {"tool", "base"}

    def test_exclude_has_the_last_word(self, root: Path) -> None:
        look_at(root, dpkg({"tool": ["/usr/bin/tool"]}))
        look_at(root, {"usr/share/doc/tool/copyright": "free"})
        out = pack(root, "--exclude", "/usr/share/doc/*", "--exclude", "*.md5sums")
        assert not (out / "usr/share/doc").exists()
        assert os.listdir(out / STATUS) == ["tool"]

    def test_times_are_reproducible(self, root: Path) -> None:
        look_at(root, dpkg({"tool": ["/usr/bin/tool"]}))
        look_at(root, {"usr/share/doc/tool/copyright": "free"})
        first = pack(root)
        times = {path: path.lstat().st_mtime_ns for path in first.rglob("*")}
        shutil.rmtree(first)
        os.utime(root / "etc")
        os.utime(root / "usr/share/doc")
        pack(root)
        assert times == {path: path.lstat().st_mtime_ns for path in first.rglob("*")}


class TestOtherDatabases:
    @pytest.mark.parametrize("write", [ndb, sqlite])
    def test_rpm_has_a_manifest(self, root: Path, write: object) -> None:
        headers = [header(name, f"/usr/bin/{name}", epoch=None) for name in ("tool", "other")]
        directory = root / "usr/lib/sysimage/rpm"
        directory.mkdir(parents=True)
        if write is ndb:
            (directory / "Packages.db").write_bytes(ndb(headers))
        else:
            sqlite(directory / "rpmdb.sqlite", headers)
        look_at(root, {"etc/os-release": "ID=fedora\nVERSION_ID=40\n", "etc/redhat-release": "x"})
        out = pack(root)
        scan = scanned(out)
        assert scan.packages == {Seen("tool", "1.2-3", "noarch")}
        assert scan.distribution == "fedora-40"
        assert (out / "etc/redhat-release").exists()

    def test_rpm_has_an_epoch(self, root: Path) -> None:
        """As rpm itself writes it; syft 1.18 takes the size of such a package for its epoch."""
        directory = root / "usr/lib/sysimage/rpm"
        directory.mkdir(parents=True)
        (directory / "Packages.db").write_bytes(ndb([header("tool", "/usr/bin/tool", epoch=2)]))
        (line,) = (pack(root) / MANIFEST).read_text().splitlines()
        fields = line.split("\t")
        assert (fields[:2], fields[5], fields[8]) == (["tool", "1.2-3"], "2", "2")

    def test_apk_has_a_database_of_what_is_shipped(self, root: Path) -> None:
        look_at(root, {
            APK: (
                "C:Q1x\nP:tool\nV:1-r0\nA:x86_64\nL:MIT\no:tools\nF:usr\nF:usr/bin\nR:tool\n"
                "a:0:0:755\nZ:Q1a\nR:gone\nZ:Q1b\nF:usr/share\nF:usr/share/gone\nR:x\n\n"
                "P:other\nV:2\nA:x86_64\nL:MIT\nF:usr/bin\nR:other\n\n"
            ),
            "etc/os-release": "ID=alpine\nVERSION_ID=3.20.1\n", "etc/alpine-release": "3.20.1\n",
        })  # fmt: skip
        out = pack(root)
        assert (out / APK).read_text() == (
            "C:Q1x\nP:tool\nV:1-r0\nA:x86_64\nL:MIT\no:tools\nF:usr/bin\nR:tool\n"
            "a:0:0:755\nZ:Q1a\n\n"
        )
        scan = scanned(out)
        assert scan.packages == {Seen("tool", "1-r0", "x86_64")}
        assert scan.distribution == "alpine-3.20.1"
        assert (out / "etc/alpine-release").exists()


class TestBadInput:
    def test_no_database(self, root: Path) -> None:
        out = pack(root, told=["no database of dpkg, rpm or apk", "no known package has a file"])
        assert not (out / "var").exists()

    def test_a_database_that_has_none_of_the_files(self, root: Path) -> None:
        look_at(root, dpkg({"other": ["/usr/bin/other"]}))
        assert not (pack(root, told=["no known package has a file"]) / "var").exists()

    def test_a_package_without_copyright(self, root: Path) -> None:
        look_at(root, dpkg({"tool": ["/usr/bin/tool"]}))
        sbom = root.parent / "s.cdx.json"
        out = pack(root, "--sbom", str(sbom), told=["tool:amd64 has no copyright file"])
        assert scanned(out).packages == {Seen("tool", "1", "amd64")}

    def test_a_half_configured_package(self, root: Path) -> None:
        look_at(root, dpkg(
            {"tool": ["/usr/bin/tool"]}, stanza("tool", "Status: install ok half-configured")
        ))  # fmt: skip
        look_at(root, {"usr/share/doc/tool/copyright": "free"})
        out = pack(root, told=["dpkg has tool:amd64 as half-configured"])
        assert "half-configured" in (out / STATUS / "tool").read_text()
        assert scanned(out).packages == {Seen("tool", "1", "amd64")}

    def test_a_list_without_a_stanza(self, root: Path) -> None:
        look_at(root, dpkg({"tool": ["/usr/bin/tool"]}, stanza("other")))
        look_at(root, {"usr/share/doc/tool/copyright": "free", f"{DPKG}/info/other.list": "/.\n"})
        out = pack(root, told=["tool has a list of files, but"])
        assert (out / STATUS / "tool").read_text() == "Package: tool\n"

    def test_a_file_of_two_packages(self, root: Path) -> None:
        look_at(root, dpkg({"a": ["/usr/bin/tool"], "b": ["/usr/bin/tool"]}))
        look_at(root, {"usr/share/doc/a/copyright": "free"})
        out = pack(root, told=["belongs to a:amd64 and to b:amd64"])
        assert {each.name for each in scanned(out).packages} == {"a"}

    def test_a_damaged_status(self, root: Path) -> None:
        look_at(root, dpkg({"tool": ["/usr/bin/tool"]}, "\0\xff: x\n\n", stanza("tool")))
        look_at(root, {"usr/share/doc/tool/copyright": "free"})
        out = pack(root, told=["is damaged: a stanza without Package"])
        assert scanned(out).packages == {Seen("tool", "1", "amd64")}

    def test_a_name_that_leads_elsewhere_stays_where_records_are(self, root: Path) -> None:
        look_at(root, dpkg({"tool": ["/usr/bin/tool"]}))
        look_at(root, {"usr/share/doc/tool/copyright": "free"})
        out = root.parent / "out"
        # The list leads to the stanza by the name before the colon.
        (root / DPKG / "info/tool.list").rename(root / DPKG / "info/..:..list")
        name = "..:/../../../../etc/y"
        look_at(root, {f"{DPKG}/status": stanza("..", f"Package: {name}")})
        assert magicpak(
            "--sysroot", root, "/usr/bin/tool", out, "--with", "package-db"
        ).returncode == 0  # fmt: skip
        written = {path for path in paths(out) if path.startswith(("/var", "/etc"))}
        assert all(path.startswith(f"/{STATUS}/_") or "release" in path for path in written)
        assert any(path.startswith(f"/{STATUS}/_") for path in written)


def test_no_evidence_asks_for_records(root: Path) -> None:
    look_at(root, dpkg({"tool": ["/usr/bin/tool"]}))
    out = root.parent / "out"
    done(magicpak("--sysroot", root, "/usr/bin/tool", out, "--with", "auto"))
    assert not (out / "var").exists()


def test_the_kind_takes_no_value(tmp_path: Path) -> None:
    message = failed(magicpak("--with", "package-db=x", "/bin/true", "out", cwd=tmp_path))
    assert message.startswith("--with package-db=x: package-db takes no value")

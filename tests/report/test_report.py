"""The report against the tree on disk, entry by entry, and against its schema."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import stat
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from magicpak import Options, pack, resources
from support.command import failed, magicpak
from support.packing import write

SCHEMA = json.loads(resources.content("report/schema.json"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

pytestmark = pytest.mark.needs("root")


def reported(tmp_path: Path, *args: str | Path) -> tuple[dict[str, Any], Path]:
    """Bundle with a report that is held against the schema; return it and OUTPUT."""
    out, file = tmp_path / "out", tmp_path / "report.json"
    run = magicpak("--report", file, *args, out)
    assert run.returncode == 0, run.stderr
    report = json.loads(file.read_bytes())
    VALIDATOR.validate(report)
    return report, out


def on_disk(out: Path, path: str) -> dict[str, Any]:
    """Describe an entry of OUTPUT as the report does."""
    place = out / path[1:]
    status = place.lstat()
    kinds = {stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFDIR: "directory"}
    kind = kinds[stat.S_IFMT(status.st_mode)]
    return {
        "path": path,
        "type": kind,
        "size": 0 if kind == "directory" else status.st_size,
        "mode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mtime": int(status.st_mtime),
        "target": os.readlink(place) if kind == "link" else None,
        "sha256": hashlib.sha256(place.read_bytes()).hexdigest() if kind == "file" else None,
    }


def everything(out: Path) -> set[str]:
    """List all in OUTPUT, directories too."""
    return {f"/{path.relative_to(out)}" for path in out.rglob("*")}


def entries(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["path"]: entry for entry in report["entries"]}


@pytest.mark.needs("strace", "upx")
@pytest.mark.parametrize(
    "args",
    [
        ("/bin/ls",),
        ("/usr/bin/clang-format",),
        ("--with", "auto", "/usr/bin/curl"),
        ("--dynamic", "--dynamic-arg=-c", "--dynamic-arg=import json", "/usr/bin/python3"),
        ("--compress", "--user", "nobody", "--mkdir", "/tmp", "-i", "/etc/pass*", "/bin/ls"),
        ("--merged-usr", "-r", "/opt/", "-e", "*/libselinux*", "/bin/true"),
    ],
)
def test_the_report_is_the_tree_on_disk(tmp_path: Path, args: tuple[str, ...]) -> None:
    report, out = reported(tmp_path, *args)
    found = entries(report)
    listed = [entry["path"] for entry in report["entries"]]
    assert listed == sorted(found)
    assert set(found) == everything(out)
    for path, entry in found.items():
        assert {key: entry[key] for key in on_disk(out, path)} == on_disk(out, path)
        assert entry["reasons"]
    totals = report["totals"]
    kinds = [entry["type"] for entry in report["entries"]]
    assert [totals[f"{kind}s"] for kind in ("file", "link")] == [
        kinds.count(kind) for kind in ("file", "link")
    ]
    assert totals["directories"] == kinds.count("directory")


def test_a_dry_run_tells_the_same_and_writes_nothing(tmp_path: Path) -> None:
    args = ("--with", "auto", "-i", "/etc/pass*", "/bin/ls")
    report, _ = reported(tmp_path, *args)
    first = (tmp_path / "report.json").read_bytes()
    run = magicpak("-n", "--report", "-", *args, "/proc/no/such/output")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.encode() == first
    run = magicpak("--dry-run", *args, tmp_path / "new")
    assert (run.returncode, run.stdout) == (0, "")
    assert not (tmp_path / "new").exists()
    assert report["inputs"] == ["/bin/ls"]


def test_a_dry_run_makes_the_same_checks(tmp_path: Path) -> None:
    write(tmp_path / "full" / "file")
    failed(magicpak("-n", "/bin/ls", tmp_path / "full"))
    assert "matches nothing" in magicpak("-n", "-i", "/no*such", "/bin/ls", tmp_path / "o").stderr
    failed(magicpak("-n", "/no/such/input", tmp_path / "o"))
    said = magicpak("-n", "--test", "/bin/ls", tmp_path / "o").stderr
    assert "--test has no effect with --dry-run" in said


def test_what_is_said_stands_in_the_report(tmp_path: Path) -> None:
    report, _ = reported(tmp_path, "-i", "/no/such*", "/usr/bin/curl")
    assert report["warnings"] == ["--include /no/such* matches nothing"]
    (hint,) = report["hints"]
    assert hint.startswith("curl looks up host names")
    assert "--with nss" in hint
    quiet = magicpak("--log-level", "Off", "--report", tmp_path / "two", "-n", "-i", "/no/such*",
                     "/usr/bin/curl", tmp_path / "o")  # fmt: skip
    assert quiet.stderr == ""
    assert (tmp_path / "two").read_bytes() == (tmp_path / "report.json").read_bytes()


def test_each_file_has_its_package_and_what_is_made_has_no_source(tmp_path: Path) -> None:
    report, _ = reported(tmp_path, "--user", "nobody", "/bin/ls")
    found = entries(report)
    assert found["/bin/ls"]["package"]["name"] == "coreutils"
    assert found["/bin/ls"]["source"] == "/bin/ls"
    passwd = found["/etc/passwd"]
    assert (passwd["source"], passwd["package"]) == (None, None)
    assert passwd["reasons"] == [{"why": "generated for --user", "of": "nobody"}]
    coreutils = next(each for each in report["packages"] if each["name"] == "coreutils")
    assert (coreutils["files"], coreutils["size"]) == (1, found["/bin/ls"]["size"])


def test_names_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/d/\xff\n"
    os.makedirs(os.path.dirname(odd))
    Path(os.fsdecode(odd)).touch()
    report, _ = reported(tmp_path, "-i", tmp_path / "d", "/bin/true")
    assert f"{tmp_path}/d/\\xff\n" in entries(report)


def test_a_file_with_holes_has_the_digest_of_what_is_written(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(5_000_000)
        file.seek(3_000_000)
        file.write(b"data")
    report, out = reported(tmp_path, "-i", tmp_path / "sparse", "/bin/true")
    copy = out / f"{tmp_path}/sparse"[1:]
    entry = entries(report)[f"{tmp_path}/sparse"]
    assert entry["sha256"] == hashlib.sha256(copy.read_bytes()).hexdigest()
    assert copy.stat().st_blocks * 512 < 1_000_000


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("directory", "it is a directory"),
        ("no/such/file", "is no directory"),
        ("out", "OUTPUT is written there"),
        ("out/report", "it is in OUTPUT"),
        ("", "it is a directory"),
    ],
)
def test_a_report_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "directory").mkdir()
    said = failed(magicpak("--report", name, "/no/such/input", "out", cwd=tmp_path))
    assert said.startswith(f"--report {name or chr(39) * 2} cannot be written: ")
    assert reason in said
    assert {path.name for path in tmp_path.iterdir()} == {"directory"}


def test_two_outputs_on_stdout_are_refused(tmp_path: Path) -> None:
    said = failed(magicpak("--explain", "--report", "-", "/bin/true", tmp_path / "out"))
    assert "both write to stdout" in said


def test_a_report_is_written_with_the_bundle_or_not_at_all(tmp_path: Path) -> None:
    write(tmp_path / "report", "old")
    run = magicpak("--report", "report", "--test", "--test-command", "exit 1", "/bin/true", "out",
                   cwd=tmp_path)  # fmt: skip
    assert run.returncode == 1
    assert (tmp_path / "report").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"report"}
    assert magicpak("--report", "report", "/bin/true", "out", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "report").read_bytes())["schema"] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"report", "out"}


def test_the_library_has_the_same_facts(tmp_path: Path) -> None:
    report, out = reported(tmp_path, "/bin/ls")
    facts = pack(Options(("/bin/ls",), str(tmp_path / "two"))).facts
    assert [entry.path for entry in facts.entries] == [e["path"] for e in report["entries"]]
    names = [each.package.name for each in facts.packages]
    assert names == [each["name"] for each in report["packages"]]
    assert everything(out) == {str(entry.path) for entry in facts.entries}


def test_a_report_of_another_process_has_its_numbers(tmp_path: Path) -> None:
    report = pack(Options(("/bin/true",), str(tmp_path / "out")))
    assert pickle.loads(pickle.dumps(report)) == report  # noqa: S301  from ourselves

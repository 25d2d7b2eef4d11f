"""The single file: built once, then used as the command is, where there is nothing but a kernel."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from support.command import failed, on_terminal, paths
from support.privileges import NOBODY
from support.scanners import complaints

pytestmark = pytest.mark.needs("static python", "cc", "root", "file", "unshare")

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src"
REQUIREMENTS = SOURCES / "standalone/requirements.txt"
COMMAND_TESTS = (
    "test_bad_input", "test_cli", "test_completion", "test_console", "test_manual",
    "test_pipeline",
    "host/test_collect", "host/test_globbing", "host/test_sysroot", "stages/test_dynamic",
    "stages/test_exclude", "stages/test_include", "stages/test_inputs", "stages/test_mkdir",
)  # fmt: skip

# A directory with /proc, in which nothing else is: mounts end with the namespace.
ALONE = 'mkdir -p "$0/proc" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'

IMPORT_ALL = """
import importlib, sys
file, *built_in = sys.argv[1].split()
sys.path[:] = [file]
for name in {*sys.builtin_module_names} - {*built_in}:
    sys.modules[name] = None
sys.modules["_magicpak_kernel"] = sys
for name in sys.argv[2].split():
    importlib.import_module(name)
"""


LIST = """
import sys, zipfile
sys.path.insert(0, sys.argv[1])
import build
build.install(sys.argv[3])
with zipfile.ZipFile(sys.argv[2], "w") as archive:
    for module in build.modules(sys.argv[3]):
        path = module.name.replace(".", "/") + ("/__init__.py" if module.package else ".py")
        archive.writestr(path, module.source)
        print(module.name)
"""


SBOMS = ("magicpak.cdx.json", "magicpak.spdx.json")


def build(output: Path) -> Path:
    sboms = [output.parent / name for name in SBOMS]
    builder = ("/usr/bin/python3", SOURCES / "standalone/build.py", output, *sboms)
    done = subprocess.run(builder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("single") / "magicpak")


def run(
    single: Path, *args: str | Path, cwd: Path, prefix: tuple[str | Path, ...] = (),
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    return subprocess.run(
        [*prefix, single, *args], cwd=cwd, env=env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_it_is_statically_linked_and_of_the_size_of_its_predecessors(single: Path) -> None:
    kind = subprocess.run(["file", "-b", single], capture_output=True, text=True, check=True)
    assert "statically linked" in kind.stdout
    assert stat.S_IMODE(single.stat().st_mode) == 0o755
    assert single.stat().st_size < 12_000_000


def test_another_python_is_told_what_it_lacks(tmp_path: Path) -> None:
    code = "import runpy, sys\n"
    code += "sys.builtin_module_names = [n for n in sys.builtin_module_names if n != '_socket']\n"
    code += f"sys.argv[1:] = ['{tmp_path}/file']\n"
    code += f"runpy.run_path('{SOURCES}/standalone/build.py', run_name='__main__')"
    command = ("/usr/bin/python3", "-c", code)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed(done) == "/usr/bin/python3 is no python3 of Debian 12: it lacks _socket"
    assert list(tmp_path.iterdir()) == []


def test_two_builds_give_the_same_bytes(single: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(SOURCES, copy, ignore=ignored)
    names = ("magicpak", *SBOMS)
    subprocess.run(
        ["/usr/bin/python3", copy / "standalone/build.py", *(tmp_path / name for name in names)],
        check=True, capture_output=True, env={"PATH": os.environ["PATH"], "TZ": "Asia/Tokyo"},
    )  # fmt: skip
    for name in names:
        assert (single.parent / name).read_bytes() == (tmp_path / name).read_bytes()


def test_an_sbom_of_another_name_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    builder = ("/usr/bin/python3", SOURCES / "standalone/build.py", "magicpak", "sbom.json")
    done = subprocess.run(builder, cwd=tmp_path, capture_output=True, text=True, check=False)
    expected = f"{tmp_path}/sbom.json names no SBOM: end it with .cdx.json or .spdx.json"
    assert failed(done) == expected
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", SBOMS)
def test_its_sbom_holds_against_the_official_schema(single: Path, name: str) -> None:
    assert complaints(single.parent / name) == []


def test_its_sbom_tells_what_the_linker_took_and_what_is_pinned(single: Path) -> None:
    cdx, spdx = (json.loads((single.parent / name).read_text()) for name in SBOMS)
    built = {each["name"]: each for each in cdx["components"]}
    pinned = re.findall(r"^(\S+)==(\S+) ", REQUIREMENTS.read_text(), re.MULTILINE)
    assert {built[name]["purl"] for name, _ in pinned} == {
        f"pkg:pypi/{name}@{version}" for name, version in pinned
    }
    archives = ("-print-file-name=libc.a", "-print-file-name=libz.a", "-print-libgcc-file-name")
    paths = [subprocess.check_output(["cc", each], text=True).strip() for each in archives]
    for path in paths:
        real = os.path.realpath(path)
        owner = subprocess.check_output(["dpkg", "-S", real], text=True).partition(":")[0]
        query = ("dpkg-query", "-W", "-f", "${Version}", owner)
        assert built[owner]["version"] == subprocess.check_output(query, text=True).split()[0]
    assert {name for name in built if name.startswith("libpython3")} == {
        "libpython3.11-dev", "libpython3.11-minimal", "libpython3.11-stdlib",
    }  # fmt: skip
    assert all(each.get("licenses") for each in built.values() if each["type"] == "library")
    names = {each["name"] for each in spdx["packages"]}
    assert names == {"magicpak", *built} - {"/magicpak", "debian"}
    digest = hashlib.sha256(single.read_bytes()).hexdigest()
    assert built["/magicpak"]["hashes"] == [{"alg": "SHA-256", "content": digest}]


def test_it_holds_all_of_magicpak_and_all_that_this_imports(single: Path, tmp_path: Path) -> None:
    archive = tmp_path / "modules.zip"
    listed = subprocess.run(
        ["/usr/bin/python3", "-I", "-c", LIST, SOURCES / "standalone", archive,
         tmp_path / "packages"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = listed.stdout.split()
    content = single.read_bytes()
    missing = [name for name in names if f"{name}\0".encode() not in content]
    assert missing == []
    files = SOURCES.glob("magicpak/**/*.py")
    sources = (path.relative_to(SOURCES).with_suffix("") for path in files)
    modules = {".".join(path.parts).removesuffix(".__init__") for path in sources}
    assert modules - {"magicpak.__main__"} <= set(names)
    source = (SOURCES / "standalone/main.c").read_text()
    built_in = [line.split('"')[1] for line in source.splitlines() if line.startswith('  { "')]
    # The codecs' package is always loaded already, from where the test's interpreter has it.
    wanted = [name for name in names if not name.startswith(("encodings", "rich._windows"))]
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", "-c", IMPORT_ALL, f"{archive} {' '.join(built_in)}",
         " ".join(wanted)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_it_holds_the_licenses_of_its_parts(single: Path) -> None:
    dump = ("objcopy", "--dump-section", ".licenses=/dev/stdout", single, "/dev/null")
    held = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
    for part in ("click", "pyelftools", "rich", "libc6", "libpython3.11-stdlib", "zlib1g"):
        assert f"{part}\n\n" in held


@pytest.mark.needs("mounts")
@pytest.mark.parametrize("proc", [True, False], ids=["with /proc", "without /proc"])
def test_its_only_need_is_a_kernel(single: Path, tmp_path: Path, proc: bool) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(single, tmp_path / "magicpak")
    alone = ("unshare", "--mount", "sh", "-c", ALONE, tmp_path, "/magicpak")
    prefix = alone if proc else ("/usr/sbin/chroot", tmp_path, "/magicpak")
    for args, env in (
        (("--version",), {}),
        (("/magicpak", "/bundle"), {"TMPDIR": "/other"}),  # there is no /tmp
    ):
        done = subprocess.run([*prefix, *args], env=env, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    assert paths(tmp_path / "bundle") == {"/magicpak"}
    assert (tmp_path / "bundle/magicpak").read_bytes() == single.read_bytes()
    made = {path.name for path in tmp_path.iterdir()}
    assert made - {"proc"} == {"bundle", "magicpak", "other"}


def test_it_can_be_stripped(single: Path, tmp_path: Path) -> None:
    subprocess.run(["strip", "-o", tmp_path / "magicpak", single], check=True)
    assert run(tmp_path / "magicpak", "/bin/true", "out", cwd=tmp_path).returncode == 0


@pytest.mark.needs("upx")
def test_it_can_be_packed(single: Path, tmp_path: Path) -> None:
    packing = ["upx", "-qqq", "-1", "-o", tmp_path / "magicpak", single]
    subprocess.run(packing, check=True, capture_output=True)
    assert run(tmp_path / "magicpak", "/bin/true", "out", cwd=tmp_path).returncode == 0


@pytest.mark.needs("strace", "busybox")
def test_what_it_starts_sees_the_environment_that_it_was_given(
    single: Path, tmp_path: Path
) -> None:
    tracer = tmp_path / "tracer"
    tracer.write_text('#!/bin/sh\ncat /proc/$$/environ > environment\nexec strace "$@"\n')
    tracer.chmod(0o755)
    path = {"PATH": os.environ["PATH"]}
    for given in (
        path | {"PYTHONHOME": "/no", "PYTHONPATH": "/no", "PYTHONINSPECT": "1"},
        path | {"LD_LIBRARY_PATH": "/lib:/opt", "LANG": "de_DE.ISO-8859-1"},
    ):
        done = run(single, "-d", "--strace", tracer, "/bin/true", "out", cwd=tmp_path, env=given)
        assert done.returncode == 0, done.stderr
        seen = (tmp_path / "environment").read_text().rstrip("\0").split("\0")
        assert dict(entry.split("=", 1) for entry in seen) == given
        shutil.rmtree(tmp_path / "out")


@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_closed_streams_are_no_obstacle(single: Path, tmp_path: Path, closing: str) -> None:
    line = f'exec "$0" -v /bin/true out {closing}'
    done = subprocess.run(["sh", "-c", line, single], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert "/bin/true" in paths(tmp_path / "out")


def test_help_into_a_closed_pipe_ends_quietly(single: Path) -> None:
    line = ["sh", "-c", '"$0" --help | true', single]
    assert subprocess.run(line, stderr=subprocess.PIPE, check=True).stderr == b""


@pytest.mark.needs("strace")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_what_it_started(
    single: Path, tmp_path: Path, nap: str, number: signal.Signals
) -> None:
    args = ("-v", "--dynamic", "--dynamic-arg", nap, "/bin/sleep", "out")
    with subprocess.Popen(
        [single, *args], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as child:  # fmt: skip
        while not running("/bin/sleep", nap):
            time.sleep(0.05)
        child.send_signal(number)
        assert child.stderr is not None
        printed = child.stderr.read().splitlines()
    assert child.returncode == 128 + number
    assert printed[-1] == f"error: ended by {number.name}"
    assert list(tmp_path.iterdir()) == []
    assert not running("/bin/sleep", nap)


def running(*command: str) -> bool:
    wanted = "".join(f"{word}\0" for word in command).encode()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if process.read_bytes() == wanted:
                return True
    return False


@pytest.mark.needs("strace", "busybox", "upx")
def test_it_traces_compresses_and_tests(single: Path, tmp_path: Path) -> None:
    stages = ("--dynamic", "--dynamic-arg", "/etc/hostname", "--compress", "--test")
    checks = ("--test-command", "sort /etc/hostname", "-i", "/etc/hostname")
    done = run(single, *stages, *checks, "/usr/bin/sort", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"UPX!" in (tmp_path / "out/usr/bin/sort").read_bytes()
    inside = ("env", "-i", "/usr/sbin/chroot", tmp_path / "out", "/usr/bin/sort", "/etc/hostname")
    done = subprocess.run(inside, capture_output=True, check=True)
    assert done.stdout == Path("/etc/hostname").read_bytes()


@pytest.mark.needs("busybox", "userns", "setpriv")
def test_it_tells_the_same_of_a_bundle(single: Path, tmp_path: Path) -> None:
    names = ("report.json", "s.cdx.json", "s.spdx.json")
    told = []
    for command in ([single], [sys.executable, "-m", "magicpak"]):
        options = ("--report", names[0], "--sbom", names[1], "--sbom", names[2])
        arguments = ("/bin/true", "out", "--dry-run", "--with", "package-db", *options)
        subprocess.run([*command, *arguments], cwd=tmp_path, check=True)
        told.append([(tmp_path / name).read_bytes() for name in names])
    assert told[0] == told[1]


def test_it_tests_without_privileges(single: Path) -> None:
    nobody = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    # Not below pytest's directory, into which no other user may look.
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, NOBODY, NOBODY)
        place = Path(name)
        shutil.copy(single, place / "magicpak")
        done = run(place / "magicpak", "--test", "/bin/true", "out", cwd=place, prefix=nobody)
        assert done.returncode == 0, done.stderr
        assert "/bin/true" in paths(place / "out")


@pytest.mark.needs("strace")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", ""])
def test_it_finds_a_server_by_name(single: Path, tmp_path: Path, host: str) -> None:
    code = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); "
    code += "print(s.getsockname()[1], file=open('port', 'w')); time.sleep(30)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) as server:
        port = tmp_path / "port"
        while not port.exists() or not port.read_text().strip():
            time.sleep(0.05)
        where = f"{host}:{port.read_text().strip()}"
        args = ("-d", "--dynamic-arg", "30", "--dynamic-wait-for", where, "--dynamic-command", ":")
        done = run(single, *args, "/bin/sleep", "out", cwd=tmp_path)
        server.kill()
    assert done.returncode == 0, done.stderr


@pytest.mark.needs("strace")
def test_it_shows_progress_on_a_terminal(single: Path, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(40 << 20))
    slowly = ("strace", "-qq", "-o", "/dev/null", "-e", "trace=copy_file_range")
    slowly += ("-e", "inject=copy_file_range:delay_enter=300000")
    status, shown = on_terminal(tmp_path, *slowly, single, "-i", "big", "/bin/true", "out")
    assert status == 0, shown
    assert "copying" in shown


def test_it_passes_the_tests_of_the_command(single: Path) -> None:
    modules = [ROOT / f"tests/{name}.py" for name in COMMAND_TESTS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *modules],
        cwd=ROOT, env={**os.environ, "MAGICPAK_COMMAND": str(single)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]

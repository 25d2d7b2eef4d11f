"""A failed test is explained by what the bundle lacks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from magicpak import jail
from magicpak.jail import missing
from support.elves import EM_AARCH64, ET_EXEC, Made
from support.jails import Bundle, Run, message
from support.programs import Compile

pytestmark = pytest.mark.needs("root", "busybox", "cc")


@pytest.mark.needs("strace")
def test_missing_library_is_named_with_the_include_that_brings_it(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    path = bundle.add(program("app", "return 0;", "-g0"), "/app")
    (library,) = bundle.tree.rglob("libc.so.6")
    library.unlink()
    text = message(run, path)
    assert "libc.so.6: cannot open shared object file" in text
    assert text.endswith("libc.so.6")
    assert "--include /lib/x86_64-linux-gnu/libc.so.6" in text


@pytest.mark.needs("strace")
def test_missing_data_file_and_program_are_named(run: Run, bundle: Bundle) -> None:
    path = bundle.write("/f", "#!/bin/sh\ncat /etc/debian_version || git\n", 0o755)
    text = message(run, path)
    assert text.endswith("perhaps add --include /usr/bin/git --include /etc/debian_version")


def test_missing_interpreter_is_the_reason(run: Run, bundle: Bundle, program: Compile) -> None:
    path = bundle.add(program("app", "return 0;", "-g0"), "/app", libraries=False)
    loader = "/lib64/ld-linux-x86-64.so.2"
    reason = f"its interpreter {loader} is not in the bundle (--include {loader})"
    assert f"/app cannot be started, because {reason}" in message(run, path)
    script = bundle.write("/script", "#!/usr/bin/python3 -s\n", 0o755)
    assert "its interpreter /usr/bin/python3 is not" in message(run, script, command="/script")


def test_program_that_is_not_executable_or_not_there_is_the_reason(
    run: Run, bundle: Bundle
) -> None:
    text = message(run, bundle.write("/f", "x", 0o644))
    assert "/f is not executable: its mode is 0644" in text
    assert "/gone is not in the bundle" in message(run, "/gone")


@pytest.mark.needs("strace")
def test_program_of_another_machine_is_the_reason(run: Run, bundle: Bundle) -> None:
    path = bundle.write("/bin/app", "", 0o755)
    (bundle.tree / path[1:]).write_bytes(bytes(Made(kind=ET_EXEC, machine=EM_AARCH64)))
    assert "; /bin/app is for another machine: EM_AARCH64" in message(run, path)


def test_shell_of_the_bundle_that_cannot_start_is_the_reason(run: Run, bundle: Bundle) -> None:
    path = bundle.add("/bin/dash", "/bin/sh", libraries=False)
    text = message(run, path)
    assert "exit status: 127; stderr: /bin/sh: No such file or directory; /bin/sh cannot" in text


@pytest.mark.needs("python3")
def test_python_without_its_library_is_told_which_directory(run: Run, bundle: Bundle) -> None:
    real = os.path.realpath("/usr/bin/python3")
    library = f"/usr/lib/{os.path.basename(real)}"
    bundle.add(real, "/usr/bin/python3")
    assert f"perhaps add --include {library}" in message(
        run, "/usr/bin/python3", command="python3 -c 1"
    )
    os.makedirs(bundle.tree / "usr/lib", exist_ok=True)
    shutil.copytree(library, bundle.tree / library[1:], symlinks=True)
    run(
        "/usr/bin/python3", command="python3 -c 'import json; print(json.dumps([1]))'", stdout="[1]"
    )


def test_nothing_is_suggested_without_strace(bundle: Bundle) -> None:
    path = bundle.write("/f", "#!/bin/sh\ncat /etc/debian_version\n", 0o755)
    with pytest.raises(jail.CheckFailed) as failure:
        jail.check(str(bundle.tree), [path], strace="no-such-strace")
    assert failure.value.missing == ()


def test_trace_is_read_from_the_entry_on() -> None:
    trace = b"""1  open("/outside", O_RDONLY) = -1 ENOENT (No such file or directory)
1  chroot("/tmp/jail") = 0
1  execve("/bin/sh", ["/bin/sh", "-c", "x"], 0x7ffc /* 3 vars */) = 0
2  openat(AT_FDCWD, "/etc/a", O_RDONLY <unfinished ...>
1  stat("/etc/b", 0x7ffd) = -1 ENOENT (No such file or directory)
2  <... openat resumed>) = -1 ENOENT (No such file or directory)
1  openat(AT_FDCWD, "c", O_RDONLY) = -1 EACCES (Permission denied)
"""
    assert [(seen.path, seen.found) for seen in missing.lookups(trace)] == [
        ("/bin/sh", True),
        ("/etc/b", False),
        ("/etc/a", False),
    ]


def test_file_found_in_another_directory_is_no_suspect(tmp_path: Path) -> None:
    seen = [
        missing.Lookup("/a/lib.so", found=False, executed=False),
        missing.Lookup("/b/lib.so", found=True, executed=False),
        missing.Lookup("/usr/lib/locale/x", found=False, executed=False),
        missing.Lookup("/c", found=False, executed=False),
        missing.Lookup("/usr/lib/locale/y", found=False, executed=False),
    ]
    suspects = missing.suspects(seen, str(tmp_path), lambda _: True)
    assert suspects == ("/c", "/usr/lib/locale/y", "/usr/lib/locale/x")


def test_directories_of_the_system_are_not_suggested_whole(tmp_path: Path) -> None:
    package = "/usr/share/doc"
    paths = ("/usr", "/usr/lib", "/usr/lib/x86_64-linux-gnu", package, f"{package}/file")
    seen = [missing.Lookup(path, found=False, executed=False) for path in paths]
    assert missing.suspects(seen, str(tmp_path), lambda _: True) == (package,)

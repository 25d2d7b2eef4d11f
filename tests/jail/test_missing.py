"""A failed test is explained by what the bundle lacks."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from magicpak import jail
from magicpak.jail import lookups, missing
from magicpak.jail.lookups import Lookup
from support.elves import ET_EXEC, Made
from support.jails import Bundle, Run, message
from support.programs import Compile, script

EM_VAX = 75
"""Of no machine that an emulator, registered by binfmt_misc, would run here."""

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


@pytest.mark.needs("strace", "git")
def test_missing_data_file_and_program_are_named(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    body = 'fopen("/etc/debian_version", "r"); execlp("git", "git", NULL); return 1;'
    path = bundle.add(program("app", body), "/f")
    text = message(run, path)
    assert text.endswith("perhaps add --include /usr/bin/git --include /etc/debian_version")


SHELL = "; it starts /bin/sh, as system(3) and popen(3) do, which is not in the bundle: "
SHELL += "add --include /bin/sh"


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('return system("true") != 0;', SHELL),
        ('return popen("true", "r") == NULL;', SHELL),
        ('return execl("/bin/sh", "sh", NULL);', SHELL),
        ('char t[] = "/tmp/aXXXXXX"; return mkstemp(t) < 0;', "--mkdir /tmp"),
        ('char t[] = "/tmp/aXXXXXX"; return mkdtemp(t) == NULL;', "--mkdir /tmp"),
        ("return tmpfile() == NULL;", "--mkdir /tmp"),
        ('return access("/tmp", W_OK) != 0;', "--mkdir /tmp"),
        ('return chdir("/var/tmp") != 0;', "--mkdir /var/tmp"),
        ('return mkfifo("/run/app/fifo", 0600) != 0;', "--mkdir /run/app"),
        ('return symlink("/etc", "/var/lib/app/link") != 0;', "--mkdir /var/lib/app"),
        ('return rename(argv[0], "/srv/new") != 0;', "--mkdir /srv"),
        ('return mkdir("/var/cache/app", 0700) != 0;', "--mkdir /var/cache"),
        ("""struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "/run/app/socket" };
            return bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *) &name, sizeof name);
         """, "--mkdir /run/app"),
        ('return execlp("no-such-command", "x", NULL);',
         "; it runs the command no-such-command, which this machine does not have either"),
        ('if (fork()) { int s; wait(&s); return 1; } return system("true");', SHELL),
    ],
)  # fmt: skip
def test_what_a_program_lacks_is_said_with_the_option_that_brings_it(
    run: Run, bundle: Bundle, program: Compile, body: str, said: str
) -> None:
    path = bundle.add(program("app", body), "/app")
    text = message(run, path)
    assert text.endswith(said), text
    assert text.count("add --") == ("add --" in SHELL and "--" in said)
    if said.startswith("--mkdir"):
        wanted = said.removeprefix("--mkdir ")
        assert f"; it uses the directory {wanted}, which is not in the bundle: add " in text
        (bundle.tree / wanted[1:]).mkdir(parents=True)
        run(path)


@pytest.mark.needs("strace")
def test_program_that_goes_on_without_a_shell_and_prints_less_is_told_too(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    path = bundle.add(program("app", 'system("echo hi"); return 0;'), "/app")
    text = message(run, path, stdout="hi")
    mismatch = "Test failed: Test command stdout mismatch. expected: 'hi', but got ''"
    assert text == f"{mismatch}{SHELL}"


@pytest.mark.needs("strace")
def test_command_that_only_the_user_of_this_machine_finds_is_told_with_its_place(
    bundle: Bundle, program: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "mine", "true")
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{tmp_path}")
    path = bundle.add(program("app", 'return execlp("mine", "mine", NULL);'), "/app")
    with pytest.raises(jail.CheckFailed) as failure:
        jail.check(str(bundle.tree), [path])
    assert f"add --include {tmp_path}/mine, and its directory to PATH" in str(failure.value)


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
    (bundle.tree / path[1:]).write_bytes(bytes(Made(kind=ET_EXEC, machine=EM_VAX)))
    assert "; /bin/app is for another machine: EM_VAX" in message(run, path)


def test_shell_of_the_bundle_that_cannot_start_is_the_reason(run: Run, bundle: Bundle) -> None:
    bundle.add("/bin/dash", "/bin/sh", libraries=False)
    text = message(run, bundle.write("/f", "#!/bin/sh\n", 0o755))
    assert "exit status: 127; stderr: exec /f: No such file or directory; /f cannot" in text
    loader = "/lib64/ld-linux-x86-64.so.2"
    assert f"because /bin/sh cannot be started, because its interpreter {loader} is not" in text


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("x", 0o755, "126; stderr: exec /f: Exec format error; /f is neither an ELF file nor a "
                     "script that begins with '#!'"),
        ("#!/bin/x\r\n", 0o755, "127; stderr: exec /f: No such file or directory; /f cannot be "
                                "started, because its first line ends in a carriage return"),
        ("x", 0o644, "126; stderr: exec /f: Permission denied; /f is not executable: its mode is "
                     "0644"),
    ],
)  # fmt: skip
def test_executable_that_the_kernel_refuses_is_told_with_the_reason(
    run: Run, bundle: Bundle, content: str, mode: int, said: str
) -> None:
    text = message(run, bundle.write("/f", content, mode))
    assert text == f"Test failed: /f returned non-zero exit code: exit status: {said}"


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


def test_without_strace_it_is_said_that_strace_would_tell(bundle: Bundle) -> None:
    with pytest.raises(jail.CheckFailed) as failure:
        jail.check(str(bundle.tree), [], command="test -e /etc/passwd", strace="no-such-strace")
    assert failure.value.missing == ()
    hint = "; install strace (apt-get install strace) to see which files it lacks"
    assert str(failure.value).endswith(hint)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("cat /etc/debian_version", "perhaps add --include /etc/debian_version"),
        ("cp /etc/hosts /tmp/x", "it uses the directory /tmp, which is not in the bundle: add "),
        ("echo /etc/debian_version >&2; false", "/etc/debian_version; install strace "),
        ("cat /no/such/file", "No such file or directory; install strace "),
    ],
)
def test_without_strace_a_program_is_believed_that_says_what_it_lacks(
    bundle: Bundle, command: str, said: str
) -> None:
    with pytest.raises(jail.CheckFailed) as failure:
        jail.check(str(bundle.tree), [], command=command, strace="no-such-strace")
    assert said in str(failure.value)


@pytest.mark.parametrize("strace", ["/bin/false", "/bin/sleep"])
def test_strace_that_does_not_work_does_not_hide_the_failure(bundle: Bundle, strace: str) -> None:
    with pytest.raises(jail.CheckFailed, match="exit status: 3"):
        jail.check(str(bundle.tree), [], command="exit 3", strace=strace)


def test_trace_is_read_from_the_entry_on() -> None:
    trace = b"""1  open("/outside", O_RDONLY) = -1 ENOENT (No such file or directory)
1  chroot("/tmp/jail") = 0
1  execve("/bin/sh", ["/bin/sh", "-c", "x"], 0x7ffc /* 3 vars */) = 0
2  openat(AT_FDCWD, "/etc/a", O_RDONLY <unfinished ...>
1  stat("/etc/b", 0x7ffd) = -1 ENOENT (No such file or directory)
2  <... openat resumed>) = -1 ENOENT (No such file or directory)
1  openat(AT_FDCWD, "c", O_RDONLY) = -1 EACCES (Permission denied)
1  openat(7, "d", O_RDONLY) = -1 ENOENT (No such file or directory)
"""
    assert [(seen.path, seen.found) for seen in lookups.lookups(trace)] == [
        ("/bin/sh", True),
        ("/etc/b", False),
        ("/etc/a", False),
    ]


def test_second_path_of_a_call_is_the_one_that_it_makes() -> None:
    trace = b"""1  chroot("/jail") = 0
1  symlinkat("/etc", AT_FDCWD, "/a") = -1 ENOENT (No such file or directory)
1  renameat2(AT_FDCWD, "/b", AT_FDCWD, "/c", RENAME_NOREPLACE) = -1 ENOENT (No such file ...)
1  openat(AT_FDCWD, "/d", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3
1  bind(3, {sa_family=AF_UNIX, sun_path="/e"}, 110) = -1 ENOENT (No such file or directory)
1  openat(AT_FDCWD, "/f", O_RDONLY) = 3
"""
    seen = list(lookups.lookups(trace))
    assert [each.path for each in seen] == ["/a", "/c", "/d", "/e", "/f"]
    assert [each.made for each in seen] == [True, True, True, True, False]


def test_file_found_in_another_directory_is_no_suspect(tmp_path: Path) -> None:
    seen = [
        Lookup("/a/lib.so", found=False),
        Lookup("/b/lib.so", found=True),
        Lookup("/usr/lib/locale/x", found=False),
        Lookup("/c", found=False),
        Lookup("/usr/lib/locale/y", found=False),
    ]
    suspects = missing.suspects(seen, str(tmp_path), lambda _: True)
    assert suspects == ("/c", "/usr/lib/locale/y", "/usr/lib/locale/x")


def test_directories_of_the_system_are_not_suggested_whole(tmp_path: Path) -> None:
    package = "/usr/share/doc"
    paths = ("/usr", "/usr/lib", "/usr/lib/x86_64-linux-gnu", package, f"{package}/file")
    seen = [Lookup(path, found=False) for path in paths]
    assert missing.suspects(seen, str(tmp_path), lambda _: True) == (package,)


def test_a_fifo_that_a_failing_test_leaves_is_not_waited_for(run: Run, bundle: Bundle) -> None:
    app = bundle.write("/bin/app", "#!/bin/run\n", 0o755)
    command = "rm /bin/app; mkfifo -m 755 /bin/run /bin/app /lib.so; /bin/other; exit 1"
    start = time.monotonic()
    assert "returned non-zero exit code: exit status: 1" in message(run, app, command=command)
    assert time.monotonic() - start < 5

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from magicpak import errors, jail
from magicpak.jail import enter, furnish, missing, plant
from magicpak.system.tools import ToolNotFound
from support.elves import EM_AARCH64, ET_EXEC, Made
from support.jails import NAME, Bundle, Run, message
from support.machine import free_port, named
from support.privileges import (
    NOBODY,
    docker_build,
    forked,
    full,
    nobody,
)
from support.programs import Compile

pytestmark = pytest.mark.needs("root", "busybox", "cc")

# What passes


def test_dynamically_linked_program_is_run_by_its_absolute_path(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    body = 'puts(argv[0]); return access("/proc/self/exe", F_OK);'
    path = bundle.add(program("app", body, "-g0"), "/opt/my app's/app")
    assert run(path, stdout=path) == ()


def test_every_executable_is_tested(run: Run, bundle: Bundle, program: Compile) -> None:
    good = bundle.add(program("good", "return 0;"), "/good")
    bad = bundle.add(program("bad", "return 3;"), "/bad")
    text = message(run, good, bad)
    assert text == "Test failed: /bad returned non-zero exit code: exit status: 3"


def test_command_is_run_once_whatever_the_number_of_executables(run: Run, bundle: Bundle) -> None:
    one, two = bundle.write("/one", "", 0o755), bundle.write("/two", "", 0o755)
    run(one, two, command="echo $((++n)) >> /tmp/log; cat /tmp/log", stdout="1")


def test_output_is_compared_with_both_ends_stripped(run: Run, bundle: Bundle) -> None:
    path = bundle.write("/f", "#!/bin/sh\nprintf '  hi  there\\n\\n'\n", 0o755)
    run(path, stdout="\n hi  there\t\n")


def test_undecodable_bytes_survive(run: Run, bundle: Bundle) -> None:
    path = bundle.write("/f", "#!/bin/cat -\n", 0o755)
    run(path, command="cat", stdin="a\udcff\u00e4", stdout="a\udcff\u00e4")


def test_stdin_is_at_its_end_when_none_is_given(run: Run, bundle: Bundle) -> None:
    run(bundle.write("/f", "", 0o755), command="cat; echo end", stdout="end")


@pytest.mark.parametrize("large", [10_000_000])
def test_output_of_10_mb_is_drained(
    run: Run, bundle: Bundle, program: Compile, large: int
) -> None:
    body = f'for (int i = 0; i < {large // 10}; i++) puts("123456789"); return 0;'
    path = bundle.add(program("talk", body), "/talk")
    run(path, stdout="123456789\n" * (large // 10))


def test_program_with_threads_and_children_passes(
    run: Run, bundle: Bundle, compile_c: Compile
) -> None:
    source = """
        #include <pthread.h>
        #include <sys/wait.h>
        #include <unistd.h>
        static void *work(void *n) { return n; }
        int main(void) {
            pthread_t t[8]; int status;
            for (int i = 0; i < 8; i++) pthread_create(&t[i], 0, work, 0);
            for (int i = 0; i < 8; i++) pthread_join(t[i], 0);
            if (fork() == 0) { execl("/bin/true", "true", (char *) 0); _exit(1); }
            wait(&status);
            return status != 0;
        }"""
    run(bundle.add(compile_c("app", source, "-pthread"), "/app"))


@pytest.mark.needs("upx")
def test_upx_packed_program_runs(run: Run, bundle: Bundle, program: Compile) -> None:
    path = bundle.add(program("app", 'puts("hello"); return 0;'), "/app")
    subprocess.run(["upx", "-qq", "-1", bundle.tree / "app"], check=True, capture_output=True)
    run(path, stdout="hello")


def test_server_in_the_background_ends_with_the_command(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    # Its own session, and it keeps stdout open.
    path = bundle.add(program("server", "setsid(); sleep(1000); return 0;"), "/server")
    start = time.monotonic()
    run(path, command="server & sleep 0.1; echo done", stdout="done")
    assert time.monotonic() - start < 10


def test_daemon_that_changes_its_user_is_killed(
    bundle: Bundle, program: Compile
) -> None:
    # Without CAP_SYS_PTRACE not even root sees such a process' root directory.
    body = f"""if (fork()) return 0;
        setsid(); prctl(PR_SET_NAME, "{NAME}-d"); if (setuid({NOBODY})) return 1;
        sleep(1000); return 0;"""
    path = bundle.add(program("daemon", body), "/daemon")
    forked(docker_build, lambda: jail.check(str(bundle.tree), [path], command="daemon; sleep 0.1"))
    assert not named(f"{NAME}-d")


# What a container has


def test_container_has_devices_proc_and_temporary_directories(run: Run, bundle: Bundle) -> None:
    command = """set -e
        echo lost > /dev/null; head -c 4 /dev/zero | od -An -tx1
        test $(head -c 8 /dev/urandom | wc -c) = 8; test -c /dev/random; test -c /dev/tty
        ! echo x > /dev/full
        touch /tmp/a /dev/shm/b; stat -c %a /tmp /dev/shm; pwd; ls -l /dev/stdout | sed 's/.*> //'
        test -e /proc/self/exe"""
    got = run(
        bundle.write("/f", "", 0o755),
        command=command,
        stdout="00 00 00 00\n1777\n1777\n/\n/proc/self/fd/1",
    )
    assert got == ()
    assert os.listdir(bundle.tree) == ["f"]


@pytest.mark.needs("mounts", "userns")
@pytest.mark.parametrize("become", [full, nobody])
def test_proc_is_of_the_jail_where_mounts_are_permitted(
    bundle: Bundle, become: Callable[[], None]
) -> None:
    if become is nobody:
        for path in (bundle.top, bundle.tree):
            os.lchown(path, NOBODY, NOBODY)
    command = "readlink /proc/self/exe; echo out > /dev/stdout; ls -d /proc/[0-9]* | wc -l"
    # The first process of the namespace, the shell, ls and wc.
    expected = "/bin/busybox\nout\n4"
    forked(become, lambda: jail.check(str(bundle.tree), ["/f"], command=command, stdout=expected))


def test_environment_is_clean(
    run: Run, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, program: Compile
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/leak")
    monkeypatch.setenv("SECRET", "leak")
    body = "for (extern char **environ; *environ; environ++) puts(*environ); return 0;"
    path = bundle.add(program("show", body.replace("extern char **environ", "")), "/bin/show")
    bundle.write("/etc/passwd", "root:x:0:0::/home/r:\n")
    shown = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\nSHLVL=1"
    run(path, command="show | sort", stdout=f"HOME=/home/r\n{shown}")


def test_environment_is_as_given(run: Run, bundle: Bundle) -> None:
    env = {"PATH": "/bin", "HOME": "/h", "LANG": "de_DE"}
    run(
        bundle.write("/bin/f", "", 0o755),
        command='echo "$PATH $HOME $LANG"',
        env=env,
        stdout="/bin /h de_DE",
    )


def test_file_modes_and_links_are_those_of_the_bundle(run: Run, bundle: Bundle) -> None:
    bundle.write("/data/secret", "", 0o640)
    (bundle.tree / "data").chmod(0o550)
    (bundle.tree / "link").symlink_to("data/secret")
    command = "stat -c %a /data /data/secret; readlink /link"
    run("/data/secret", command=command, stdout="550\n640\ndata/secret")


# Names


@pytest.mark.parametrize(
    "name", ["ls", "test", "[", "clang-format", "echo", "env", "kill", "xargs", "ts", "[["]
)
def test_name_finds_the_bundled_program_before_an_applet(
    run: Run, bundle: Bundle, program: Compile, name: str
) -> None:
    path = bundle.add(program("mine", 'puts("mine"); return 0;'), f"/usr/bin/{name}")
    run(path, command=f"{name} x", stdout="mine")


@pytest.mark.parametrize("directory", ["/usr/bin", "/bin", "/opt/some where"])
def test_children_of_the_command_find_the_bundled_program_too(
    run: Run, bundle: Bundle, program: Compile, directory: str
) -> None:
    path = bundle.add(program("mine", 'puts("mine"); return 0;'), f"{directory}/ls")
    command = (
        "ls; echo / | xargs ls; env ls; timeout 5 ls; find /proc -maxdepth 0 -exec ls \\;; "
        "sh -c ls; (exec ls); command ls; nice ls 2>&1 | grep -v nice; echo $(ls) | cat"
    )
    run(path, command=command, stdout="mine\n" * 9)


def test_program_outside_path_is_found_by_name(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    hello = program("hello", 'puts("hello"); return 0;')
    run(bundle.add(hello, "/opt/a:b/hello"), command="hello", stdout="hello")
    run(bundle.add(hello, "/x/hello"), command="command -v hello", stdout="/x/hello")


def test_command_keeps_its_quoting_arguments_and_status(run: Run, bundle: Bundle) -> None:
    path = bundle.write("/opt/x y/te'st", '#!/bin/sh\necho "$@"\n', 0o755)
    command = """te\\'st 'a  b' "$0" $# \\
        <<END
$(exit 1)
END
"""
    run(path, command=command, stdout="a  b /bin/sh 0")
    assert ": exit status: 7" in message(run, path, command="true; exit 7")


def test_applets_are_beside_the_bundle_and_never_in_it(run: Run, bundle: Bundle) -> None:
    path = bundle.write("/bin/sed", "#!/bin/sh\necho mine\n", 0o755)
    bundle.write("/bin/busybox", "#!/bin/sh\necho not busybox\n", 0o755)
    before = bundle.snapshot()
    run(path, command="sed; busybox; echo x | tr x y", stdout="mine\nnot busybox\ny")
    assert bundle.snapshot() == before


def test_own_shell_of_the_bundle_is_used(run: Run, bundle: Bundle) -> None:
    path = bundle.add("/bin/dash", "/bin/sh")
    bundle.write("/usr/bin/test", "#!/bin/sh\necho mine\n", 0o755)
    run(path, "/usr/bin/test", command="readlink /bin/sh; /bin/ls -l /bin/ls; test", stdout=None)
    run(path, "/usr/bin/test", command="test", stdout="mine")
    text = message(run, path, command="exit 9 || [[ a ]]")
    assert "exit status: 9" in text


@pytest.mark.parametrize("link", ["usr/bin", "/usr/bin", "../../usr/bin"])
def test_bin_that_is_a_link_is_followed_inside_the_jail(
    run: Run, bundle: Bundle, link: str
) -> None:
    (bundle.tree / "bin").symlink_to(link)
    path = bundle.write("/usr/bin/mine", "#!/bin/sh\nls -d /usr/bin/sh\n", 0o755)
    run(path, command="mine", stdout="/usr/bin/sh")
    assert os.listdir(bundle.tree / "usr/bin") == ["mine"]


def test_links_cannot_lead_out_of_the_jail(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a/up").symlink_to("../../../..")
    (root / "a/etc").symlink_to("/etc")
    (root / "loop").symlink_to("loop")
    assert plant.inside(str(root), "/a/up/x") == f"{root}/x"
    assert plant.inside(str(root), "/a/etc/../b") == f"{root}/b"
    assert plant.inside(str(root), "/../..") == str(root)
    with pytest.raises(errors.IoError, match="loop"):
        plant.inside(str(root), "/loop/x")


# Sharing


def test_file_that_the_test_writes_to_is_reported(run: Run, bundle: Bundle) -> None:
    for name in "abcde":
        bundle.write(f"/etc/{name}", "same size")
    bundle.write("/var/log", "")
    command = """printf 'SAME SIZE' > /etc/b; chmod 600 /etc/c; touch -d @1 /etc/d
        cat /etc/a; rm /etc/e; mkdir /new; echo > /new/f; rmdir /mnt 2> /dev/null
        echo > /var/log"""
    altered = run("/etc/a", command=command, stdout="same size")
    assert [path for path in altered if path != "/etc/e"] == [
        "/etc/b",
        "/etc/c",
        "/etc/d",
        "/var/log",
    ]
    assert (bundle.tree / "etc/e").read_text() == "same size"
    assert not (bundle.tree / "new").exists()


def test_program_that_writes_at_once_is_noticed_however_coarse_the_clock(bundle: Bundle) -> None:
    for _ in range(10):
        path = bundle.write("/a", "#!/bin/sh\nprintf x 1<> /data\n", 0o755)
        bundle.write("/data", "abc")
        assert jail.check(str(bundle.tree), [path]) == ("/data",)


def test_files_are_shared_not_copied(bundle: Bundle) -> None:
    bundle.write("/big", "x" * 100_000)
    root = str(bundle.top / "root")
    shared = plant.plant(str(bundle.tree), root)
    source, target = os.stat(bundle.tree / "big"), os.stat(f"{root}/big")
    # A file system with reflinks gives another inode for the same extents.
    assert source.st_ino == target.st_ino or not shared
    plant.remove(root)


def test_file_that_cannot_be_linked_is_copied(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(31, "Too many links")

    path = bundle.write("/a", "#!/bin/sh\necho '# changed' >> /a\n", 0o755)
    monkeypatch.setattr(os, "link", refuse)
    before = bundle.snapshot()
    assert jail.check(str(bundle.tree), [path]) == ()
    assert bundle.snapshot() == before


def test_file_with_reflinks_is_shared_without_its_inode(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clone(new: IO[bytes], request: int, old: int) -> None:
        assert request == 0x40049409
        new.write(os.pread(old, 1_000_000, 0))
        new.flush()

    # What the file systems of most test machines lack.
    monkeypatch.setattr(fcntl, "ioctl", clone)
    path = bundle.write("/a", "#!/bin/sh\necho '# changed' >> /a\n", 0o4755)
    before = bundle.snapshot()
    assert jail.check(str(bundle.tree), [path]) == ()
    assert bundle.snapshot() == before


def test_fifos_and_sockets_are_in_the_jail_too(run: Run, bundle: Bundle) -> None:
    os.mkfifo(bundle.tree / "fifo")
    run(
        bundle.write("/f", "", 0o755),
        command="test -p /fifo && cat /fifo & echo x > /fifo; wait",
        stdout="x",
    )


def test_jail_is_removed_whatever_its_modes(run: Run, bundle: Bundle) -> None:
    command = "mkdir -p /x/y/z; touch /x/y/z/f; chmod 0 /x/y/z /x/y /x; chmod 0 /; ln -s / /l"
    run(bundle.write("/f", "", 0o755), command=command)


def test_removal_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir(mode=0o500)
    (tmp_path / "kept/file").touch()
    gone = tmp_path / "gone"
    gone.mkdir()
    (gone / "link").symlink_to(tmp_path / "kept")
    plant.remove(str(gone))
    assert not gone.exists()
    assert (tmp_path / "kept/file").exists()
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o500


def test_removal_never_deletes_through_a_mount(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    place = tmp_path / "gone with\tblanks/mount"
    place.mkdir(parents=True)
    if subprocess.run(["mount", "--bind", tmp_path / "kept", place], check=False).returncode:
        pytest.skip("mounts are not permitted")
    plant.remove(str(place.parent))
    assert (tmp_path / "kept/file").exists()
    assert not place.parent.exists()


def test_nothing_is_mounted_for_others(bundle: Bundle) -> None:
    before = Path("/proc/self/mounts").read_text()
    path = bundle.write("/f", "#!/bin/sh\nsleep 0.1\n", 0o755)
    jail.check(str(bundle.tree), [path])
    assert Path("/proc/self/mounts").read_text() == before


def test_interrupted_test_leaves_nothing(bundle: Bundle, program: Compile) -> None:
    body = f'prctl(PR_SET_NAME, "{NAME}-e"); setsid(); sleep(1000); return 0;'
    path = bundle.add(program("endless", body), "/endless")

    def interrupted() -> None:
        signal_after = os.getpid()
        if os.fork() == 0:
            time.sleep(0.5)
            os.kill(signal_after, 2)
            os._exit(0)
        with pytest.raises(KeyboardInterrupt):
            jail.check(str(bundle.tree), [path])

    forked(docker_build, interrupted)
    assert not named(f"{NAME}-e")


@pytest.mark.needs("mounts", "userns")
@pytest.mark.parametrize("become", [full, nobody])
def test_killed_magicpak_leaves_no_process(
    bundle: Bundle, program: Compile, become: Callable[[], None]
) -> None:
    body = f'prctl(PR_SET_NAME, "{NAME}-o"); if (!fork()) setsid(); sleep(1000); return 0;'
    path = bundle.add(program("endless", body), "/endless")
    for place in (bundle.top, *bundle.top.rglob("*")):
        os.lchown(place, NOBODY, NOBODY)
    pid = os.fork()
    if pid == 0:
        become()
        jail.check(str(bundle.tree), [path])
    deadline = time.monotonic() + 10
    while len(named(f"{NAME}-o")) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    while named(f"{NAME}-o") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not named(f"{NAME}-o")
    # Nobody was left to remove it.
    for left in bundle.top.glob(".magicpak-test-*"):
        plant.remove(str(left))


# Failures


def test_program_killed_by_a_signal_is_described(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    path = bundle.add(program("app", 'fputs("why\\n", stderr); abort();'), "/bin/app")
    expected = "returned non-zero exit code: signal: 6 (SIGABRT); stderr: why"
    assert message(run, path) == f"Test failed: /bin/app {expected}"
    text = message(run, path, command="app; exit $?")
    assert "exit status: 134, which is how a shell passes on signal: 6 (SIGABRT)" in text


def test_program_that_never_ends_is_killed_with_all_its_descendants(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    body = f'prctl(PR_SET_NAME, "{NAME}-e"); if (!fork()) setsid(); sleep(1000); return 0;'
    path = bundle.add(program("endless", body), "/endless")
    start = time.monotonic()
    text = message(run, path, timeout=0.5)
    assert text.startswith("Test failed: /endless did not end within 0.5 s and was killed")
    assert time.monotonic() - start < 10
    assert not named(f"{NAME}-e")


def test_mismatch_is_shown_with_what_was_expected(run: Run, bundle: Bundle) -> None:
    path = bundle.write("/f", "#!/bin/sh\nprintf 'B\\n\\001'\n", 0o755)
    assert message(run, path, stdout=" A ") == (
        "Test failed: Test command stdout mismatch. expected: 'A', but got 'B\\n\\x01'"
    )


def test_long_mismatch_tells_where_it_begins() -> None:
    expected = "line one\n" * 50 + "line TWO" + "\nrest" * 100
    text = str(jail.OutputDiffers(expected, expected.replace("TWO", "two")))
    assert "first difference in line 51, column 6: expected 'TWO\\nrest" in text
    assert len(text) < 1000


def test_end_of_both_outputs_is_shown(run: Run, bundle: Bundle) -> None:
    script = "#!/bin/sh\nyes x | head -n 9999; echo last; echo bad >&2; exit 1\n"
    text = message(run, bundle.write("/f", script, 0o755))
    assert "; stderr: bad; stdout: […]" in text
    assert text.endswith("x; last")
    assert len(text) < 2000


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


def test_missing_interpreter_is_the_reason(
    run: Run, bundle: Bundle, program: Compile
) -> None:
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


def test_shell_of_the_bundle_that_cannot_start_is_the_reason(run: Run, bundle: Bundle) -> None:
    path = bundle.add("/bin/dash", "/bin/sh", libraries=False)
    text = message(run, path)
    assert "exit status: 127; stderr: /bin/sh: No such file or directory; /bin/sh cannot" in text


def test_nothing_is_suggested_without_strace(bundle: Bundle) -> None:
    path = bundle.write("/f", "#!/bin/sh\ncat /etc/debian_version\n", 0o755)
    with pytest.raises(jail.CheckFailed) as failure:
        jail.check(str(bundle.tree), [path], strace="no-such-strace")
    assert failure.value.missing == ()


def test_busybox_that_is_not_static_is_refused(bundle: Bundle) -> None:
    with pytest.raises(jail.BusyboxNotStatic, match="busybox-static"):
        jail.check(str(bundle.tree), ["/f"], is_static=lambda _: False)
    with pytest.raises(jail.BusyboxNotStatic, match="/bin/ls is dynamically linked"):
        jail.check(str(bundle.tree), ["/f"], busybox="/bin/ls")


def test_missing_busybox_is_named_with_its_package(bundle: Bundle) -> None:
    with pytest.raises(ToolNotFound, match="busybox-static"):
        jail.check(str(bundle.tree), ["/f"], busybox="no-such-busybox")


def test_what_is_missing_for_a_jail_is_said(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> tuple[bool, bool]:
        raise PermissionError(1, "Operation not permitted", "unshare")

    monkeypatch.setattr(enter, "_isolate", refuse)
    with pytest.raises(jail.JailUnavailable) as failure:
        jail.check(str(bundle.tree), ["/f"])
    assert "CAP_SYS_CHROOT" in str(failure.value)
    assert "user namespaces are refused (Operation not permitted: unshare)" in str(failure.value)


# Parts


def test_applets_stay_in_order_when_some_are_hidden() -> None:
    names = ("[", "[[", "ls", "true", "truncate", "ts", "tt")
    table = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    content = furnish.adapt(b"ELF" + table + b"\0/proc/self/exe\0", names, {"ls", "["}, "/bin/b")
    assert content == b"ELF\0Z\0[[\0lr\0true\0truncate\0ts\0tt\0\0/bin/b\0\0\0\0\0\0\0\0\0"
    content = furnish.adapt(table, names, {"ts"}, "/bin/busybox")
    assert content is None or content.split(b"\0")[1:-1] == sorted(content.split(b"\0")[1:-1])


def test_busybox_without_a_table_of_names_is_used_with_aliases(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(furnish, "adapt", lambda *_: None)
    path = bundle.write("/usr/bin/ls", "#!/bin/sh\necho mine\n", 0o755)
    assert jail.check(str(bundle.tree), [path], command="ls", stdout="mine") == ()


@pytest.mark.needs("strace")
def test_program_of_another_machine_is_the_reason(run: Run, bundle: Bundle) -> None:
    path = bundle.write("/bin/app", "", 0o755)
    (bundle.tree / path[1:]).write_bytes(bytes(Made(kind=ET_EXEC, machine=EM_AARCH64)))
    assert "; /bin/app is for another machine: EM_AARCH64" in message(run, path)


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


# Real programs


@pytest.mark.needs("redis-server", "redis-cli")
def test_redis_answers_in_its_jail(run: Run, bundle: Bundle) -> None:
    port = free_port()
    server = bundle.add("/usr/bin/redis-server", "/usr/bin/redis-server")
    bundle.add("/usr/bin/redis-cli", "/usr/bin/redis-cli")
    command = f"""redis-server --port {port} --save '' > /dev/null &
        for i in $(seq 50); do redis-cli -p {port} ping 2>/dev/null | grep PONG && exit; sleep 0.1
        done; exit 1"""
    run(server, command=command, stdout="PONG")


@pytest.mark.needs("git")
def test_git_works_in_its_jail(run: Run, bundle: Bundle) -> None:
    path = bundle.add("/usr/bin/git", "/usr/bin/git")
    run(
        path,
        command="cd /tmp && git init -q . 2>/dev/null && git rev-parse --git-dir",
        stdout=".git",
    )


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

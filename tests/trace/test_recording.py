"""What a real strace on real programs tells."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magicpak import trace
from magicpak.errors import MagicpakError
from magicpak.system.tools import ToolNotFound
from magicpak.trace import Touched, session
from magicpak.trace.endpoint import Endpoint
from magicpak.trace.strace_log import Access, Kind
from magicpak.trace.touched import sift
from support.machine import free_port, running
from support.programs import script
from support.traces import HEAD, PYTHON, Compiled, Touch, directories, files, needs_cc, needs_strace


@needs_strace
def test_what_a_program_opens_is_found_and_the_program_itself_is_not(
    touch: Touch, tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("x")
    found = touch("/bin/cat", str(tmp_path / "data"))
    assert str(tmp_path / "data") in files(found)
    assert any(re.search(r"/libc\.so\.6|/ld-musl", path) for path in files(found))
    assert "/bin/cat" not in files(found)
    assert list(found) == sorted(set(found))


@needs_strace
def test_a_traced_python_brings_sources_and_their_compiled_form(touch: Touch) -> None:
    found = files(touch(PYTHON, "-c", "import ssl, json"))
    assert any(path.endswith("/json/decoder.py") for path in found)
    assert any(path.endswith("/ssl.py") for path in found)
    for path in found:
        if match := re.fullmatch(r"(.*)/__pycache__/([^/.]+)\.[^/]+\.pyc", path):
            assert f"{match[1]}/{match[2]}.py" in found


@needs_cc
def test_relative_paths_and_descriptors_are_followed(
    touch: Touch, compiled: Compiled, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    (base / "sub").mkdir(parents=True)
    for name in ("one", "sub/two", "sub/three", "four"):
        (base / name).write_text(name)
    program = compiled(
        HEAD
        + """
int main(int c, char **v) {
    chdir(v[1]); if (open("one", O_RDONLY) < 0) return 1;
    int d = open("sub", O_RDONLY | O_DIRECTORY);
    if (openat(d, "two", O_RDONLY) < 0) return 2;
    fchdir(d); if (access("three", R_OK)) return 3;
    struct stat s; if (stat("../four", &s)) return 4;
    if (access("nothing", R_OK) == 0) return 5;
    return 0;
}"""
    )
    found = touch(program, str(base))
    wanted = {str(base / name) for name in ("one", "sub/two", "sub/three", "sub/../four")}
    assert wanted <= files(found)
    assert {str(base), str(base / "sub")} <= directories(found)
    assert not any("nothing" in one.path for one in found)


@needs_cc
def test_children_and_threads_are_followed(
    touch: Touch, compiled: Compiled, tmp_path: Path
) -> None:
    for name in ("thread", "child", "grandchild", "vforked"):
        (tmp_path / name).write_text(name)
    program = compiled(
        HEAD
        + """
void *thread(void *p) { open("thread", O_RDONLY); return 0; }
int main(int c, char **v) {
    chdir(v[1]);
    pthread_t t; pthread_create(&t, 0, thread, 0); pthread_join(t, 0);
    if (!fork()) {
        open("child", O_RDONLY);
        if (!fork()) { setsid(); open("grandchild", O_RDONLY); _exit(0); }
        wait(0); _exit(0);
    }
    wait(0);
    if (!vfork()) { execl("/bin/cat", "cat", "vforked", (char *)0); _exit(1); }
    wait(0);
    return 0;
}"""
    )
    found = files(touch(program, str(tmp_path)))
    names = ("thread", "child", "grandchild", "vforked")
    assert {str(tmp_path / name) for name in names} <= found
    assert "/bin/cat" in found


@needs_strace
@pytest.mark.needs("cc")
def test_what_a_thread_executes_is_found(touch: Touch, compiled: Compiled, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    program = compiled(
        HEAD + "static void *run(void *p) { chdir(p); execl("
        '"/usr/bin/head", "head", "data", (char *) 0); return 0; } int main(int n, char **v) {'
        "pthread_t t; pthread_create(&t, 0, run, v[1]); for (;;) pause(); }"
    )
    found = files(touch(program, str(tmp_path)))
    assert {"/usr/bin/head", str(tmp_path / "data")} <= found


@needs_strace
@pytest.mark.needs("cc")
def test_a_program_that_would_open_files_by_io_uring_opens_them_by_calls(
    touch: Touch, compiled: Compiled, tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("x")
    program = compiled(
        HEAD + "#include <sys/syscall.h>\n"
        "int main(int n, char **v) { (void) n; char parameters[120] = { 0 };"
        "return syscall(425, 8, parameters) < 0 && open(v[1], O_RDONLY) >= 0 ? 0 : 1; }"
    )
    assert str(tmp_path / "data") in files(touch(program, str(tmp_path / "data")))


@needs_strace
def test_a_script_brings_its_interpreter(touch: Touch, tmp_path: Path) -> None:
    inner, script = tmp_path / "inner", tmp_path / "script"
    inner.symlink_to(os.path.realpath("/bin/sh"))
    script.write_text(f"#!{inner}\nexit 0\n")
    script.chmod(0o755)
    found = files(touch("/bin/sh", "-c", f"{script}; :"))
    assert {str(script), str(inner)} <= found


@needs_cc
def test_what_the_run_makes_is_left_out_and_what_was_there_is_not(
    touch: Touch, compiled: Compiled, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for name in ("database", "input", "replaced", "truncated", "log"):
        (work / name).write_text(name)
    program = compiled(
        HEAD
        + """
void reread(const char *name, int flags) {
    int f = open(name, flags, 0600);
    if (f < 0) exit(9);
    write(f, "x", 1); close(f);
    if (open(name, O_RDONLY) < 0) exit(8);
}
int main(int c, char **v) {
    chdir(v[1]);
    reread("made-exclusive", O_RDWR | O_CREAT | O_EXCL);
    reread("made-truncated", O_RDWR | O_CREAT | O_TRUNC);
    reread("made-shared", O_RDWR | O_CREAT);
    reread("made-appended", O_WRONLY | O_CREAT | O_APPEND);
    reread("truncated", O_RDWR | O_TRUNC);
    reread("database", O_RDWR);
    open("input", O_RDONLY); struct stat s; stat("replaced", &s);
    rename("made-exclusive", "replaced"); open("replaced", O_RDONLY);
    mkdir("made-dir", 0755); reread("made-dir/file", O_WRONLY | O_CREAT);
    symlink("input", "made-link"); readlink("made-link", (char[9]){0}, 9);
    mkfifo("made-fifo", 0600);
    return 0;
}"""
    )
    found = touch(program, str(work))
    inside = {os.path.relpath(path, work) for path in files(found) if path.startswith(str(work))}
    assert inside == {"database", "input"}
    assert not any("made" in path for path in directories(found))


@needs_cc
@pytest.mark.parametrize("flags", ["O_RDWR | O_CREAT", "O_RDWR | O_CREAT | O_APPEND"])
def test_a_database_that_was_there_is_used_although_the_run_writes_to_it(
    touch: Touch, compiled: Compiled, tmp_path: Path, flags: str
) -> None:
    (tmp_path / "data").mkdir()
    database = tmp_path / "data" / "base"
    program = compiled(
        HEAD
        + f"""
int main(int c, char **v) {{
    int f = open(v[1], {flags}, 0600);
    return write(f, "more", 4) != 4;
}}"""
    )
    database.write_text("content")
    assert str(database) in files(touch(program, str(database)))


@needs_strace
def test_the_directory_of_an_output_is_needed(touch: Touch, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    found = touch("/bin/sh", "-c", f"echo > {tmp_path}/out/file; mkdir {tmp_path}/out/new")
    assert str(tmp_path / "out") in directories(found)
    assert not any(one.path.endswith(("/file", "/new")) for one in found)


@needs_strace
def test_what_belongs_to_the_machine_is_left_out(touch: Touch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "sock"))
        names = ("/proc/self/status", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
        found = touch(
            "/bin/sh",
            "-c",
            f"cat {' '.join(names)} < /dev/null; ls -d / /sys /run /var/run {tmp_path}/sock",
            allow_failure=True,
        )
    for one in found:
        assert not re.match(r"/(proc|sys|dev|run|var/run)(/|$)", one.path)
        assert one.path not in (*names, "/", str(tmp_path / "sock"), "/etc/ld.so.cache")


@needs_strace
def test_a_link_is_reported_as_named_and_a_directory_behind_one_too(
    touch: Touch, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    (tmp_path / "to-dir").symlink_to("real")
    (tmp_path / "to-file").symlink_to("real/file")
    found = touch(
        "/bin/sh", "-c", f"cat {tmp_path}/to-file {tmp_path}/to-dir/file; ls {tmp_path}/to-dir"
    )
    expected = {str(tmp_path / name) for name in ("to-file", "to-dir/file", "to-dir")}
    assert expected <= files(found)
    assert str(tmp_path / "real") in directories(found)


@needs_strace
def test_links_on_the_way_are_reported_at_any_remove(touch: Touch, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("x")
    (tmp_path / "a" / "other").write_text("x")
    for name, text in (("one", "two"), ("two", "c/b"), ("c", "a"), ("last", "c/other")):
        (tmp_path / name).symlink_to(text)
    found = files(touch("/bin/cat", f"{tmp_path}/one/file", f"{tmp_path}/one/../other"))
    assert {str(tmp_path / name) for name in ("one", "two", "c", "one/file")} <= found
    assert {str(tmp_path / "c")} <= files(touch("/bin/cat", f"{tmp_path}/last"))


def test_directories_that_are_links_in_some_systems_only_are_reported_as_directories() -> None:
    if not os.path.islink("/bin"):
        pytest.skip("/usr is not merged here")
    found = sift([Access("/bin", Kind.SEEN), Access("/bin/sh", Kind.USED)])
    assert Touched("/bin", True) in found
    assert Touched("/bin", False) not in found


PEM = "-----BEGIN {}PRIVATE KEY-----\nabc\n"


@needs_strace
@pytest.mark.parametrize("kind", ["", "RSA ", "OPENSSH ", "ENCRYPTED "])
def test_a_private_key_is_left_out_with_a_warning(
    touch: Touch, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    key, link = tmp_path / "id", tmp_path / "link"
    key.write_text(PEM.format(kind))
    link.symlink_to("id")
    found = touch("/bin/cat", str(link))
    assert str(link) not in files(found)
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert f"--include {link}" in record.getMessage()


@pytest.mark.parametrize("kind", ["", "PGP {}BLOCK"])
def test_a_key_after_certificates_is_left_out(tmp_path: Path, kind: str) -> None:
    lines = 50 * f"{64 * chr(65)}\n"
    certificate = f"-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n"
    key = PEM.format("") if not kind else "-----BEGIN PGP PRIVATE KEY BLOCK-----\n"
    for name, text in (("chain", 3 * certificate), ("combined", 3 * certificate + key)):
        (tmp_path / name).write_text(text)
    found = sift([Access(str(tmp_path / name), Kind.USED) for name in ("chain", "combined")])
    assert found == (Touched(str(tmp_path / "chain"), False),)


@needs_strace
def test_a_text_that_speaks_of_private_keys_is_taken(touch: Touch, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text('MARK = "-----BEGIN PRIVATE KEY-----"\n')
    assert str(tmp_path / "code.py") in files(touch("/bin/cat", str(tmp_path / "code.py")))


def test_passwords_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    if not os.path.exists("/etc/shadow"):
        pytest.skip("no /etc/shadow")
    assert sift([Access("/etc/shadow", Kind.USED)]) == ()
    assert "--include /etc/shadow" in caplog.text


def test_a_key_by_name_is_left_out_only_where_nobody_else_may_read_it(tmp_path: Path) -> None:
    for name, mode in (("a.key", 0o600), ("b.key", 0o644)):
        (tmp_path / name).write_bytes(b"\0")
        (tmp_path / name).chmod(mode)
    accesses = [Access(str(tmp_path / name), Kind.USED) for name in ("a.key", "b.key")]
    assert sift(accesses) == (Touched(str(tmp_path / "b.key"), False),)


@needs_strace
def test_stdin_is_given_and_ends(touch: Touch, tmp_path: Path) -> None:
    touch("/bin/sh", "-c", f"cat > {tmp_path}/copy", stdin=b"x" * 300_000)
    assert (tmp_path / "copy").stat().st_size == 300_000
    touch("/bin/sh", "-c", "cat")
    touch("/bin/true", stdin=b"x" * 300_000)


@needs_strace
def test_ten_megabytes_of_output_are_drained(
    touch: Touch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    touch("/bin/sh", "-c", "head -c 10000000 /dev/zero | tr '\\0' x; echo END; echo oops >&2")
    assert "END" in caplog.text
    assert "oops" in caplog.text
    assert len(caplog.text) < 20_000


@needs_strace
@pytest.mark.parametrize(
    ("script", "how"), [("exit 3", "exit status: 3"), ("kill -9 $$", "signal: 9 (SIGKILL)")]
)
def test_a_failing_program_fails_the_run(touch: Touch, script: str, how: str) -> None:
    with pytest.raises(trace.DynamicFailed) as e:
        touch("/bin/sh", "-c", f"echo one >&2; echo two >&2; {script}")
    text = str(e.value)
    assert text.startswith(f"Dynamic analysis subprocess failed: {how}; stderr: one; two")
    assert "--dynamic-allow-failure" in text
    assert "\n" not in text


@needs_strace
def test_a_failing_program_may_be_allowed(
    touch: Touch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").write_text("x")
    found = touch("/bin/sh", "-c", f"cat {tmp_path}/data; exit 3", allow_failure=True)
    assert str(tmp_path / "data") in files(found)
    assert "exit status: 3" in caplog.text


@needs_strace
def test_a_program_that_does_not_end_is_ended_after_the_timeout(touch: Touch, nap: str) -> None:
    start = time.monotonic()
    found = touch("/bin/sleep", nap, timeout=0.5)
    assert time.monotonic() - start < 4
    assert files(found)
    assert not running(nap)


@needs_strace
def test_a_program_that_ignores_sigterm_is_killed(
    touch: Touch, nap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "GRACE", 0.3)
    touch("/bin/sh", "-c", f"trap '' TERM; while :; do sleep {nap}; done", timeout=0.3)
    assert not running(nap)


@needs_strace
def test_a_program_that_ends_before_the_timeout_is_not_waited_for(touch: Touch) -> None:
    start = time.monotonic()
    touch("/bin/true", timeout=60)
    with pytest.raises(trace.DynamicFailed):
        touch("/bin/false", timeout=60)
    assert time.monotonic() - start < 10


@needs_strace
def test_a_daemon_left_behind_is_ended(
    touch: Touch, nap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LINGER", 0.2)
    start = time.monotonic()
    touch("/bin/sh", "-c", f"setsid sh -c 'setsid sleep {nap} & sleep {nap}' & exit 0")
    assert time.monotonic() - start < 5
    assert not running(nap)


@needs_strace
def test_children_may_finish_their_work_after_the_program(touch: Touch, tmp_path: Path) -> None:
    (tmp_path / "late").write_text("x")
    found = touch("/bin/sh", "-c", f"(sleep 0.5; cat {tmp_path}/late) & exit 0")
    assert str(tmp_path / "late") in files(found)


@needs_strace
def test_the_status_of_a_program_counts_when_its_children_are_ended(
    touch: Touch, nap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LINGER", 0.2)
    with pytest.raises(trace.DynamicFailed, match="exit status: 4"):
        touch("/bin/sh", "-c", f"setsid sleep {nap} & exit 4")


INTERRUPTED = """
import sys
from magicpak import trace
scratch, nap = sys.argv[1:]
trace.run("/bin/sh", ["-c", f"setsid sleep {nap} & trap '' TERM; sleep {nap}; sleep {nap}"],
    scratch=scratch)
"""


@needs_strace
def test_an_interrupt_ends_the_program_and_its_children(tmp_path: Path, nap: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, tmp_path, nap], stderr=subprocess.PIPE
    ) as us:
        until = time.monotonic() + 20
        while len(running(nap)) < 4 and time.monotonic() < until:
            time.sleep(0.05)
        us.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in us.communicate(timeout=20)[1]
    assert not running(nap)


SERVER = """
import socket, sys, os
if sys.argv[2:] == ["daemon"] and os.fork():
    os._exit(0)
server = socket.socket(socket.AF_UNIX if "/" in sys.argv[1] else socket.AF_INET)
if server.family == socket.AF_INET:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(sys.argv[1] if "/" in sys.argv[1] else ("127.0.0.1", int(sys.argv[1])))
server.listen()
while True:
    client, _ = server.accept()
    name = client.recv(1000)
    if name:
        open(name).close()
        client.send(b"done")
"""
CLIENT = """
import socket, sys
client = socket.socket(socket.AF_UNIX if "/" in sys.argv[1] else socket.AF_INET)
client.connect(sys.argv[1] if "/" in sys.argv[1] else ("127.0.0.1", int(sys.argv[1])))
client.send(sys.argv[2].encode())
assert client.recv(9) == b"done"
"""


@needs_strace
@pytest.mark.parametrize("where", ["port", ":port", "127.0.0.1:port", "socket"])
@pytest.mark.parametrize("daemon", ["", "daemon"])
def test_a_command_exercises_a_server_and_ends_it(
    touch: Touch, tmp_path: Path, where: str, daemon: str
) -> None:
    (tmp_path / "served").write_text("x")
    (tmp_path / "client.py").write_text(CLIENT)
    at = str(tmp_path / "sock") if where == "socket" else str(free_port())
    found = touch(
        PYTHON,
        *("-c", SERVER, at, *filter(None, [daemon])),
        command=f"{PYTHON} {tmp_path}/client.py {at} {tmp_path}/served",
        wait_for=at if where == "socket" else where.replace("port", at),
    )
    assert str(tmp_path / "served") in files(found)
    assert str(tmp_path / "client.py") not in files(found)
    assert not running(at)


@pytest.mark.needs("strace", "redis-server", "redis-cli")
def test_redis_is_exercised(touch: Touch, tmp_path: Path) -> None:
    port = str(free_port())
    server = str(shutil.which("redis-server"))
    found = touch(
        *(server, "--port", port, "--dir", str(tmp_path)),
        command=f"redis-cli -p {port} set a b && redis-cli -p {port} save",
        wait_for=port,
    )
    assert (tmp_path / "dump.rdb").exists()
    assert str(tmp_path / "dump.rdb") not in files(found)
    assert str(tmp_path) in directories(found)
    assert not running(f":{port}")


@pytest.mark.needs("strace", "root", "nginx", "curl")
@pytest.mark.parametrize("daemon", ["on", "off"])
def test_nginx_is_exercised(touch: Touch, tmp_path: Path, daemon: str) -> None:
    port = str(free_port())
    (tmp_path / "page").write_text("x")
    (tmp_path / "nginx.conf").write_text(
        f"daemon {daemon}; user root; pid {tmp_path}/pid; "
        f"error_log {tmp_path}/errors; events {{}}\n"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {tmp_path}; }} }}\n"
    )
    found = touch(
        *(str(shutil.which("nginx")), "-c", str(tmp_path / "nginx.conf")),
        command=f"curl -sf http://127.0.0.1:{port}/page",
        wait_for=port,
    )
    assert {str(tmp_path / "page"), str(tmp_path / "nginx.conf"), "/etc/passwd"} <= files(found)
    assert not {str(tmp_path / "pid"), str(tmp_path / "errors")} & files(found)
    assert not running(str(tmp_path / "nginx.conf"))


@needs_strace
@pytest.mark.needs("cc")
def test_a_busy_program_runs_at_near_native_speed(touch: Touch, compiled: Compiled) -> None:
    """A million reads take at most 1.3 times as long; on a busy machine, in one of three tries."""
    help_text = subprocess.run(["strace", "--help"], capture_output=True, check=True).stdout
    if b"--seccomp-bpf" not in help_text:
        pytest.skip("this strace has no --seccomp-bpf")
    program = compiled(
        HEAD + 'int main(void) { static char c[4096]; int f = open("/dev/zero", O_RDONLY);'
        "for (int i = 0; i < 1000000; i++) read(f, c, sizeof c); return 0; }"
    )

    def ratio() -> float:
        bare, traced = [], []
        for _ in range(5):
            bare.append(seconds(lambda: subprocess.run([program], check=True)))
            traced.append(seconds(lambda: touch(program)))
        return statistics.median(traced) / statistics.median(bare)

    assert any(ratio() <= 1.3 for _ in range(3))


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@needs_strace
def test_a_failing_command_fails_the_run(touch: Touch, nap: str) -> None:
    with pytest.raises(trace.CommandFailed, match=r"'echo no >&2; exit 5': exit status: 5.*no"):
        touch("/bin/sleep", nap, command="echo no >&2; exit 5")
    assert not running(nap)


@needs_strace
def test_a_command_that_does_not_end_fails_at_the_timeout(touch: Touch, nap: str) -> None:
    with pytest.raises(trace.CommandFailed, match="did not end in time"):
        touch("/bin/sleep", nap, command=f"sleep {nap}", timeout=0.5)
    assert not running(nap)


@needs_strace
def test_a_server_that_ends_before_it_answers_is_an_error(touch: Touch) -> None:
    with pytest.raises(trace.NoAnswer, match=r"ended before.*exit status: 3.*stderr: no"):
        touch("/bin/sh", "-c", "echo no >&2; exit 3", wait_for=str(free_port()), command="true")


@needs_strace
def test_a_server_that_never_answers_is_an_error(
    touch: Touch, nap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "ANSWER", 0.5)
    with pytest.raises(trace.NoAnswer, match="not in time"):
        touch("/bin/sleep", nap, wait_for="/nowhere/sock", command="true")
    assert not running(nap)


@needs_strace
def test_the_first_answer_ends_a_run_without_command(touch: Touch) -> None:
    port = str(free_port())
    assert files(touch(PYTHON, "-c", SERVER, port, wait_for=port))
    assert not running(port)


@pytest.mark.parametrize("text", ["", "host", "host:", "0", "65536", "a:b", "1:2:3", "-1"])
def test_what_to_wait_for_must_be_a_port_or_a_path(text: str) -> None:
    with pytest.raises(trace.MalformedEndpoint, match="--dynamic-wait-for"):
        Endpoint.parse(text)


def test_what_to_wait_for_is_read() -> None:
    assert Endpoint.parse("80") == Endpoint.parse(":80") == Endpoint("localhost", 80)
    assert Endpoint.parse("h:80") == Endpoint("h", 80)
    assert Endpoint.parse("[::1]:80") == Endpoint("::1", 80)
    assert Endpoint.parse("/run/x:1") == Endpoint("/run/x:1", 0)


@pytest.mark.parametrize("text", ["a..b:80", f"{'x' * 64}.example:80"])
def test_what_no_host_is_called_is_an_error_at_once(text: str) -> None:
    with pytest.raises(trace.MalformedEndpoint, match="--dynamic-wait-for"):
        Endpoint.parse(text).answers()


def test_an_answer_needs_a_listener(tmp_path: Path) -> None:
    here = Endpoint(str(tmp_path / "sock"), 0)
    assert not here.answers()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(here.host)
        assert not here.answers()
        server.listen()
        assert here.answers()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_waiting_for_a_server_takes_none_of_its_connections(
    tmp_path: Path, family: socket.AddressFamily
) -> None:
    path = str(tmp_path / "a sock")
    address = {socket.AF_INET: ("0.0.0.0", 0), socket.AF_INET6: ("::1", 0)}  # noqa: S104
    with socket.socket(family) as server:
        try:
            server.bind(address.get(family, path))
        except OSError:
            pytest.skip("no IPv6 here")
        text = path if family is socket.AF_UNIX else str(server.getsockname()[1])
        assert not Endpoint.parse(text).answers()
        server.listen()
        assert Endpoint.parse(text).answers()
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


@needs_strace
def test_a_traced_process_cannot_trace_and_the_error_says_the_way_out(
    touch: Touch, tmp_path: Path
) -> None:
    # A process has one tracer: strace below strace is refused, as by the policy of a container.
    real = shutil.which("strace")
    nested = script(tmp_path / "strace", f'exec {real} -f -o /dev/null {real} "$@"')
    with pytest.raises(trace.TraceRefused) as e:
        touch("/bin/true", strace=nested, wait_for=str(free_port()), command="true")
    text = str(e.value)
    assert "Operation not permitted" in text
    assert "--dynamic-log FILE" in text
    assert "strace -f -y -xx -o FILE" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("strace: PTRACE_TRACEME: Function not implemented", "emulated"),
        ("strace: ptrace(PTRACE_TRACEME, ...): Operation not permitted", "policy"),
        ("strace: attach: ptrace(PTRACE_SEIZE, 7): Permission denied", "policy"),
    ],
)
def test_a_refusal_is_explained(touch: Touch, tmp_path: Path, said: str, reason: str) -> None:
    refusing = script(tmp_path / "strace", f"echo '{said}' >&2; exit 1")
    with pytest.raises(trace.TraceRefused, match=re.escape(said)) as e:
        touch("/bin/true", strace=refusing)
    assert reason in e.value.reason


@needs_strace
@pytest.mark.parametrize("lacks", ["option", "seccomp"])
def test_strace_without_seccomp_bpf_works(touch: Touch, tmp_path: Path, lacks: str) -> None:
    refuse = "echo 'strace: seccomp filter: Operation not permitted' >&2; exit 1"
    hide = 'case "$*" in *--help*) exit 0;; esac' if lacks == "option" else ":"
    real = shutil.which("strace")
    old = script(
        tmp_path / "strace",
        f'{hide}; case "$*" in *--seccomp-bpf*) {refuse};; esac; exec {real} "$@"',
    )
    assert files(touch("/bin/true", strace=old))


@needs_strace
def test_a_program_that_cannot_be_started_is_no_refusal(touch: Touch, tmp_path: Path) -> None:
    (tmp_path / "noexec").write_text("x")
    with pytest.raises(trace.NotStarted, match=r"noexec.*Permission denied"):
        touch(str(tmp_path / "noexec"))
    with pytest.raises(trace.NotStarted, match="No such file"):
        touch(str(tmp_path / "nothing"))


def test_strace_that_is_not_there_is_named(touch: Touch) -> None:
    with pytest.raises(ToolNotFound, match=r"apt-get install strace.*--strace"):
        touch("/bin/true", strace="/nowhere/strace")


@needs_strace
def test_a_bare_name_is_a_file_here(
    touch: Touch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_text("x")
    shutil.copy(os.path.realpath("/bin/cat"), tmp_path / "true")
    assert str(tmp_path / "data") in files(touch("true", "data"))


@needs_strace
@pytest.mark.parametrize("options", ["-f -y -xx", "-f", "-f -yy -tt -T", "-f -i -r"])
def test_a_log_made_elsewhere_gives_the_same_files(
    touch: Touch, tmp_path: Path, options: str
) -> None:
    (tmp_path / 'sub "x"').mkdir()
    (tmp_path / 'sub "x"' / "<data>\n").write_text("x")
    commands = ["/bin/sh", "-c", f"cd '{tmp_path}/sub \"x\"'; cat *; (cd ..; ls -l; true)"]
    subprocess.run(
        ["strace", *options.split(), "-o", tmp_path / "log", *commands],
        check=True,
        capture_output=True,
        cwd="/usr",
    )
    read = trace.read_log(str(tmp_path / "log"), "/usr")
    assert str(tmp_path / 'sub "x"' / "<data>\n") in files(read)
    ran = {one.path for one in touch(*commands)}
    cwd = os.getcwd()
    gone = {str(tmp_path / "log")}  # ls -l, there after the first run only
    assert ran - gone - {cwd} == {one.path for one in read} - gone - {"/usr", cwd}


@pytest.fixture
def read_log(tmp_path: Path) -> Callable[[bytes], tuple[Touched, ...]]:
    def read(data: bytes) -> tuple[Touched, ...]:
        (tmp_path / "my.log").write_bytes(data)
        return trace.read_log(str(tmp_path / "my.log"), "/")

    return read


ReadLog = Callable[[bytes], tuple[Touched, ...]]


def test_the_host_has_the_last_word_about_a_log(read_log: ReadLog) -> None:
    log = b'1 execve("/app", [], 0x0) = 0\n1 open("/nowhere/x", O_RDONLY) = 3</nowhere/x>\n'
    assert read_log(log) == ()


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\x1f\x8b\x08\0 packed"])
def test_what_is_no_log_is_an_error(read_log: ReadLog, data: bytes) -> None:
    with pytest.raises(trace.NotALog, match=r"my\.log is no log of strace.*; make one by"):
        read_log(data)


@pytest.mark.parametrize("path", ["/nowhere/log", "/proc"])
def test_a_log_that_cannot_be_read_is_named(path: str) -> None:
    with pytest.raises(MagicpakError, match=f"IO error: .*: {path}$"):
        trace.read_log(path, "/")


def test_a_log_with_the_line_ends_of_another_system_is_read(read_log: ReadLog) -> None:
    log = b'1 execve("/app", [], 0x0) = 0\r\n1 open("/etc/passwd", O_RDONLY) = 3\r\n'
    assert read_log(log) == (Touched("/etc/passwd", False),)


def test_a_log_of_a_thread_that_touched_nothing_is_read(read_log: ReadLog) -> None:
    assert read_log(b"+++ exited with 0 +++\n") == ()


names = st.binary(min_size=1, max_size=30).filter(
    lambda name: b"\0" not in name and b"/" not in name and name.strip(b".")
)


@needs_strace
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(names, min_size=1, max_size=10, unique=True))
def test_every_name_survives_strace(touch: Touch, tmp_path: Path, some: list[bytes]) -> None:
    base = tmp_path / "names"
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir()
    for name in some:
        (base / os.fsdecode(name)).write_bytes(b"x")
    wanted = {str(base / os.fsdecode(name)) for name in some}
    assert wanted <= files(touch("/bin/cat", *sorted(wanted)))


@pytest.mark.needs("strace", "root")
def test_paths_in_a_chroot_are_below_it(touch: Touch, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "inside").write_text("x")
    found = touch(
        PYTHON, "-c", f"import os; os.chroot({str(tmp_path)!r}); os.chdir('/'); open('/etc/inside')"
    )
    assert str(tmp_path / "etc" / "inside") in files(found)


def test_every_failure_is_ours_and_on_one_line() -> None:
    for error in (
        trace.DynamicFailed(1, b"a\nb\x1b"),
        trace.NotStarted("/a\nb", b"x\ny"),
        trace.TraceRefused("a", "b"),
        trace.CommandFailed("a\nb", None, b"\xff"),
        trace.NoAnswer("a\n", "b", b""),
        trace.MalformedEndpoint("a\nb"),
    ):
        assert isinstance(error, MagicpakError)
        assert re.fullmatch(r"[^\x00-\x1f]+", str(error))


def test_draining_ends_with_the_run(touch: Touch) -> None:
    before = threading.active_count()
    if shutil.which("strace"):
        touch("/bin/true")
    assert threading.active_count() <= before + 1

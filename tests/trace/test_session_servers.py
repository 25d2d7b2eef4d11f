"""A server is traced while a command exercises it, and ended after that."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from magicpak import trace
from magicpak.trace import session
from support.machine import free_port, running
from support.traces import PYTHON, Touch, directories, files, needs_strace

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
def test_the_first_answer_ends_a_run_without_command(touch: Touch) -> None:
    port = str(free_port())
    assert files(touch(PYTHON, "-c", SERVER, port, wait_for=port))
    assert not running(port)


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

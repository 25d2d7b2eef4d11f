"""Real programs, traced and tested in one job: as root, by chroot(2) alone, as nobody."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from magicpak import MagicpakError, Options, jail, pack, trace
from support.machine import free_port
from support.privileges import NOBODY, PRIVILEGES, forked, nobody
from support.programs import compile_c

# Rooms that a job enters late, when its process may no longer be allowed to load them.
assert jail, trace

pytestmark = pytest.mark.needs("root", "strace", "busybox", "cc")

Job = Callable[..., Path]


@pytest.fixture
def top() -> Iterator[Path]:
    """A directory that its owner alone may write to, but anybody enter."""
    path = Path(tempfile.mkdtemp(prefix="magicpak-test-"))
    path.chmod(0o755)
    try:
        yield path
        assert {name.name for name in path.iterdir() if "magicpak" in name.name} == set()
    finally:
        shutil.rmtree(path)


@pytest.fixture(params=PRIVILEGES)
def job(request: pytest.FixtureRequest, top: Path) -> Job:
    """Trace programs and test their bundle, with each kind of privileges; return the bundle."""

    def run(*inputs: str, **options: Any) -> Path:
        if request.param is nobody:
            for path in (top, *top.rglob("*")):
                os.lchown(path, NOBODY, NOBODY)
        out = top / "out"
        made = Options(inputs, str(out), **{"dynamic": True, "test": True, **options})

        def work() -> None:
            os.chdir(top)
            pack(made)

        forked(request.param, work)
        return out

    return run


@pytest.fixture
def port() -> str:
    """Find a port for a server."""
    return str(free_port())


def compiled(top: Path, body: str) -> str:
    """Compile a program from what it does with its second argument."""
    headers = ("fcntl", "pthread", "signal", "stdio", "stdlib", "string", "sys/wait", "unistd")
    source = "#define _GNU_SOURCE\n" + "".join(f"#include <{name}.h>\n" for name in headers)
    source += "static int look(const char *path) { char c; int f = open(path, O_RDONLY);"
    source += "return f >= 0 && read(f, &c, 1) == 1 ? 0 : 1; }\n"
    (top / "data").write_text("x")
    return str(compile_c(top / "app", source + body, "-pthread"))


@pytest.mark.needs("python3")
def test_python_with_its_modules(job: Job) -> None:
    code = "import ssl, json, sqlite3, ctypes, decimal; print(json.dumps([1]))"
    job(
        os.path.realpath("/usr/bin/python3"),
        dynamic_arg=("-c", code),
        test_command=f"{os.path.realpath('/usr/bin/python3')} -c '{code}'",
        test_stdout="[1]",
    )


@pytest.mark.needs("git")
def test_git_with_its_helpers(job: Job, top: Path) -> None:
    """The helper for https is there with its libraries: it says that nobody answers."""
    asked = ("ls-remote", "https://127.0.0.1:1/none")
    job(
        "/usr/bin/git",
        dynamic_arg=asked,
        dynamic_run=("init -q made", "-C made log"),
        dynamic_allow_failure=True,
        test_command=f"git init -q /tmp/x; cd /tmp/x; git {' '.join(asked)} 2>&1 | grep -o port.1",
        test_stdout="port 1",
    )
    assert (top / "made" / ".git").is_dir()


@pytest.mark.needs("redis-server", "redis-cli")
def test_redis_with_a_client(job: Job, port: str) -> None:
    job(
        "/usr/bin/redis-server",
        include=("/usr/bin/redis-cli",),
        dynamic_arg=("--port", port, "--save", ""),
        dynamic_wait_for=port,
        dynamic_command=f"redis-cli -p {port} ping",
        test_command=f"redis-server --port {port} --save '' >/dev/null & for i in $(seq 50); do "
        f"redis-cli -p {port} ping 2>/dev/null | grep PONG && exit; sleep 0.1; done; exit 1",
        test_stdout="PONG",
    )


@pytest.mark.needs("nginx", "curl")
def test_nginx_with_a_client(job: Job, top: Path, port: str) -> None:
    (top / "page").write_text("hello\n")
    (top / "logs").mkdir()
    paths = "".join(f"{kind}_temp_path {top}/logs/{kind}; " for kind in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))  # fmt: skip
    (top / "nginx.conf").write_text(
        # Its workers change their groups, which nobody can do in a user namespace.
        f"daemon off; master_process off; user root; pid {top}/logs/pid; "
        f"error_log {top}/logs/errors; events {{}}\n"
        f"http {{ {paths} access_log off; server {{ listen 127.0.0.1:{port}; root {top}; }} }}\n"
    )
    job(
        "/usr/sbin/nginx",
        include=("/etc/passwd", "/etc/group"),  # which it does not read where it is not root
        dynamic_arg=("-e", f"{top}/logs/errors", "-c", f"{top}/nginx.conf"),
        dynamic_wait_for=port,
        dynamic_command=f"curl -sf http://127.0.0.1:{port}/page",
        test_command=f"nginx -e {top}/logs/errors -c {top}/nginx.conf & for i in $(seq 50); do "
        f"wget -qO- http://127.0.0.1:{port}/page 2>/dev/null && exit; sleep 0.1; done; exit 1",
        test_stdout="hello",
    )


@pytest.mark.parametrize(
    "body",
    [
        "int main(int n, char **v) { int s; (void) n; if (!fork()) _exit(look(v[1]));"
        "wait(&s); return s != 0; }",
        "static void *run(void *p) { return (void *) (long) look(p); }"
        "int main(int n, char **v) { pthread_t t; void *r; (void) n;"
        "pthread_create(&t, 0, run, v[1]); pthread_join(t, &r); return r != 0; }",
        "int main(int n, char **v) { (void) n;"
        "for (int i = 0; i < 1000000; i++) puts(\"123456789\"); return look(v[1]); }",
    ],
    ids=["forks", "threads", "prints_10_mb"],
)
def test_what_a_program_does_with_a_file(job: Job, top: Path, body: str) -> None:
    app, data = compiled(top, body), str(top / "data")
    out = job(app, dynamic_arg=(data,), test_command=f"{app} {data} > /dev/null")
    assert (out / data[1:]).read_text() == "x"


ENDLESS = 'int main(int n, char **v) { (void) n; puts("up"); if (!look(v[1])) pause(); }'


def test_a_program_that_sleeps_for_ever(job: Job, top: Path) -> None:
    app, data = compiled(top, ENDLESS), str(top / "data")
    with pytest.raises(MagicpakError, match=r"did not end within 0\.3 s"):
        job(app, dynamic_arg=(data,), dynamic_timeout=0.3, test_command=f"{app} {data}",
            test_timeout=0.3)  # fmt: skip
    out = job(app, dynamic_arg=(data,), dynamic_timeout=0.3, test=False)
    assert (out / data[1:]).exists()


def test_a_program_that_is_killed_by_a_signal(job: Job, top: Path) -> None:
    app = compiled(top, "int main(void) { look(0); raise(SIGSEGV); }")
    with pytest.raises(trace.DynamicFailed, match=r"signal: 11 \(SIGSEGV\)"):
        job(app)
    with pytest.raises(jail.CheckFailed, match=r"signal: 11 \(SIGSEGV\)"):
        job(app, dynamic_allow_failure=True)
    with contextlib.suppress(FileNotFoundError):
        assert os.listdir(top / "out") == []

"""Each example does its job: built from this checkout as it is, in an image FROM scratch."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import examples
from support.docker_engine import Engine
from support.examples import Built, serving
from support.machine import free_port

docker = [pytest.mark.docker, pytest.mark.needs("docker")]
OLD = ("clang-format", "patchelf", "python", "redis")
"""Those that show single options rather than a recipe."""
URL = "http://localhost:8000"
ANSWERS = {
    "go": (("-d", "hello", URL), "3610a686"),
    "java": ((f"{URL}/25",), "15511210043330985984000000"),
    "node": ((f"{URL}/reverse/drawer",), '{"reversed":"reward"}'),
    "php": ((f"{URL}/?word=na%C3%AFve",), '{"upper":"NA\u00cfVE"}'),
    "python-web": ((f"{URL}/sum?of=1&of=2.5",), '{"sum":3.5}'),
    "ruby": ((f"{URL}/letters/hello",), '{"h":1,"e":1,"l":2,"o":1}'),
    "rust": ((f"{URL}/stressed",), "desserts"),
}
"""What web applications are asked by curl, and what they answer."""
ONTO = {"merged-usr": "${ONTO}"}
"""What the last stage is made from, where that is not scratch."""


@pytest.mark.parametrize("name", examples.names())
def test_an_example_ends_with_nothing_but_its_bundle(name: str) -> None:
    text = examples.text(name)
    assert re.fullmatch(r"debian:\w+-slim", examples.base(name))
    assert "\nCOPY --from=magicpak /magicpak /usr/bin/magicpak\n" in text
    assert f"\nFROM {ONTO.get(name, 'scratch')}\nCOPY --from=0 /bundle /.\n" in text


@pytest.mark.parametrize("name", sorted({*examples.names()} - {*OLD}))
def test_a_recipe_has_15_lines_at_most(name: str) -> None:
    assert len(examples.text(name).splitlines()) <= 15


def test_every_example_is_among_the_tests() -> None:
    tested = {examples.tested_by(name) for name in vars(TestJobs)}
    assert tested | {*ANSWERS} >= {*examples.names()}


class TestJobs:
    pytestmark = docker

    def test_clang_format(self, engine: Engine, built: Built) -> None:
        image = built("clang-format")
        run = engine.run(image, stdin="int  f( int*x ){return *x ;}")
        assert (run.returncode, run.stdout) == (0, "int f(int *x) { return *x; }")

    def test_patchelf(self, engine: Engine, built: Built) -> None:
        image = built("patchelf")
        run = engine.run(image, "--version")
        assert re.fullmatch(r"patchelf 0\.\d+\.\d+\n", run.stdout)
        work = ("-v", "/bin/true:/work/true:ro")
        run = engine.run(image, "--print-needed", "true", options=work)
        assert (run.returncode, run.stdout) == (0, "libc.so.6\n")

    def test_python(self, engine: Engine, built: Built) -> None:
        image = built("python")
        assert engine.run(image, "Ada").stdout == "Hello, Ada!\n"
        assert engine.run(image, "--json", "Ada").stdout == '{"greeting": "Hello, Ada!"}\n'

    def test_redis(self, engine: Engine, built: Built) -> None:
        image = built("redis")
        port = free_port()
        server = ("run", "-d", "--rm", "--network", "host", image, "--port", str(port))
        container = engine.docker(*server).stdout.strip()
        try:
            with connection(port) as client:
                for line in ("PING", "SET a 1", "INCR a", "SAVE"):
                    client.write(f"{line}\r\n".encode())
                answers = [client.readline() for _ in range(4)]
        finally:
            engine.docker("kill", container)
        assert answers == [b"+PONG\r\n", b"+OK\r\n", b":2\r\n", b"+OK\r\n"]

    @pytest.mark.parametrize("name", ANSWERS)
    def test_a_web_application(self, engine: Engine, built: Built, name: str) -> None:
        asked, answer = ANSWERS[name]
        with serving(engine, built(name)) as server:
            assert server.ask(built("https-client"), "-sS", *asked) == answer

    @pytest.mark.needs("openssl")
    def test_nginx(self, engine: Engine, built: Built, tls: Path) -> None:
        with serving(engine, built("nginx"), "-v", f"{tls}:/etc/nginx/tls:ro") as server:
            for url in ("http://localhost/", "https://localhost/"):
                answer = server.ask(built("https-client"), "-sSki", url)
                assert "Server: small" in answer  # by the module
                assert "An image with nothing but nginx in it" in answer

    @pytest.mark.needs("openssl")
    def test_https_client(self, engine: Engine, built: Built, tls: Path) -> None:
        """It believes the authorities of its image, and no other."""
        client = built("https-client")
        with serving(engine, built("nginx"), "-v", f"{tls}:/etc/nginx/tls:ro") as server:
            known = ("-v", f"{tls}/tls.crt:/etc/ssl/certs/ca-certificates.crt:ro")
            answer = server.ask(client, "-sS", "https://localhost/", options=known)
            assert "nothing but nginx" in answer
            beside = ("run", "--rm", "--network", f"container:{server.container}", client)
            refused = engine.docker(*beside, "-sS", "https://localhost/", check=False)
        assert (refused.returncode, refused.stdout) == (60, "")

    def test_postgres(self, engine: Engine, built: Built) -> None:
        image = built("postgres")
        asked = (
            "select current_user || extract(hour from"
            " timestamptz '2020-07-01 12:00Z' at time zone 'Europe/Berlin')"
        )
        with serving(engine, image, "-e", "POSTGRES_PASSWORD=secret") as server:
            assert server.execute("psql", "-Atc", asked) == "postgres14"
            client = ("-d", "postgresql://postgres:secret@localhost/postgres", "-Atc", asked)
            options = ("--entrypoint", "psql")
            assert server.ask(image, *client, options=options) == "postgres14"
            wrong = ("psql", "-d", "postgresql://postgres:wrong@localhost/postgres", "-c", asked)
            refused = engine.docker("exec", server.container, *wrong, check=False)
            assert "password authentication failed" in refused.stderr
            engine.docker("restart", server.container)
            assert server.execute("psql", "-Atc", asked) == "postgres14"

    def test_shell_script(self, engine: Engine, built: Built) -> None:
        sold = (("Ada", 2.5), ("Bob", 1), ("Ada", 1))
        orders = [{"customer": customer, "price": price} for customer, price in sold]
        run = engine.run(built("shell-script"), stdin=json.dumps(orders))
        assert (run.stdout, run.stderr) == ("3 orders\nAda: 3.5\nBob: 1\n", "")

    def test_git(self, engine: Engine, built: Built, tmp_path: Path) -> None:
        image = built("git")
        as_ada = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        (tmp_path / "letter").write_text("Dear Charles\n" * 100)
        for command in (
            ("init", "-q"), ("add", "letter"), (*as_ada, "commit", "-q", "-m", "Write to Charles"),
            ("gc", "-q"), ("clone", "-q", "file:///work", "copy"),
        ):  # fmt: skip
            run = engine.run(image, *command, options=("-v", f"{tmp_path}:/work"))
            assert (run.returncode, run.stderr) == (0, "")
        run = engine.run(
            image, "-C", "copy", "log", "--format=%an: %s", options=("-v", f"{tmp_path}:/work")
        )
        assert run.stdout == "Ada: Write to Charles\n"
        assert (tmp_path / "copy/letter").read_text() == "Dear Charles\n" * 100

    def test_ffmpeg(self, engine: Engine, built: Built, tmp_path: Path) -> None:
        image = built("ffmpeg")
        options = ("-v", f"{tmp_path}:/work")
        with wave.open(str(tmp_path / "in.wav"), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(bytes(range(250)) * 64)
        film = ("-f", "lavfi", "-i", "testsrc=duration=1:size=64x64", "film.mp4")
        for command in (("-i", "in.wav", "out.ogg"), film):
            run = engine.run(image, "-v", "error", *command, options=options)
            assert (run.returncode, run.stderr) == (0, "")
        for name, codec in (("out.ogg", "vorbis"), ("film.mp4", "h264")):
            asked = ("-v", "error", "-show_entries", "stream=codec_name,duration", "-of", "csv=p=0")
            run = engine.run(
                image, *asked, name, options=(*options, "--entrypoint", "/usr/bin/ffprobe")
            )
            assert run.stdout == f"{codec},1.000000\n"

    def test_merged_usr(self, engine: Engine, built: Built) -> None:
        image = built("merged-usr")
        table = "create table t as values (20), (22); select sum(column1) from t"
        assert engine.run(image, ":memory:", table).stdout == "42\n"
        files = engine.files(image)
        assert {"bin", "lib", "lib64"} <= {*files}, "these are links"

    def test_merged_usr_onto_an_image_without_a_shell(self, engine: Engine, built: Built) -> None:
        """As gcr.io/distroless/base: a libc, certificates and accounts, but no programs."""
        built("merged-usr")
        onto, image = "magicpak-test/distroless", "magicpak-test/onto-distroless"
        removed = "RUN rm -rf /usr/bin/* /usr/sbin/*\nFROM scratch\nCOPY --from=0 / /\n"
        stages = f"FROM {examples.base('merged-usr')}\n{removed}"
        engine.docker("build", *engine.network, "-t", onto, "-", stdin=stages)
        directory = examples.DIRECTORY / "merged-usr"
        engine.build(directory, image, "--build-arg", f"ONTO={onto}")
        assert engine.run(image, ":memory:", "select 6 * 7").stdout == "42\n"
        assert engine.run(image, options=("--entrypoint", "/bin/sh")).returncode == 127


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a key and a certificate for localhost, which nobody has signed."""
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost", "-keyout", "tls.key", "-out", "tls.crt",
        ],
        cwd=directory, capture_output=True, check=True,
    )  # fmt: skip
    return directory


@contextlib.contextmanager
def connection(port: int) -> Iterator[socket.SocketIO]:
    """Connect to a server that is starting."""
    deadline = time.monotonic() + 20
    while True:
        try:
            client = socket.create_connection(("127.0.0.1", port), 5)
            break
        except OSError:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)
    with client, client.makefile("rwb", buffering=0) as pipe:
        yield pipe

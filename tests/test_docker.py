"""Images, as a user builds and runs them: by a real Docker engine, without any privileges."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.docker_engine import SUITES, Engine
from support.machine import free_port

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("example/*/Dockerfile"))
MEGABYTE = 1_000_000

docker = [pytest.mark.docker, pytest.mark.needs("docker")]
"""What the tests are marked with that need an engine."""


Add = Callable[[str, str, str], None]


@pytest.fixture(scope="session")
def sizes(engine: Engine, request: pytest.FixtureRequest) -> Iterator[Add]:
    """Collects images, what they come from, and that with the program installed; prints a table."""
    rows = ["", "| image | size | base | size | with the program |", "|---|--:|---|--:|--:|"]

    def add(image: str, base: str, installed: str) -> None:
        final, whole, more = (
            f"{engine.size(name) / MEGABYTE:.1f} MB" for name in (image, base, installed)
        )
        rows.append(f"| {image.rpartition('/')[2]} | {final} | {base} | {whole} | {more} |")

    yield add
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        sys.stdout.write("\n".join([*rows, ""]))


def test_the_readme_shows_an_example_letter_for_letter() -> None:
    shown = re.findall(r"^```dockerfile\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert shown[0] == (ROOT / "example/clang-format/Dockerfile").read_text()


def base_of(example: str) -> str:
    return (ROOT / "example" / example / "Dockerfile").read_text().split()[1]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_ends_with_nothing_but_its_bundle(example: str) -> None:
    text = (ROOT / "example" / example / "Dockerfile").read_text()
    assert re.fullmatch(r"debian:\w+-slim", base_of(example))
    assert "\nCOPY --from=magicpak /magicpak /usr/bin/magicpak\n" in text
    assert "\nFROM scratch\nCOPY --from=0 /bundle /.\n" in text


class TestWithAnEngine:
    pytestmark = docker

    def test_the_image_holds_nothing_but_the_file(
        self, engine: Engine, single: str, tmp_path: Path
    ) -> None:
        assert engine.files(single) == ["magicpak"]
        assert engine.run(single, "--version").stdout.startswith("magicpak ")
        engine.copy(single, "/magicpak", tmp_path / "magicpak")
        kind = subprocess.run(
            ["file", "-b", tmp_path / "magicpak"], capture_output=True, text=True, check=True
        )
        assert "statically linked" in kind.stdout

    @pytest.mark.parametrize("suite", SUITES)
    def test_each_generation_of_glibc_traces_compresses_tests_and_runs(
        self, engine: Engine, single: str, sizes: Add, tmp_path: Path, suite: str
    ) -> None:
        assert single  # what it is built from need not be built again
        tools = f"magicpak/debian:{suite}"
        base = engine.base(suite)
        engine.build(ROOT, tools, "--build-arg", f"BASE_IMAGE={base}")
        (tmp_path / "sum.pl").write_text(
            "use List::Util 'sum'; use POSIX 'floor'; print floor(sum(@ARGV)), qq(\\n);"
        )
        (tmp_path / "Dockerfile").write_text(
            f"FROM {tools}\n"
            "RUN ! command -v python3\n"
            "COPY sum.pl /app/sum.pl\n"
            "RUN magicpak -v /usr/bin/perl /bundle --dynamic --dynamic-run '/app/sum.pl 1 2.5' \\\n"
            "      --compress --test --test-command 'perl /app/sum.pl 40 2.9' --test-stdout 42\n"
            "FROM scratch\n"
            "COPY --from=0 /bundle /.\n"
            'ENTRYPOINT ["/usr/bin/perl", "/app/sum.pl"]\n'
        )
        image = f"magicpak-test/perl:{suite}"
        printed = engine.build(tmp_path, image)
        assert re.search(r"compress", printed)
        run = engine.run(image, "1", "2", "3.5")
        assert (run.returncode, run.stdout, run.stderr) == (0, "6\n", "")
        engine.copy(image, "/usr/bin/perl", tmp_path / "perl")
        assert b"UPX!" in (tmp_path / "perl").read_bytes()
        sizes(image, base, base)  # it is in there already
        assert engine.size(image) < engine.size(base) / 5

    def test_a_traced_run_tells_a_file_of_a_lower_layer_from_one_that_it_makes(
        self, engine: Engine, single: str, tmp_path: Path
    ) -> None:
        """Overlayfs makes a file anew, with new times, when one of an earlier RUN is written to."""
        assert single
        base = engine.base("bookworm")
        tools = "magicpak/debian:bookworm"
        engine.build(ROOT, tools, "--build-arg", f"BASE_IMAGE={base}")
        (tmp_path / "log.pl").write_text("for (@ARGV) { open F, '>>', $_ or die; print F 'x' }")
        (tmp_path / "Dockerfile").write_text(
            f"FROM {tools}\n"
            "COPY log.pl /app/log.pl\n"
            "RUN mkdir /log /new && touch /log/old && chown 1000 /log/old\n"
            "RUN magicpak /usr/bin/perl /bundle --dynamic \\\n"
            "      --dynamic-run '/app/log.pl /log/old' --dynamic-run '/app/log.pl /new/log'\n"
            "RUN test -s /log/old && test -s /new/log\n"
            "RUN cd /bundle && test ! -s log/old && test $(stat -c %u log/old) = 1000 && \\\n"
            "    test -d new && test ! -e new/log\n"
        )
        printed = engine.build(tmp_path, "magicpak-test/layers")
        assert "warning" not in printed

    def test_clang_format(self, engine: Engine, single: str, sizes: Add) -> None:
        image = example("clang-format", engine, single, sizes)
        run = engine.run(image, stdin="int  f( int*x ){return *x ;}")
        assert (run.returncode, run.stdout) == (0, "int f(int *x) { return *x; }")

    def test_patchelf(self, engine: Engine, single: str, sizes: Add) -> None:
        image = example("patchelf", engine, single, sizes)
        run = engine.run(image, "--version")
        assert re.fullmatch(r"patchelf 0\.\d+\.\d+\n", run.stdout)
        work = ("-v", "/bin/true:/work/true:ro")
        run = engine.run(image, "--print-needed", "true", options=work)
        assert (run.returncode, run.stdout) == (0, "libc.so.6\n")

    def test_python(self, engine: Engine, single: str, sizes: Add) -> None:
        image = example("python", engine, single, sizes)
        assert engine.run(image, "Ada").stdout == "Hello, Ada!\n"
        assert engine.run(image, "--json", "Ada").stdout == '{"greeting": "Hello, Ada!"}\n'

    def test_redis(self, engine: Engine, single: str, sizes: Add) -> None:
        image = example("redis", engine, single, sizes)
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

    def test_a_bundle_goes_onto_an_image_whose_directories_are_links_into_usr(
        self, engine: Engine, single: str, tmp_path: Path
    ) -> None:
        assert single
        base = engine.base("bookworm", slim=True)
        (tmp_path / "Dockerfile").write_text(
            f"FROM {base}\n"
            "COPY --from=magicpak /magicpak /usr/bin/magicpak\n"
            "RUN magicpak --merged-usr /usr/bin/find /bundle --install-to /bin/lookup\n"
            f"FROM {base}\n"
            "COPY --from=0 /bundle /.\n"
            "RUN test -L /bin && test -L /lib && test -L /lib64 && grep -q . /etc/passwd\n"
        )
        engine.build(tmp_path, "magicpak-test/onto")
        run = engine.run("magicpak-test/onto", "lookup", "/bin", "/lib", "-prune")
        assert (run.returncode, run.stdout) == (0, "/bin\n/lib\n")

    def test_every_example_is_among_the_tests(self) -> None:
        named = {name.removeprefix("test_").replace("_", "-") for name in vars(type(self))}
        assert named >= set(EXAMPLES)


def example(name: str, engine: Engine, single: str, sizes: Add) -> str:
    """Build an example, and return its image."""
    assert single
    base = base_of(name)
    engine.base(base.removeprefix("debian:").removesuffix("-slim"), slim=True)
    image, installed = f"magicpak-example/{name}", f"magicpak-installed/{name}"
    engine.build(ROOT / "example" / name, image)
    text = (ROOT / "example" / name / "Dockerfile").read_text()
    before = text[: text.index("COPY --from=magicpak")]
    engine.docker("build", *engine.network, "-t", installed, "-", stdin=before)
    sizes(image, base, installed)
    return image


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

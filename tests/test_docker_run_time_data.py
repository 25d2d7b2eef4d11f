"""What `--with auto` brings, in images FROM scratch: HTTPS by name, servers, interpreters."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support.docker_engine import Engine

pytestmark = [pytest.mark.docker, pytest.mark.needs("docker")]

COMMON = "ca-certificates openssl curl python3 php-cli php-mbstring git"
FULL = (
    "wget golang-go postgresql nginx-light libnginx-mod-http-image-filter python3-venv"
    " default-jre-headless rhino"
)
PYTHON = "import urllib.request as u; print(u.urlopen('https://server.test/hello').read().decode())"
GO = """\
package main
import ("fmt"; "io"; "net/http")
func main() {
    answer, err := http.Get("https://server.test/hello")
    if err != nil { panic(err) }
    text, _ := io.ReadAll(answer.Body)
    fmt.Print(string(text))
}
"""
VENV = """\
#!/opt/venv/bin/python
import io
import numpy
from PIL import Image
png = io.BytesIO()
Image.fromarray(numpy.full((2, 3), 7, "uint8")).save(png, "png")
print(Image.open(png).size, numpy.linalg.inv(numpy.eye(2) * 2)[0, 0])
"""
SERVER = """\
import functools, http.server as h, ssl
served = functools.partial(h.SimpleHTTPRequestHandler, directory="/srv")
server = h.ThreadingHTTPServer(("", 443), served)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/server.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
AUTHORITY = """\
set -e
made="openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30"
$made -subj '/CN=Test CA' -addext keyUsage=critical,keyCertSign \
  -keyout ca.key -out /usr/local/share/ca-certificates/test.crt
$made -subj /CN=server.test -addext subjectAltName=DNS:server.test \
  -addext basicConstraints=CA:FALSE \
  -CA /usr/local/share/ca-certificates/test.crt -CAkey ca.key -keyout key -out certificate
cat key certificate > server.pem
update-ca-certificates
mkdir -p /srv && cd /srv && echo hello, you > hello && git init -q work
git -C work -c user.name=a -c user.email=a@b commit -q --allow-empty -m first
git clone -q --bare work repo.git && git -C repo.git update-server-info
"""


class Image(NamedTuple):
    """A bundle in an image of its own."""

    name: str
    inputs: str
    """What is given to ``--with auto``."""


IMAGES = (
    Image("curl", "curl"),
    Image("git", "git"),
    Image("python", "python3"),
    Image("php", "php"),
)
MORE_IMAGES = (
    Image("wget", "wget"),
    Image("go", "/go-program"),
    Image("postgres", "--with shell /usr/lib/postgresql/*/bin/{initdb,postgres,psql}"),
    Image("nginx", "nginx"),
    Image("venv", "/pictures.py"),
    Image("java", "--include /usr/share/java/js.jar java"),
)
SUITES = {"bookworm": (*IMAGES, *MORE_IMAGES), "trixie": IMAGES}
"""Which images are made of which release."""


def dockerfile(suite: str) -> str:
    """Write the Dockerfile: one stage with all packages, and one FROM scratch for each image."""
    packages = COMMON if SUITES[suite] == IMAGES else f"{COMMON} {FULL}"
    lines = [
        f"FROM debian:{suite} AS build",
        'SHELL ["/bin/bash", "-c"]',
        f"RUN apt-get update && apt-get install -y --no-install-recommends {packages}",
        "COPY . /",
        "RUN bash /authority.sh",
        "COPY --from=magicpak /magicpak /usr/bin/magicpak",
    ]
    if "golang" in packages:
        lines += [
            "RUN CGO_ENABLED=0 go build -o /go-program /program.go",
            "RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install -q numpy pillow",
        ]
    calls = (f"magicpak --with auto {each.inputs} /out/{each.name}" for each in SUITES[suite])
    lines.append(f"RUN {' && '.join(calls)}")
    for each in SUITES[suite]:
        lines += [f"FROM scratch AS {each.name}", f"COPY --from=build /out/{each.name} /"]
    return "\n".join([*lines, ""])


class Place(NamedTuple):
    """Where the images run: a network with the server in it."""

    engine: Engine
    suite: str
    network: str

    def image(self, name: str) -> str:
        """Return the tag of an image."""
        return f"magicpak-test/{name}:{self.suite}"

    def run(self, name: str, *args: str, options: tuple[str, ...] = ()) -> str:
        """Run a command in an image, and return what it printed."""
        command = ("run", "--rm", "--network", self.network, *options, self.image(name), *args)
        return self.engine.docker(*command).stdout.strip()

    def start(self, name: str, *args: str, options: tuple[str, ...] = ()) -> str:
        """Start a server."""
        command = ("run", "-d", "--network", self.network, *options, self.image(name), *args)
        return self.engine.docker(*command).stdout.strip()


@pytest.fixture(scope="module")
def places(
    engine: Engine, single: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Place]]:
    """Make the place of a release when it is first asked for."""
    assert single
    with contextlib.ExitStack() as stack:

        @functools.cache
        def place(suite: str) -> Place:
            return stack.enter_context(made(engine, suite, tmp_path_factory.mktemp(suite)))

        yield place


@contextlib.contextmanager
def made(engine: Engine, suite: str, directory: Path) -> Iterator[Place]:
    """Build the images of a release, and start the HTTPS server."""
    engine.base(suite)
    for name, text in (
        ("program.go", GO), ("pictures.py", VENV), ("server.py", SERVER),
        ("authority.sh", AUTHORITY), ("Dockerfile", dockerfile(suite)),
    ):  # fmt: skip
        (directory / name).write_text(text)
    (directory / "pictures.py").chmod(0o755)
    here = Place(engine, suite, f"magicpak-test-{suite}")
    images = [here.image(name) for name in ("build", *(each.name for each in SUITES[suite]))]
    for image in images:
        engine.build(directory, image, "--target", image.rpartition("/")[2].partition(":")[0])
    engine.docker("network", "create", here.network)
    server = here.start(
        "build", "python3", "/server.py", options=("--network-alias", "server.test")
    )
    try:
        yield here
    finally:
        engine.docker("rm", "-f", server)
        engine.docker("network", "rm", here.network)
        engine.docker("rmi", *images)


@pytest.fixture
def place(request: pytest.FixtureRequest, places: Callable[[str], Place]) -> Place:
    """The place of the release that is the parameter."""
    return places(request.param)


JOBS: dict[str, tuple[tuple[str, ...], str]] = {
    "curl": (("/usr/bin/curl", "-sS", "https://server.test/hello"), "hello, you"),
    "wget": (("/usr/bin/wget", "-qO-", "https://server.test/hello"), "hello, you"),
    "python": (("/usr/bin/python3", "-c", PYTHON), "hello, you"),
    "go": (("/go-program",), "hello, you"),
    "git": (("/usr/bin/git", "ls-remote", "--refs", "https://server.test/repo.git", "no"), ""),
    "php": (("/usr/bin/php", "-r", "echo mb_strtoupper('äöü'), date('T', 0);"), "ÄÖÜUTC"),
    "venv": (("/pictures.py",), "(3, 2) 0.5"),
    "java": (("/usr/bin/java", "-jar", "/usr/share/java/js.jar", "-e", "print(6 * 7)"), "42"),
}
"""What is run in an image, and what it prints."""


def in_each(*names: str) -> pytest.MarkDecorator:
    """Run a test in these images of each release that has them."""
    rows = [
        (suite, each.name) for suite, images in SUITES.items() for each in images
        if each.name in names
    ]  # fmt: skip
    return pytest.mark.parametrize(("place", "name"), rows, indirect=["place"])


@in_each(*JOBS)
def test_a_program_works_the_first_time(place: Place, name: str) -> None:
    command, printed = JOBS[name]
    assert place.run(name, *command) == printed


@in_each("git")
def test_git_clones_over_https(place: Place, name: str) -> None:
    clone = ("/usr/bin/git", "clone", "https://server.test/repo.git", "/tmp/clone")
    container = place.start(name, *clone)
    try:
        assert place.engine.docker("wait", container).stdout.strip() == "0"
        told = place.engine.docker("cp", f"{container}:/tmp/clone/.git/packed-refs", "-")
        assert "refs/remotes/origin/master" in told.stdout
    finally:
        place.engine.docker("rm", "-f", container)


@in_each("postgres")
def test_a_database_is_made_and_served_as_its_own_user(place: Place, name: str) -> None:
    binaries = "/usr/lib/postgresql/15/bin"
    script = f"{binaries}/initdb -D /tmp/data -A trust && exec {binaries}/postgres -D /tmp/data"
    server = place.start(name, "/bin/sh", "-c", script, options=("--user", "postgres"))
    query = ("select current_user || extract(hour from "
             "timestamptz '2020-07-01 12:00+00' at time zone 'Europe/Berlin')")  # fmt: skip
    psql = ("exec", server, f"{binaries}/psql", "-Atc", query)
    try:
        assert eventually(place.engine, *psql) == "postgres14"
    finally:
        place.engine.docker("rm", "-f", server)


@in_each("nginx")
def test_a_web_server_has_its_configuration_and_modules(place: Place, name: str) -> None:
    options = ("--network-alias", "web.test")
    server = place.start(name, "/usr/sbin/nginx", "-g", "daemon off;", options=options)
    ask = ("run", "--rm", "--network", place.network, place.image("curl"))
    try:
        page = eventually(place.engine, *ask, "/usr/bin/curl", "-sSf", "http://web.test/")
        assert "Welcome to nginx" in page
        loaded = place.engine.docker("exec", server, "/usr/sbin/nginx", "-T").stdout
        assert "load_module modules/ngx_http_image_filter_module.so" in loaded
    finally:
        place.engine.docker("rm", "-f", server)


def eventually(engine: Engine, *command: str) -> str:
    """Ask a server that is starting."""
    deadline = time.monotonic() + 60
    while (asked := engine.docker(*command, check=False)).returncode:
        assert time.monotonic() < deadline, asked.stderr
        time.sleep(0.2)
    return asked.stdout.strip()

"""A Docker engine for the tests: the one that answers, or one that is started for them.

Without a registry, the engine that is started gets its base images from debootstrap.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from support.architectures import mirror

SUITES = ("bookworm", "trixie", "bullseye")
NEEDED = ("docker", "dockerd", "debootstrap", "unshare", "setpriv")

# With the first process of a pid namespace end all others; with the last one of a mount namespace,
# all its mounts.
ENCLOSED = ("unshare", "--mount", "--mount-proc", "--pid", "--fork", "--kill-child")

# How Docker's images of Debian set apt, so that what is installed there leaves little behind.
APT_SETTINGS = """\
Acquire::GzipIndexes "true";
Acquire::Languages "none";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };
"""

# Whatever ends these tests also ends the shell's input.
SUPERVISED = """
dockerd --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" -H "unix://$1/socket" \
    --iptables=false --bridge=none > "$1/log" 2>&1 &
read -r end
kill $! && wait $!
rm -rf --one-file-system "$1"
"""


def lacking() -> str | None:
    """Say why there is no engine, and why none can be started; None where one can be used."""
    if _answers(os.environ):
        return None
    absent = [tool for tool in NEEDED if shutil.which(tool) is None]
    if absent:
        return f"no Docker engine answers, and to start one {', '.join(absent)} is not installed"
    return None if os.geteuid() == 0 else "no Docker engine answers, and only root can start one"


def _answers(env: Mapping[str, str]) -> bool:
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(["docker", "version"], env=dict(env), capture_output=True, check=False)
    return asked.returncode == 0


@dataclass(frozen=True)
class Engine:
    """How an engine is reached, and what its builds need."""

    env: Mapping[str, str]
    network: Sequence[str] = ()
    bases: Mapping[str, Future[None]] | None = None
    """The base images that are being made, by suite; None where a registry has them."""

    def docker(
        self, *args: str | Path, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the client."""
        run = subprocess.run(
            ["docker", *args], env=dict(self.env), input=stdin, capture_output=True, text=True,
            stdin=subprocess.DEVNULL if stdin is None else None, check=False,
        )  # fmt: skip
        assert run.returncode == 0 or not check, f"docker {args}:\n{run.stdout}\n{run.stderr}"
        return run

    def build(self, directory: Path, tag: str, *args: str) -> str:
        """Build the Dockerfile of a directory, and return what was printed."""
        built = self.docker("build", *self.network, "-t", tag, *args, directory)
        return built.stdout + built.stderr

    def run(
        self, image: str, *args: str, stdin: str | None = None, options: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run an image to its end."""
        interactive = () if stdin is None else ("-i",)
        named = ("run", "--rm", *interactive, "--network", "none", *options, image)
        return self.docker(*named, *args, stdin=stdin, check=False)

    def base(self, suite: str, slim: bool = False) -> str:
        """Return the name of Debian's image of a suite, as soon as it is there."""
        name = f"debian:{suite}{'-slim' if slim else ''}"
        if self.bases is not None:
            self.bases[suite].result()
        elif self.docker("image", "inspect", name, check=False).returncode != 0:
            self.docker("pull", name)
        return name

    def size(self, image: str) -> int:
        """Return the bytes of an image."""
        return int(self.docker("image", "inspect", "--format", "{{.Size}}", image).stdout)

    def files(self, image: str) -> list[str]:
        """List what an image holds, as tar(1) does, without what Docker adds to a container."""
        container = self.docker("create", image, "none").stdout.strip()
        listed = subprocess.run(
            ["sh", "-c", 'docker export "$1" | tar t', "sh", container],
            env=dict(self.env), capture_output=True, text=True, check=True,
        )  # fmt: skip
        self.docker("rm", container)
        added = (".dockerenv", "dev/", "etc/", "proc/", "sys/")
        return [path for path in listed.stdout.splitlines() if not path.startswith(added)]

    def copy(self, image: str, path: str, to: Path) -> None:
        """Copy a file out of an image."""
        container = self.docker("create", image, "none").stdout.strip()
        self.docker("cp", f"{container}:{path}", to)
        self.docker("rm", container)


@contextlib.contextmanager
def running(scratch: Path) -> Iterator[Engine]:
    """Give the engine that answers; else start one below ``scratch``, which ends with the body."""
    if _answers(os.environ):
        yield Engine(os.environ)
        return
    # Its builder is the classic one: BuildKit is no part of Debian's package.
    env = {**os.environ, "DOCKER_HOST": f"unix://{scratch}/socket", "DOCKER_BUILDKIT": "0"}
    with subprocess.Popen(
        [*ENCLOSED, "sh", "-c", SUPERVISED, "sh", scratch],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
    ) as engine:  # fmt: skip
        deadline = time.monotonic() + 60
        while not _answers(env):
            assert time.monotonic() < deadline, (scratch / "log").read_text()
            time.sleep(0.2)
        with ThreadPoolExecutor(len(SUITES)) as pool:
            bases = {suite: pool.submit(_make_base, suite, scratch, env) for suite in SUITES}
            yield Engine(env, ("--network", "host"), bases)
        assert engine.stdin is not None
        engine.stdin.close()


def _make_base(suite: str, scratch: Path, env: Mapping[str, str]) -> None:
    """Make Debian's images of a suite, ready to use what this machine uses as package mirrors."""
    root = scratch / suite
    dying_with_us = ("setpriv", "--pdeathsig", "KILL", *ENCLOSED)
    made = subprocess.run(
        [*dying_with_us, "debootstrap", "--variant=minbase", suite, root, mirror()],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    # A killed build is thrown away, so nothing need be on the disk.
    (root / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
    settings = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True)
    wanted = ("Acquire::http", "Acquire::Check", "Acquire::Retries")
    lines = [line for line in settings.stdout.splitlines(True) if line.startswith(wanted)]
    (root / "etc/apt/apt.conf.d/90docker").write_text("".join([APT_SETTINGS, *lines]))
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.exists():
        # Taken into the image's own as soon as that installs ca-certificates.
        place = root / "usr/local/share/ca-certificates"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(certificates, place / "host.crt")
    excluded = ("./dev/*", "./var/cache/apt/archives/*.deb", "./var/lib/apt/lists/*")
    options = " ".join(f"--exclude='{pattern}'" for pattern in excluded)
    line = f'tar -C "$1" {options} -c . | docker import - "$2" && docker tag "$2" "$2-slim"'
    command = ["sh", "-c", line, "sh", root, f"debian:{suite}"]
    subprocess.run(command, env=dict(env), check=True, capture_output=True)
    shutil.rmtree(root)

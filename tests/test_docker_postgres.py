"""A database from a plain Debian stage: three programs, one exercise, one call, one image."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from support.docker_engine import Engine

pytestmark = [pytest.mark.docker, pytest.mark.needs("docker")]
BIN = "/usr/lib/postgresql/15/bin"
DATA = "/var/lib/postgresql/data"

EXERCISE = f"""\
set -e
initdb -D {DATA} --auth trust
postgres -D {DATA} &
until psql -d postgres -c "select now() at time zone 'Europe/Berlin'"; do sleep 0.2; done
kill -INT $!
wait $!
"""

TEST = f"""\
initdb -D {DATA} --auth trust > /dev/null
echo "$(id -un): $(echo 'select 42' | postgres --single -D {DATA} postgres | grep -o 42)"
"""

DOCKERFILE = f"""\
FROM debian:bookworm
RUN apt-get update && apt-get install -y --no-install-recommends postgresql strace busybox-static
COPY --from=magicpak /magicpak /usr/bin/magicpak
COPY exercise.sh test.sh /
ENV PATH={BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /var/lib/postgresql
RUN magicpak -v {BIN}/initdb {BIN}/postgres {BIN}/psql /bundle --user postgres \\
      --dynamic --dynamic-script "$(cat /exercise.sh)" \\
      --test --test-stdout 'postgres: 42' --test-command "$(cat /test.sh)"
FROM scratch
COPY --from=0 /bundle /.
ENV PATH={BIN}
USER postgres
CMD ["/bin/sh", "-c", "initdb -D {DATA} --auth trust && exec postgres -D {DATA}"]
"""


def test_postgres_is_bundled_by_one_call_and_starts(
    engine: Engine, single: str, tmp_path: Path
) -> None:
    assert single
    engine.base("bookworm")
    (tmp_path / "exercise.sh").write_text(EXERCISE)
    (tmp_path / "test.sh").write_text(TEST)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    image = "magicpak-test/postgres"
    engine.build(tmp_path, image)
    assert not any(path.startswith("var/lib/postgresql/data/") for path in engine.files(image))
    server = engine.docker("run", "-d", "--network", "none", image).stdout.strip()
    try:
        assert query(engine, server, "select 40 + 2") == "42"
        assert query(engine, server, "select current_user") == "postgres"
        query(engine, server, "create table t as select * from generate_series(1, 1000) as n")
        assert query(engine, server, "select sum(n) from t where n > 10") == "500445"
        assert query(engine, server, "show data_directory") == DATA
        noon = "select timestamptz '2020-07-01 12:00+00' at time zone 'Europe/Berlin'"
        assert query(engine, server, noon) == "2020-07-01 14:00:00"
    finally:
        engine.docker("rm", "-f", server)


def query(engine: Engine, server: str, text: str) -> str:
    """Ask a server that is starting, as its own user."""
    deadline = time.monotonic() + 60
    while True:
        run = engine.docker("exec", server, "psql", "-d", "postgres", "-Atc", text, check=False)
        if run.returncode == 0:
            return run.stdout.strip()
        assert time.monotonic() < deadline, run.stderr + engine.docker("logs", server).stderr
        time.sleep(0.3)

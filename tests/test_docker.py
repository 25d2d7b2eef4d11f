"""Images, as a user builds and runs them: by a real Docker engine, without any privileges."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from support.docker_engine import SUITES, Engine

ROOT = Path(__file__).parents[1]

docker = [pytest.mark.docker, pytest.mark.needs("docker")]
"""What the tests are marked with that need an engine."""


def test_the_readme_shows_an_example_letter_for_letter() -> None:
    shown = re.findall(r"^```dockerfile\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert shown[0] == (ROOT / "example/clang-format/Dockerfile").read_text()


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
        self, engine: Engine, single: str, tmp_path: Path, suite: str
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

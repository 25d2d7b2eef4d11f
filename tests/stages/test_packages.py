"""The run-time files of an installed package come with their libraries: ``--package``."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.command import done, failed, magicpak, paths

STATUS = """\
Package: app
Status: install ok installed
Architecture: amd64
Version: 1
"""


@pytest.mark.needs("root", "git", "dpkg")
def test_a_program_finds_its_helpers_and_templates(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done(magicpak("--package", "git", "/usr/bin/git", out))
    found = paths(out)
    assert "/usr/lib/git-core/git-remote-http" in found
    assert any("/libcurl" in path for path in found)  # which git itself does not need
    assert not [path for path in found if path.startswith(("/usr/share/doc/", "/usr/share/man/"))]
    (out / "dev").mkdir()
    subprocess.run(["mknod", "-m", "666", out / "dev/null", "c", "1", "3"], check=True)
    run = subprocess.run(
        ["/usr/sbin/chroot", out, "/usr/bin/git", "init", "/repository"], env={},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert (out / "repository/.git/hooks/pre-commit.sample").exists()


def test_a_package_that_is_not_installed_is_an_error(tmp_path: Path) -> None:
    error = failed(magicpak("--package", "no-such-package", "/bin/true", tmp_path / "out"))
    assert error.startswith("Unable to find the package no-such-package: none of that name")
    assert not (tmp_path / "out").exists()


@pytest.mark.needs("busybox")
def test_the_packages_of_a_sysroot_are_its_own(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    listed = ("/opt/app/data", "/usr/share/doc/app/copyright", "/opt/app/not-installed")
    for path, content in (
        ("var/lib/dpkg/status", STATUS),
        ("var/lib/dpkg/info/app.list", "".join(f"{line}\n" for line in ("/.", *listed))),
        *((path[1:], path) for path in listed[:2]),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    (root / "init").write_bytes(Path("/bin/busybox").read_bytes())
    (root / "init").chmod(0o755)
    done(magicpak("--sysroot", root, "--package", "app", "/init", out))
    assert paths(out) == {"/init", "/opt/app/data"}


@pytest.mark.needs("dpkg")
def test_exclude_has_the_last_word_on_a_package(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--package", "base-files", "-e", "/etc/*", "-e", "/usr/share/*")
    done(magicpak(*options, "/bin/true", out))
    assert not [path for path in paths(out) if path.startswith(("/etc/", "/usr/share/"))]

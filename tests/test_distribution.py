"""The source distribution and the wheel: made of a clean copy, installed by every Python here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from magicpak.version import VERSION
from support.command import paths

ROOT = Path(__file__).parents[1]
SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14")

pytestmark = [
    pytest.mark.needs("git"),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only git knows what is distributed"),
]


def output(*command: str | Path, cwd: Path | None = None, **env: str) -> str:
    run = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    return run.stdout


def interpreters() -> list[Path]:
    """Find the Pythons that PATH has by their versions, pyenv's among them."""
    found = {Path(sys.executable).resolve()}
    for version in SUPPORTED:
        name = shutil.which(f"python{version}")
        if name is not None:
            asked = subprocess.run(
                [name, "-c", "import sys, ensurepip, venv; print(sys.executable)"],
                env={**os.environ, "PYENV_VERSION": version},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            found |= {Path(line).resolve() for line in asked.stdout.splitlines()}
    return sorted(found)


def tracked() -> list[str]:
    """List the files of the checkout, new ones too."""
    # In CI, the checkout is another user's.
    git = ("git", "-c", "safe.directory=*", "ls-files", "-z")
    listed = output(*git, "--cached", "--others", "--exclude-standard", cwd=ROOT)
    return sorted(name for name in set(listed.split("\0")) if (ROOT / name).is_file())


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make both of a copy that has no repository, the wheel from the source distribution."""
    copy = tmp_path_factory.mktemp("copy")
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    output(sys.executable, "-m", "build", "--outdir", copy / "dist", copy)
    return copy / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return dist / f"magicpak-{VERSION}-py3-none-any.whl"


def test_the_source_distribution_is_the_whole_checkout(dist: Path) -> None:
    top = f"magicpak-{VERSION}"
    with tarfile.open(dist / f"{top}.tar.gz") as archive:
        names = archive.getnames()
    assert sorted(names) == sorted(f"{top}/{name}" for name in ["PKG-INFO", *tracked()])


def test_one_wheel_is_for_all_and_has_what_is_not_python_too(wheel: Path) -> None:
    assert sorted(path.name for path in wheel.parent.glob("*.whl")) == [wheel.name]
    package = [name for name in tracked() if name.startswith("src/magicpak/")]
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    page = f"magicpak-{VERSION}.data/data/share/man/man1/magicpak.1"
    assert names == {page, *(name.removeprefix("src/") for name in package)}


def test_twine_finds_no_fault(dist: Path) -> None:
    output(sys.executable, "-m", "twine", "check", "--strict", *dist.iterdir())


@pytest.mark.needs("man")
@pytest.mark.parametrize("python", interpreters(), ids=lambda path: path.name)
def test_the_wheel_works_where_it_is_installed(wheel: Path, tmp_path: Path, python: Path) -> None:
    output(python, "-m", "venv", tmp_path / "venv")
    bin_directory = tmp_path / "venv/bin"
    output(bin_directory / "python", "-m", "pip", "install", "--quiet", wheel)
    path = f"{bin_directory}:{os.environ['PATH']}"
    output("magicpak", "/bin/true", tmp_path / "out", PATH=path)
    assert "/bin/true" in paths(tmp_path / "out")
    found = output("man", "--where", "magicpak", PATH=path, MANPATH="").strip()
    assert found == str(tmp_path / "venv/share/man/man1/magicpak.1")


def test_the_oldest_dependencies_that_are_allowed_will_do(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        told = archive.read(f"magicpak-{VERSION}.dist-info/METADATA").decode()
    oldest = re.findall(r"^Requires-Dist: (\w+)>=([\d.]+)$", told, re.MULTILINE)
    assert {name for name, _ in oldest} == {"click", "pyelftools", "rich"}
    pins = [f"{name}=={version}" for name, version in oldest]
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--target", tmp_path / "site")
    output(*pip, wheel, *pins)
    command = (sys.executable, "-m", "magicpak")
    output(*command, "--with", "auto", "-v", "/bin/true", "out", cwd=tmp_path,
           PYTHONPATH=str(tmp_path / "site"))  # fmt: skip
    assert "/bin/true" in paths(tmp_path / "out")
    assert "--help" in output(*command, "-h", PYTHONPATH=str(tmp_path / "site"))

"""The suite itself on releases of Debian: with the Python, glibc, compiler and strace of each."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import architectures
from support.architectures import Architecture

ROOT = Path(__file__).parents[1]
SHIPPED = ("src", "tests", "example", "pyproject.toml", "README.md", "LICENSE-MIT")
PACKAGES = (
    "base-files", "base-passwd", "libc-bin", "dash", "bash", "coreutils", "sed", "grep", "mawk",
    "findutils", "tar", "perl-base", "util-linux", "mount", "procps", "dpkg", "python3-venv",
    "python3-pip", "gcc",
    "libc6-dev", "binutils", "strace", "busybox-static", "patchelf", "libcap2-bin", "file", "curl",
    "git",
)  # fmt: skip
MADE_WHILE_CONFIGURED = {"usr/bin/cc": "gcc", "usr/bin/awk": "mawk"}
"""Links that maintainer scripts make, which are not run."""
TESTED_BY = ("pytest>=8", "hypothesis>=6", "jsonschema>=4")
CHOSEN = (
    "tests/runtime",
    *(f"tests/loader/test_{name}.py" for name in ("cache", "glibc_corners", "links")),
    *(f"tests/trace/test_{name}.py" for name in (
        "calls", "elsewhere", "log_file", "mounts", "needed", "touched",
    )),
)  # fmt: skip
"""What has differed by release, and is tested within a minute."""
PASSED = 350
"""At least; fewer are a tree that lacks what they need."""
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
INSIDE = {
    "PATH": "/checkout/.venv/bin:/usr/bin:/usr/sbin", "HOME": "/root", "LC_ALL": "C.UTF-8",
    "PIP_CERT": f"/{CERTIFICATES}", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}  # fmt: skip
INDEX = {
    name: value for name, value in os.environ.items()
    if name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")
}  # fmt: skip

# User namespaces are refused to a process in a chroot, so the tree becomes the root.
ENTER = """
mount --rbind "$1" "$1"
mount -t proc proc "$1/proc"
mount -t sysfs sysfs "$1/sys"
mount --rbind /dev "$1/dev"
cd "$1"
pivot_root . mnt
exec /bin/sh -ec 'umount -l /mnt; cd /checkout; exec "$@"' sh "${@:2}"
"""

pytestmark = [
    pytest.mark.distributions,
    pytest.mark.needs("root", "mounts", "apt-get"),
]


@pytest.fixture(params=["bookworm", "trixie", "sid"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Unpack a release, with the checkout and what installs it."""
    place = tmp_path / "tree"
    kind = Architecture("amd64", "x86_64", "/lib64/ld-linux-x86-64.so.2", request.param)
    architectures.make(place, kind, PACKAGES)
    for name in ("proc", "sys", "dev", "tmp", "root", "mnt"):
        (place / name).mkdir(exist_ok=True)
    for link, program in MADE_WHILE_CONFIGURED.items():
        (place / link).symlink_to(program)
    for name in ("passwd", "group"):
        shutil.copy(place / f"usr/share/base-passwd/{name}.master", place / "etc" / name)
    for name in SHIPPED:
        ship = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        ship(ROOT / name, place / "checkout" / name)
    shutil.copy("/etc/resolv.conf", place / "etc")
    (place / "etc/hostname").write_text("release\n")
    (place / CERTIFICATES).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(f"/{CERTIFICATES}", place / CERTIFICATES)
    yield place
    shutil.rmtree(place)


def run(tree: Path, *command: str) -> str:
    """Run a program of the tree in the checkout there; return what it has printed."""
    enclosed = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-ec", ENTER)
    told = subprocess.run(
        [*enclosed, "bash", tree, *command], env={**INSIDE, **INDEX},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout[-8000:] + told.stderr[-2000:]
    return told.stdout


def test_the_suite_passes_there(tree: Path) -> None:
    run(tree, "ldconfig")
    run(tree, "python3", "-m", "venv", "--without-pip", ".venv")
    pip = ("/usr/bin/python3", "-m", "pip", "--python", ".venv/bin/python", "install", "--quiet")
    run(tree, *pip, *TESTED_BY, "--editable", ".")
    told = run(tree, "pytest", "-q", "-p", "no:cacheprovider", *CHOSEN)
    passed = re.search(r"(\d+) passed", told)
    assert passed is not None, told
    assert int(passed[1]) >= PASSED, told

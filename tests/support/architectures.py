"""Make trees of Debian for other architectures: packages unpacked, and nothing of them run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Architecture(NamedTuple):
    """What Debian, qemu and the ABI call an architecture."""

    debian: str
    qemu: str
    loader: str
    suite: str = "bookworm"


ARCHITECTURES = (
    Architecture("arm64", "aarch64", "/lib/ld-linux-aarch64.so.1"),
    Architecture("armhf", "arm", "/lib/ld-linux-armhf.so.3"),
    Architecture("i386", "i386", "/lib/ld-linux.so.2"),
    Architecture("ppc64el", "ppc64le", "/lib64/ld64.so.2"),
    Architecture("riscv64", "riscv64", "/lib/ld-linux-riscv64-lp64d.so.1", "trixie"),
    Architecture("s390x", "s390x", "/lib/ld64.so.1"),
)
"""Debian has riscv64 since trixie, whose trees also show the newer glibc."""

PACKAGES = (
    "base-files", "libc6", "libc-bin", "coreutils", "util-linux", "bsdutils", "procps", "findutils",
    "grep", "sed", "tar", "bash", "dash", "curl", "git", "python3-minimal", "perl", "file", "gpg",
    "openssl", "openssh-client", "sqlite3", "rsync", "patch", "vim-tiny",
)  # fmt: skip
"""More than a hundred programs, some with a dozen libraries."""

USR = ("bin", "sbin", "lib", "lib64")


def mirror() -> str:
    """Return the mirror of Debian that this machine's apt uses."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)",
         "Created-By: Packages", "Origin: Debian", "Component: main"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return next(uri for uri in told.stdout.split() if "security" not in uri)


def make(tree: Path, kind: Architecture, packages: Sequence[str] = PACKAGES) -> None:
    """Unpack the packages and all that they depend on below a directory, as merged /usr."""
    state = tree.with_name(f"{tree.name}.apt")
    for name in ("lists/partial", "archives/partial", "empty"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    (state / "sources.list").write_text(
        f"deb [arch={kind.debian} signed-by={KEYRING}] {mirror()} {kind.suite} main\n"
    )
    private = {
        "APT::Architecture": kind.debian, "APT::Architectures": kind.debian,
        "APT::Sandbox::User": "root", "Acquire::Languages": "none",
        "Dir::Etc::SourceList": state / "sources.list", "Dir::Etc::SourceParts": state / "empty",
        "Dir::Etc::PreferencesParts": state / "empty", "Dir::State::Lists": state / "lists",
        "Dir::State::Status": state / "status", "Dir::State": state, "Dir::Cache": state,
        "Dir::Cache::Archives": state / "archives",
    }  # fmt: skip
    options = [word for name, value in private.items() for word in ("-o", f"{name}={value}")]
    for command in (["update"], ["install", "-y", "--download-only", "--no-install-recommends",
                                 *packages]):  # fmt: skip
        subprocess.run(["apt-get", "-qq", *options, *command], check=True, capture_output=True)
    for name in USR:
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    for package in sorted((state / "archives").glob("*.deb")):
        _unpack(package, tree)
    shutil.rmtree(state)


def _unpack(package: Path, tree: Path) -> None:
    """Unpack as dpkg(1) does, which keeps the links of merged /usr; dpkg-deb(1) replaces them."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as files:
        subprocess.run(
            ["tar", "-x", "--keep-directory-symlink", "-C", tree], stdin=files.stdout, check=True
        )
    assert files.returncode == 0, package


def emulated(tree: Path, kind: Architecture, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of a tree, chrooted there; qemu is no part of what magicpak sees."""
    qemu = tree / ".qemu"
    if not qemu.exists():
        shutil.copy(f"/usr/bin/qemu-{kind.qemu}-static", qemu)
    return subprocess.run(
        ["env", "-i", "/usr/sbin/chroot", tree, "/.qemu", *command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def programs(tree: Path) -> Iterator[str]:
    """Name the programs in /usr/bin of a tree, each once, by the path of its file."""
    for name in sorted(os.listdir(tree / "usr/bin")):
        file = tree / "usr/bin" / name
        if not file.is_symlink() and file.read_bytes()[:4] == b"\x7fELF":
            yield f"/usr/bin/{name}"


BUILDS = (
    "base-files", "base-passwd", "libc-bin", "dash", "coreutils", "python3", "python3-pip",
    "libpython3-dev", "gcc", "libc6-dev", "zlib1g-dev", "curl", "strace", "busybox-static",
)  # fmt: skip
"""What builds the single file, and programs to bundle."""

# The kernel keeps emulators by user namespace, so the machine itself goes without.
ENTER = """
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
cat "/usr/lib/binfmt.d/qemu-$2.conf" > /proc/sys/fs/binfmt_misc/register
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
exec env -i PATH=/usr/bin:/usr/sbin LC_ALL=C.UTF-8 CC=gcc PIP_CERT=/etc/ca.crt \
    /usr/sbin/chroot "$1" "${@:3}"
"""


def inside(
    tree: Path, kind: Architecture, *command: str, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run a program of a tree, and what it starts, as on a machine of that architecture."""
    enclosed = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork")
    return subprocess.run(
        [*enclosed, "--kill-child", "bash", "-ec", ENTER, "bash", tree, kind.qemu, *command],
        capture_output=True, text=True, check=False, timeout=timeout,
    )  # fmt: skip

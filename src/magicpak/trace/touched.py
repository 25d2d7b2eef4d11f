"""What of the accesses in a log belongs into a bundle, as the host's files tell."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from magicpak.trace.strace_log import Access, Kind

log = logging.getLogger(__name__)

ELSEWHERE = ("/proc", "/sys", "/dev", "/run", "/var/run")
"""What a container gets from its runtime."""

OF_THE_BUILD = frozenset(
    (
        *("/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/etc/mtab"),
        "/etc/ld.so.preload",
        "/",
    )
)
"""What says something about the machine that builds."""

OF_THE_SYSTEM = re.compile(r"(?:/usr)?/(?:s?bin|lib\w*)")
"""Directories that are links in some systems and not in others (merged /usr)."""

SECRETS = frozenset(("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-"))
_KEY = re.compile(rb"^-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\s*$", re.M)
_PEM = b"-----BEGIN "  # RFC 7468
_PEM_SIZE = 1 << 20
_PYC = re.compile(r"(.*/)__pycache__/([^/.]+)\.[^/]+\.pyc", re.S)
_SCRIPT = re.compile(rb"#![ \t]*(/[^ \t\n]+)")
_SCRIPTS = 5  # how many scripts may be one another's interpreter, execve(2)


@dataclass(frozen=True, slots=True, order=True)
class Touched:
    """A path that a program touched, absolute and as it named it: no link is resolved."""

    path: str
    directory: bool  # a directory, of which the program needs the existence; not a file or a link
    executed: bool = field(default=False, compare=False)  # a program, or what ran a script


@dataclass(slots=True)
class _Host:
    """The host's files after the run, and when the run started (ns since the epoch, if known)."""

    started: int | None
    parents: dict[str, str] = field(default_factory=dict)
    resolved: dict[str, str] = field(default_factory=dict)
    passed: dict[str, frozenset[str]] = field(default_factory=dict)

    def links(self, path: str) -> frozenset[str]:
        """Name the links that lead to a path: itself, and those on the way, at any remove."""
        if path not in self.passed:
            self.passed[path] = frozenset()  # a link that leads in a circle ends here
            parent = path.rpartition("/")[0]
            found = self.links(parent) if parent else frozenset()
            if os.path.islink(path):
                found |= {path} | self.links(os.path.join(parent or "/", os.readlink(path)))
            self.passed[path] = found
        return self.passed[path]

    def canonical(self, path: str) -> str:
        """Resolve the links on the way to a path, but not the link it may be itself."""
        parent, _, name = path.rpartition("/")
        if name == "..":
            return os.path.realpath(path)
        if parent not in self.parents:
            self.parents[parent] = os.path.realpath(parent or "/")
        return os.path.join(self.parents[parent], name)

    def real(self, path: str) -> str:
        """Resolve all links, as realpath(3)."""
        if path not in self.resolved:
            key = self.canonical(path)
            self.resolved[path] = os.path.realpath(key) if os.path.islink(key) else key
        return self.resolved[path]

    def existed(self, path: str, kind: Kind) -> bool:
        """Tell whether a file that an open(2) may have made was there before the run.

        A file is new only where its directory has changed too (overlayfs restores the time of a
        directory when it copies a file of it up). What the run wrote to, and cannot be told, is
        taken as made by it.
        """
        if self.started is None:
            return kind is Kind.SHARED
        try:
            times = os.stat(path).st_mtime_ns, os.stat(os.path.dirname(path)).st_mtime_ns
        except OSError:
            return False
        return min(times) < self.started

    def made(self, accesses: Iterable[Access]) -> set[str]:
        """Return the canonical paths that the run made or emptied before it read them."""
        made: set[str] = set()
        seen: set[str] = set()
        used: set[str] = set()
        for access in accesses:
            key, kind = self.canonical(access.path), access.kind
            if kind in (Kind.WRITTEN, Kind.APPENDED, Kind.SHARED):
                key = self.real(access.path)
            if kind is Kind.SEEN:
                seen.add(key)
            elif kind in (Kind.USED, Kind.RUN, Kind.STARTED):
                if key not in made:
                    used.update((key, self.real(access.path)))
            elif key not in used and (
                kind in (Kind.MADE, Kind.WRITTEN) or not (key in seen or self.existed(key, kind))
            ):
                made.add(key)
        return made


def sift(accesses: Iterable[Access], started: int | None = None) -> tuple[Touched, ...]:
    """Keep what a program needs of the host, and was not made by the program itself.

    ``started`` is when the run started, in nanoseconds of the clock of files. Directories in which
    the program made files, and named by an absolute path, count as needed. Keys and passwords are
    left out with a warning.
    """
    accesses = tuple(accesses)
    host = _Host(started)
    made = host.made(accesses)
    found: set[Touched] = set()
    warned: set[str] = set()
    for path in sorted(_needed(accesses)):
        # It may be gone, or never have been here: another root, another machine.
        with contextlib.suppress(OSError):
            here = list(_touched(path, host, made, warned))
            found.update(here)
            for link in host.links(path) if here else ():
                if not OF_THE_SYSTEM.fullmatch(link):
                    found.update(_touched(link, host, made, warned))
    executed = {host.real(path) for path in _executed(accesses)}
    return tuple(replace(each, executed=host.real(each.path) in executed) for each in sorted(found))


def _executed(accesses: Iterable[Access]) -> Iterator[str]:
    """Name the programs that ran, the traced program itself left out."""
    for path, kind, _ in accesses:
        if kind in (Kind.RUN, Kind.STARTED):
            yield from _interpreters(path)
        if kind is Kind.RUN:
            yield path


def _needed(accesses: Iterable[Access]) -> set[str]:
    """Return the paths to consider."""
    paths: set[str] = set()
    for access in accesses:
        if not access.counts:
            continue
        if access.kind in (Kind.WRITTEN, Kind.MADE, Kind.APPENDED) and access.absolute:
            paths.add(os.path.dirname(access.path))
        if access.kind in (Kind.RUN, Kind.STARTED):
            paths.update(_interpreters(access.path))
        if access.kind is not Kind.STARTED:
            paths.add(access.path)
        if source := _PYC.fullmatch(access.path):
            paths.add(f"{source[1]}{source[2]}.py")
    return paths


def _interpreters(path: str) -> Iterator[str]:
    """Return what the kernel opens to run a script, which strace cannot see: execve(2)."""
    for _ in range(_SCRIPTS):
        try:
            with open(path, "rb") as file:
                script = _SCRIPT.match(file.read(256))
        except OSError:
            return
        if script is None:
            return
        path = os.fsdecode(script[1])
        yield path


def _touched(path: str, host: _Host, made: set[str], warned: set[str]) -> Iterator[Touched]:
    """Decide about a path. Raises OSError where it is not there."""
    mode = os.lstat(path).st_mode
    key = host.canonical(path)
    real = host.real(path)
    if any(_left_out(name) or _within(made, name) for name in (path, key, real)):
        return
    if stat.S_ISDIR(mode):
        yield Touched(path, True)
    elif stat.S_ISLNK(mode) and os.path.isdir(real):
        # A directory where others have one, so that the bundle can be copied onto their image.
        yield Touched(path, OF_THE_SYSTEM.fullmatch(path) is not None)
        yield Touched(real, True)
    elif stat.S_ISLNK(mode) or stat.S_ISREG(mode):
        if reason := _secret(real):
            if real not in warned:
                log.warning("%s is left out: %s; add it with --include %s", path, reason, path)
            warned.add(real)
        elif os.path.isfile(real) or not os.path.lexists(real):
            yield Touched(path, False)


def _left_out(path: str) -> bool:
    return path in OF_THE_BUILD or any(
        path == place or path.startswith(f"{place}/") for place in ELSEWHERE
    )


def _within(made: set[str], path: str) -> bool:
    """Tell whether the run made a path, or a directory above it."""
    while made and path and path != "/":
        if path in made:
            return True
        path = path.rpartition("/")[0]
    return False


def _secret(path: str) -> str | None:
    """Return why a file should not be in an image, if so."""
    if path in SECRETS:
        return "it holds passwords"
    name = os.path.basename(path)
    try:
        info = os.stat(path)
        if name.endswith(".key") and not stat.S_IMODE(info.st_mode) & 0o077:
            return "it is a private key by its name and mode"
        with open(path, "rb") as file:
            text = file.read(1024)
            if _PEM in text:  # a key may follow after certificates
                text += file.read(_PEM_SIZE)
            key = _KEY.search(text)
    except OSError:
        return None
    return "it is a private key" if key else None

"""Where each kind of run-time data is on the host. The functions are those that KINDS names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from magicpak.plan import BundlePath, Directory, Meta, Placed, generated
from magicpak.runtime.kinds import CERTIFICATE_PATHS
from magicpak.runtime.request import Bring, Request

NSSWITCH = BundlePath("/etc/nsswitch.conf")
NAMES = ("/etc/services", "/etc/protocols", "/etc/host.conf", "/etc/gai.conf")
DEFAULT = b"passwd: files\ngroup: files\nhosts: files dns\n"

LIBCRYPTO = re.compile(r"libcrypto\.so").match
OPENSSL_DIRECTORY = re.compile(rb'OPENSSLDIR: "([^"]+)"')

ZONEINFO = "/usr/share/zoneinfo"
VARIANTS = ("posix", "right", "posixrules", "localtime")
"""Other forms of the zones, and links that are no zones."""

TERMINFO = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo",
            "/usr/share/lib/terminfo")  # fmt: skip
TERMINALS = (
    "alacritty", "ansi", "cygwin", "dumb", "foot", "konsole-256color", "linux", "mach", "rxvt",
    "rxvt-unicode-256color", "screen", "screen-256color", "sun", "tmux", "tmux-256color", "vt100",
    "vt102", "vt220", "vt52", "xterm", "xterm-256color", "xterm-color", "xterm-kitty",
)  # fmt: skip


def nss(request: Request) -> Iterator[Placed]:
    """Bring what getaddrinfo(3) and the like read (nss(5), nsswitch.conf(5))."""
    glibc = request.glibc()
    configured = request.found(NSSWITCH)
    yield from request.entries(configured)
    text = request.host.content(NSSWITCH) if configured else DEFAULT
    if not configured and (glibc or not request.subjects):
        yield generated(NSSWITCH, DEFAULT, request.origin)
    services = dict.fromkeys(
        word
        for line in os.fsdecode(text).splitlines()
        for word in re.sub(r"\[.*?\]|#.*", "", line.partition(":")[2]).split()
    )
    for directory in glibc:
        yield from request.entries(
            path for name in services for path in request.found(f"{directory}/libnss_{name}.so.2")
        )
    yield from request.entries(request.found(*NAMES))


def certs(request: Request) -> Iterator[Placed]:
    """Bring the certificates of the authorities in one file, and links to it for each library."""
    stores = (path for path in CERTIFICATE_PATHS if request.found(path))
    store = next(stores, None)
    if store is None:
        raise request.missing("no file of CA certificates is here", "install ca-certificates")
    yield from request.entries([store])
    wanted = set[str]()
    # A library is there once for each program that needs it.
    for path in dict.fromkeys(each.path for each in request.subjects if LIBCRYPTO(each.name)):
        directories = _openssl_directories(request, path)
        wanted.update(f"{directory}/cert.pem" for directory in directories)
    for subject in request.subjects:
        if subject.near or subject.name.startswith("libgnutls.so"):
            mentioned = "\0".join(request.reader.mentions(subject).paths)
            wanted.update(path for path in CERTIFICATE_PATHS if path in mentioned)
    for path in sorted(wanted - {store}):
        if request.bundle.resolve(path) is None:
            yield request.link(path, store)
    for directory in request.beside(r"libnss3\.so"):  # that of Mozilla
        yield from request.entries(
            request.found(f"{directory}/libnssckbi.so", f"{directory}/nss/libnssckbi.so")
        )
    for directory in request.beside(r"libp11-kit\.so.*"):
        module = request.found(f"{directory}/pkcs11/p11-kit-trust.so")
        yield from request.entries([*module, *request.found("/usr/share/p11-kit/modules")])
        if module:
            yield from request.entries(
                request.found("/usr/share/pki/ca-trust-source", "/etc/pki/ca-trust/source")
            )


def _openssl_directories(request: Request, path: str) -> Iterator[str]:
    """Yield the OPENSSLDIR that a libcrypto was built for, as ``openssl version -d`` tells it."""
    for text in request.reader.constants(path):
        for match in OPENSSL_DIRECTORY.finditer(text):
            yield os.fsdecode(match[1])


def zones(request: Request) -> Iterator[Placed]:
    """Bring the named zones or all, and the zone of this host (tzset(3))."""
    if not request.found(ZONEINFO):
        raise request.missing(f"{ZONEINFO} is not here", "install tzdata")
    wanted = request.values or tuple(
        name for name in request.host.names(ZONEINFO) if name not in VARIANTS
    )
    for name in wanted:
        if ".." in name.split("/") or not request.found(f"{ZONEINFO}/{name}"):
            raise request.missing(
                f"{ZONEINFO}/{name} is not here", "name a zone of `timedatectl list-timezones`"
            )
    yield from request.entries(f"{ZONEINFO}/{name}" for name in wanted)
    yield from request.entries(request.found("/etc/localtime", "/etc/timezone"))


def terminfo(request: Request) -> Iterator[Placed]:
    """Bring the entries of terminals, each from the first place where it is (terminfo(5))."""
    for name in request.values or TERMINALS:
        places = (f"{directory}/{sub}/{name}" for directory in TERMINFO
                  for sub in (name[:1], f"{ord(name[:1] or '/'):x}"))  # fmt: skip
        first = next((place for place in places if request.host.status(place) is not None), None)
        if first is not None and "/" not in name:
            yield from request.entries([first])
        elif request.values:
            raise request.missing(
                f"no terminal of the name {name} is known here", "install ncurses-term"
            )


def tmp(request: Request) -> Iterator[Placed]:
    """Make the directories for temporary files (hier(7))."""
    for path in ("/tmp", "/var/tmp"):  # noqa: S108  of the bundle
        yield Placed(BundlePath(path), Directory(Meta(0o1777)), request.origin)


# What few programs need is imported where one does.


def gconv(request: Request) -> Iterator[Placed]:
    """Bring modules of iconv(3)."""
    from magicpak.runtime import gconv as kind  # noqa: PLC0415

    return kind.gconv(request)


def locale(request: Request) -> Iterator[Placed]:
    """Bring locales, and translations."""
    from magicpak.runtime import locales  # noqa: PLC0415

    return locales.locale(request)


def shell(request: Request) -> Iterator[Placed]:
    """Bring /bin/sh."""
    from magicpak.runtime import rescue  # noqa: PLC0415

    return rescue.shell(request)


def busybox(request: Request) -> Iterator[Placed]:
    """Bring busybox with its applets."""
    from magicpak.runtime import rescue  # noqa: PLC0415

    return rescue.busybox(request)


BRING: dict[str, Bring] = {
    "nss": nss,
    "certs": certs,
    "zones": zones,
    "locale": locale,
    "gconv": gconv,
    "terminfo": terminfo,
    "tmp": tmp,
    "shell": shell,
    "busybox": busybox,
}
"""By the name of the kind; accounts are lines of tables rather than entries."""

"""Bring a shell, or the static busybox with its applets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from magicpak.elf import MalformedExecutable
from magicpak.errors import IoError
from magicpak.host.programs import obstacle, on_path
from magicpak.host.script import PATH
from magicpak.plan import BundlePath, Placed
from magicpak.runtime.request import Request

SHELL = "/bin/sh"
BUSYBOX = BundlePath("/bin/busybox")
APPLETS = re.compile(rb"\0(\[\0\[\[\0(?:[\w.+-]+\0){20,})")
"""The names of the applets among the constants, in the order of the alphabet."""


def shell(request: Request) -> Iterator[Placed]:
    """Bring what system(3) and popen(3) start."""
    if obstacle(request.host, SHELL):
        raise request.missing(f"{SHELL} is not here", "install dash or bash")
    yield from request.entries([SHELL])


def busybox(request: Request) -> Iterator[Placed]:
    """Bring busybox, and a link for each applet that the bundle has no program for."""
    found = on_path(request.host, request.busybox)
    if found is None:
        what = f"busybox is not found as {request.busybox}"
        raise request.missing(what, "apt-get install busybox-static")
    try:
        elf = request.host.read(found)
    except (IoError, MalformedExecutable) as e:
        raise request.missing(str(e), "name another one with --busybox") from e
    if elf.interpreter or elf.needed:
        raise request.missing(f"{found} is not static", "apt-get install busybox-static")
    yield from request.host.entries(found, BUSYBOX, request.origin)
    for applet in _applets(request, found):
        if applet == "busybox":
            continue
        ways = [*PATH.split(":"), "/bin"]
        if not any(request.bundle.resolve(f"{way}/{applet}") for way in ways):
            yield request.link(f"/bin/{applet}", "busybox")


def _applets(request: Request, path: str) -> list[str]:
    """Read the names of the applets; busybox is not run for them: it may be another machine's."""
    for piece in request.reader.constants(path):
        if match := APPLETS.search(piece):
            return match[1].decode().split("\0")[:-1]
    return ["sh"]

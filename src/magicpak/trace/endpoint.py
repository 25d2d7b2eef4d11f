"""Where a server answers: a TCP port or a unix socket."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from magicpak.trace.errors import MalformedEndpoint

_LOCAL = ("localhost", "127.0.0.1", "::1")
_LOOPBACK = (b"", b"100007F", b"7F000001", b"1")
"""Loopback and wildcard addresses as /proc/net writes them, in either byte order, stripped of 0."""
_LISTEN = b"0A"
_ACCEPTS = b"00010000"

_TCP = re.compile(r"(?:(?P<host>[^:/\[\]]+|\[[^\]]+\])?:)?(?P<port>\d{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A TCP port of a host, or (port 0) the unix socket at the path ``host``."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read ``HOST:PORT``, ``:PORT``, ``PORT`` or a path, which has a ``/``.

        Raises MalformedEndpoint.
        """
        if "/" in text and "\0" not in text:
            return cls(text, 0)
        match = _TCP.fullmatch(text)
        if not match or not 0 < int(match["port"]) <= 65535:
            raise MalformedEndpoint(text)
        return cls((match["host"] or "localhost").strip("[]"), int(match["port"]))

    def answers(self, seconds: float = 1.0) -> bool:
        """Tell whether it accepts a connection, waiting for it at most so long.

        Raises MalformedEndpoint.
        """
        return self._listens() or self._connects(seconds)

    def _listens(self) -> bool:
        """Look for it among the listeners of this machine: a server may take one connection only.

        See proc(5), /proc/net.
        """
        if not self.port:
            path = os.fsencode(self.host)
            unix = (line.rstrip(b"\n").split(None, 7) for line in _table("unix"))
            return any(len(row) > 7 and row[3] == _ACCEPTS and row[7] == path for row in unix)
        if self.host not in _LOCAL:
            return False
        rows = (line.split() for name in ("tcp", "tcp6") for line in _table(name))
        local = (row[1].split(b":") for row in rows if row[3] == _LISTEN)
        return any(
            int(port, 16) == self.port and host.strip(b"0") in _LOOPBACK for host, port in local
        )

    def _connects(self, seconds: float) -> bool:
        try:
            if self.port:
                # Tries each address of the host: a server may listen on IPv4 only, or IPv6 only.
                socket.create_connection((self.host, self.port), seconds).close()
                return True
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(seconds)
                client.connect(self.host)
        except OSError:
            return False
        except UnicodeError as e:  # no name of a host can be so
            raise MalformedEndpoint(str(self)) from e
        return True

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


def _table(name: str) -> Iterator[bytes]:
    """Read a table of sockets, without its heading; where there is none, nothing."""
    with contextlib.suppress(OSError), open(f"/proc/net/{name}", "rb") as file:
        next(file, None)
        yield from file

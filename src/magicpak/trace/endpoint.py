"""Where a server answers: a TCP port or a unix socket."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from magicpak.trace.failures import MalformedEndpoint

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
        """Tell whether it accepts a connection, waiting for it at most so long."""
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
        return True

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host

"""Where a server is to answer: read from a text, and asked without taking a connection."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from magicpak import trace
from magicpak.trace.endpoint import Endpoint


@pytest.mark.parametrize("text", ["", "host", "host:", "0", "65536", "a:b", "1:2:3", "-1"])
def test_what_to_wait_for_must_be_a_port_or_a_path(text: str) -> None:
    with pytest.raises(trace.MalformedEndpoint, match="--dynamic-wait-for"):
        Endpoint.parse(text)


def test_what_to_wait_for_is_read() -> None:
    assert Endpoint.parse("80") == Endpoint.parse(":80") == Endpoint("localhost", 80)
    assert Endpoint.parse("h:80") == Endpoint("h", 80)
    assert Endpoint.parse("[::1]:80") == Endpoint("::1", 80)
    assert Endpoint.parse("/run/x:1") == Endpoint("/run/x:1", 0)


@pytest.mark.parametrize("text", ["a..b:80", f"{'x' * 64}.example:80"])
def test_what_no_host_is_called_is_an_error_at_once(text: str) -> None:
    with pytest.raises(trace.MalformedEndpoint, match="--dynamic-wait-for"):
        Endpoint.parse(text).answers()


def test_an_answer_needs_a_listener(tmp_path: Path) -> None:
    here = Endpoint(str(tmp_path / "sock"), 0)
    assert not here.answers()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(here.host)
        assert not here.answers()
        server.listen()
        assert here.answers()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_waiting_for_a_server_takes_none_of_its_connections(
    tmp_path: Path, family: socket.AddressFamily
) -> None:
    path = str(tmp_path / "a sock")
    address = {socket.AF_INET: ("0.0.0.0", 0), socket.AF_INET6: ("::1", 0)}  # noqa: S104
    with socket.socket(family) as server:
        try:
            server.bind(address.get(family, path))
        except OSError:
            pytest.skip("no IPv6 here")
        text = path if family is socket.AF_UNIX else str(server.getsockname()[1])
        assert not Endpoint.parse(text).answers()
        server.listen()
        assert Endpoint.parse(text).answers()
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()

"""How strace(1) writes a line: its regular expressions, and what its strings stand for."""

from __future__ import annotations

import contextlib
import functools
import os
import re

_FD = rb"(?:AT_FDCWD|\d+)(?:<[^<>]*(?:<[^<>]*>)?>)?(?:\(deleted\))?"
# A string of -xx is all hexadecimal, for which a set is five times as fast as a repeated group.
_STRING = rb'"(?:(?=\\x)[\\x0-9a-f]+|[^"\\]*(?:\\.[^"\\]*)*)"(?:\.\.\.)?'
_TIME = rb"(?:[\d:.]+ +(?:\(\+ +[\d.]+\) +)?)?(?:\[[ \da-f?]+\] +)*"  # strace -t, -r; -n, -i
_PID = rb"(?:(?:\[pid +)?(\d+)(?:<[^<>]*>)?\]? +)?" + _TIME  # strace -f, -Y
A_LOG = re.compile(rb"\) += (?:-?\d|\?)|\+\+\+ (?:exited|killed)")
LINE = re.compile(
    _PID + rb"(?P<call>[a-z]\w*)\((?P<fd>" + _FD + rb")?(?:, )?(?P<path>" + _STRING + rb")?"
    rb"(?P<rest>.*)\) += (?:-1 (?P<error>E\w+)|(?P<result>\d+)"
    rb"(?P<real><[^<>]*(?:<[^<>]*>)?>)?(?:\(deleted\))?)"
    rb"(?: => .*| \([^()\"]*\))*(?: <[\d.]+>)?"
)
BEGUN = re.compile(
    _PID + rb"(?:[a-z]\w*\((?:" + _FD + rb")?(?:, )?(?P<path>" + _STRING + rb")|\+\+\+ )"
)
BOUND = re.compile(rb"\bsun_path=(" + _STRING + rb")")
SECOND = re.compile(rb", (?:(" + _FD + rb"), )?(" + _STRING + rb")")
RESUMED = re.compile(_PID + rb"<\.\.\. (\w+) resumed>(.*)")
UNFINISHED = re.compile(_PID + rb"(.*?) ?<(?:unfinished|pid changed to (\d+)) \.\.\.>")
EXITED = re.compile(_PID + rb"\+\+\+ (?:exited with|killed by) ")
BORN = re.compile(
    rb"(?:\[pid +)?(\d+)(?:<[^<>]*>)?\]? +" + _TIME + rb"(?:<\.\.\. )?(?:clone3?|v?fork)\b"
    rb".*\) += (\d+)(?:<[^<>]*>)?(?: <[\d.]+>)?$"
)
_ANNOTATION = re.compile(rb"<([^<>]*)")
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))", re.S)
_NAMED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b"a": b"\a", b"b": b"\b"}
SIZE = re.compile(rb"\bstx?_size=(\d+)")


def unescape(text: bytes) -> bytes:
    r"""Undo strace's ways to write a byte: ``\x41`` (-xx), ``\101``, ``\n`` and the other of C."""
    if text.startswith(b"\\x"):
        with contextlib.suppress(ValueError):  # not all of it is hexadecimal
            return bytes.fromhex(text.replace(b"\\x", b"").decode())
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes.fromhex(match[1].decode())
    if match[2]:
        return bytes((int(match[2], 8) & 0xFF,))
    return _NAMED.get(match[3], match[3])


@functools.lru_cache(maxsize=256)
def annotated(fd: bytes | None) -> str | None:
    """Return the path that -y gives a descriptor; None for sockets and pipes, and without -y.

    One with a NUL in it is damaged.
    """
    match = _ANNOTATION.search(fd) if fd else None
    path = os.fsdecode(unescape(match[1])) if match else ""
    return path if path.startswith("/") and "\0" not in path else None

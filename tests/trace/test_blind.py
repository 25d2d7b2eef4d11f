"""What a log cannot show is told by the lines that give it away, and by no others."""

from __future__ import annotations

import pytest

from magicpak.trace import blind

SHOWN = [
    b'1 openat(AT_FDCWD</w>, "/a", O_RDONLY) = 3',
    b"1 openat(AT_FDCWD</w>, 0x7ffe0, O_RDONLY) = -1 EFAULT (Bad address)",
    b"1 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD) = 2",
    b"1 clone(child_stack=NULL, flags=CLONE_UNTRACED|SIGCHLD) = -1 EPERM (Operation not permitted)",
    b'1 pivot_root(".", ".") = -1 EINVAL (Invalid argument)',
    b"1 setns(3</proc/9/ns/net>, CLONE_NEWNET) = 0",
    b'1 open("clone(CLONE_UNTRACED) = 2", O_RDONLY) = 3',
]


def test_a_log_that_shows_all_tells_of_nothing() -> None:
    assert list(blind.told(SHOWN)) == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"1 openat(AT_FDCWD</w>, 0x7ffe0, O_RDONLY) = 3", "changed their user (2 times)"),
        (b"1 execve(0x7ffe0, 0x7ffe8, 0x7fff0) = 0", "changed their user (2 times)"),
        (b"1 clone(child_stack=NULL, flags=CLONE_UNTRACED|SIGCHLD) = 2", "CLONE_UNTRACED, 2"),
        (b"clone3({flags=CLONE_UNTRACED, ...}, 88) = 2", "CLONE_UNTRACED, 2"),
        (b"1 clone(flags=CLONE_UNTRACED|SIGCHLD <unfinished ...>", "CLONE_UNTRACED, 2"),
        (b'1 pivot_root(".", "old") = 0', "pivot_root, 2"),
        (b"1 setns(3</proc/9/ns/mnt>, CLONE_NEWNS) = 0", "setns, 2"),
    ],
)
def test_what_it_cannot_show_is_told_once_with_how_often(line: bytes, word: str) -> None:
    (text,) = blind.told([*SHOWN, line, line])
    assert word in text

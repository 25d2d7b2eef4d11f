"""What a run did that its log cannot show, by the lines that give it away. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

SPOTS = (
    # So it is with a process that has changed its user, without CAP_SYS_PTRACE (ptrace(2)).
    (
        b", 0x",
        rb"[\d ]*(?:open|openat2?|execve)\((?:[^\",]+, )?0x[\da-f]+, .*\) += \d",
        "strace could not see what processes opened that had changed their user (%d times): it "
        "lacks CAP_SYS_PTRACE; run all as that user by --user",
    ),
    (
        b"CLONE_UNTRACED",
        rb"[\d ]*clone3?\((?!.*\) += -1)",
        "strace could not see what processes opened that were started to be traced by nobody "
        "(CLONE_UNTRACED, %d times); add that by --include",
    ),
    (
        b"pivot_root(",
        rb"[\d ]*pivot_root\(.*\) += 0",
        "what processes opened after they had gone to a root of their own (pivot_root, %d times) "
        "is not known; add that by --include",
    ),
    (
        b"setns(",
        rb"[\d ]*setns\(.*\bCLONE_NEWNS\b.*\) += 0",
        "what processes opened after they had gone to the mounts of others (setns, %d times) "
        "is not known; add that by --include",
    ),
)
"""What is in such a line, how it looks, and what to say of so many of them."""

_LOOKS = [(mark, re.compile(look), text) for mark, look, text in SPOTS]


def told(lines: Iterable[bytes]) -> Iterator[str]:
    """Say what cannot be seen."""
    counts = dict.fromkeys(range(len(_LOOKS)), 0)
    for line in lines:
        for number, (mark, look, _) in enumerate(_LOOKS):
            if mark in line and look.match(line):
                counts[number] += 1
    for number, count in counts.items():
        if count:
            yield _LOOKS[number][2] % count

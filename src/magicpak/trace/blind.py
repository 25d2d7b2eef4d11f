"""What a run did that its log cannot show, by the lines that give it away. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

SPOTS = (
    # So it is with a process that has changed its user, without CAP_SYS_PTRACE (ptrace(2)).
    (
        rb"(?:open|openat2?|execve)\((?:[^\",]+, )?0x[\da-f]+, .*\) += \d",
        "strace could not see what processes opened that had changed their user (%d times): it "
        "lacks CAP_SYS_PTRACE; run all as that user by --user",
    ),
    (
        rb"clone3?\(.*\bCLONE_UNTRACED\b(?!.*\) += -1)",
        "strace could not see what processes opened that were started to be traced by nobody "
        "(CLONE_UNTRACED, %d times); add that by --include",
    ),
    (
        rb"pivot_root\(.*\) += 0",
        "what processes opened after they had gone to a root of their own (pivot_root, %d times) "
        "is not known; add that by --include",
    ),
    (
        rb"setns\(.*\bCLONE_NEWNS\b.*\) += 0",
        "what processes opened after they had gone to the mounts of others (setns, %d times) "
        "is not known; add that by --include",
    ),
)
"""How such a line looks, and what to say of so many of them."""

_LOOK = re.compile(rb"[\d ]*(?:%s)" % b"|".join(b"(%s)" % look for look, _ in SPOTS))


def told(lines: Iterable[bytes]) -> Iterator[str]:
    """Say what cannot be seen."""
    found = Counter(match.lastindex for match in map(_LOOK.match, lines) if match)
    for number, (_, text) in enumerate(SPOTS, start=1):
        if found[number]:
            yield text % found[number]

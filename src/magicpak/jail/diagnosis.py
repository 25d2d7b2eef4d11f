"""Find out why a test failed: look at its programs, and run it once more under strace(1)."""

import logging
import os
from collections.abc import Sequence
from typing import NamedTuple

from magicpak.errors import MagicpakError, one_line
from magicpak.jail import missing
from magicpak.jail.enter import Start, Tracer
from magicpak.jail.launch import Jail, run
from magicpak.jail.lookups import TRACED, Lookup, complaints, lookups
from magicpak.jail.plant import inside
from magicpak.jail.startable import unstartable
from magicpak.system import tools
from magicpak.system.tools import ToolNotFound

log = logging.getLogger(__name__)

READ = 16 << 20
"""Bytes of a trace that are read: a program may look for files without end."""


class Diagnosis(NamedTuple):
    """Why a test may have failed."""

    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    """Paths that were looked for in vain and that the host has, the likeliest first."""


def diagnose(jail: Jail, start: Start, programs: Sequence[str], stderr: bytes) -> Diagnosis:
    """Find the reasons of a failure; ``programs`` are what may not have started."""
    root, search = jail.room.root, jail.room.env.get("PATH", "").split(":")
    seen, untraced = _trace(jail, start)
    seen = seen or list(complaints(stderr))
    # execve(2) of a file that is there fails for lack of its interpreter.
    refused = [
        lookup.path
        for lookup in seen
        if lookup.executed and not lookup.found and os.path.exists(inside(root, lookup.path))
    ]
    reasons = unstartable([*programs, *refused], root)
    reasons += tuple(missing.reasons(seen, root, search))
    return Diagnosis(reasons + untraced, missing.suspects(seen, root))


def _trace(jail: Jail, start: Start) -> tuple[list[Lookup], tuple[str, ...]]:
    """Return what a traced run looks for, and how to get a trace where there is no strace."""
    file = os.path.join(os.path.dirname(jail.room.root), "strace")
    try:
        strace = tools.find(jail.strace, "strace", "--strace")
        tracer = Tracer((strace, "-f", "-qq", *TRACED, "-o", file, "-p"), file)
        done = run(jail, start, tracer)
        with open(file, "rb") as trace:
            seen = list(lookups(trace.read(READ)))
        if not seen:
            log.info("the failed test is not traced: %s", one_line(done.stderr))
    except ToolNotFound:
        how = tools.installation("strace")
        return [], (f"install strace ({how}) to see which files it lacks",)
    except (MagicpakError, OSError) as e:
        log.info("the failed test is not traced: %s", e)
        return [], ()
    return seen, ()

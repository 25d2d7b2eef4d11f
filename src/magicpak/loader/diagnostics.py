"""Read what ``ld.so --list-diagnostics`` prints (glibc 2.33 and later). Pure."""

from __future__ import annotations

import itertools
import re

from magicpak.elf import Abi
from magicpak.loader.helper import SearchPath

LEGACY_HWCAPS = {
    ("EM_X86_64", 64): {1: "x86_64", 2: "avx512_1"},
    ("EM_386", 32): {0: "sse2"},
}
"""The directory names of AT_HWCAP bits (sysdeps/x86/dl-hwcap.h)."""


def told_by(diagnostics: dict[str, str]) -> SearchPath | None:
    """Return the search path in a loader's diagnostics; None where they lack it."""
    key = "path.system_dirs[{:#x}]"
    directories: list[str] = []
    while (value := diagnostics.get(key.format(len(directories)))) is not None:
        directories.append(value.rstrip("/"))
    if not directories:
        return None
    lib = diagnostics.get("dl_dst_lib", "lib")
    return SearchPath(tuple(directories), lib, diagnostics.get("dl_platform", ""))


def release(diagnostics: dict[str, str]) -> tuple[int, int] | None:
    """Return the version of glibc; None where the diagnostics lack it."""
    match = re.match(r"(\d+)\.(\d+)", diagnostics.get("version.version", ""))
    return (int(match[1]), int(match[2])) if match else None


def looks_past_files(diagnostics: dict[str, str]) -> bool:
    """Tell whether ENOTDIR ends no list of directories: so it is in glibc 2.41, not in 2.36."""
    return (release(diagnostics) or (0, 0)) >= (2, 41)


def active_hwcaps(diagnostics: dict[str, str]) -> tuple[str, ...]:
    """List the glibc-hwcaps subdirectories that the loader searches on this processor."""
    names = diagnostics.get("dl_hwcaps_subdirs", "").split(":")
    mask = int(diagnostics.get("dl_hwcaps_subdirs_active", "0"), 0)
    return tuple(name for bit, name in enumerate(names) if name and mask >> bit & 1)


def legacy_hwcaps(diagnostics: dict[str, str], abi: Abi) -> tuple[str, ...]:
    """List the subdirectories that glibc searched before glibc-hwcaps, up to 2.36.

    They are all subsets of ``tls``, the platform and the processor's features, in this order
    (elf/dl-hwcaps.c, _dl_important_hwcaps).
    """
    version = release(diagnostics)
    if version is None or version >= (2, 37):
        return ()
    features = LEGACY_HWCAPS.get((abi.machine, abi.bits), {})
    words = (diagnostics.get(key, "0") for key in ("dl_hwcap", "dl_hwcap_important"))
    has, important = (int(word, 0) for word in words)
    parts = ["tls", diagnostics.get("dl_platform", "")]
    parts += [features[bit] for bit in sorted(features, reverse=True) if has & important & 1 << bit]
    choices = itertools.product((True, False), repeat=len(parts))
    chosen = ("/".join(itertools.compress(parts, choice)) for choice in choices)
    return tuple(dict.fromkeys(path.strip("/") for path in chosen if path.strip("/")))

"""What a system call, by its flags and its result, tells about the path that it names. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterator

_LOOKS = """
    stat stat64 oldstat lstat lstat64 oldlstat statx newfstatat fstatat64 fstat fstat64
    statfs statfs64 access faccessat faccessat2 truncate truncate64 ftruncate ftruncate64
    chmod fchmodat fchmodat2 chown chown32 lchown lchown32 fchownat
    utime utimes futimesat utimensat utimensat_time64 name_to_handle_at
    getxattr lgetxattr listxattr llistxattr setxattr lsetxattr removexattr lremovexattr
    inotify_add_watch"""
_OPENS = "open openat openat2 creat open_by_handle_at"
_RUNS = "execve execveat"
_READS = "chdir fchdir readlink readlinkat"
_MAKES = "mkdir mkdirat mknod mknodat bind"
_NAMES = "rename renameat renameat2 link linkat symlink symlinkat"
_REMOVES = "unlink unlinkat rmdir"
_BIRTHS = "clone clone3 fork vfork"
_MOUNTS = "mount umount umount2 open_tree fsopen fsmount move_mount"
_OTHERS = "chroot pivot_root unshare setns io_uring_setup"


def _named(text: str) -> frozenset[bytes]:
    return frozenset(text.encode().split())


_OF_FILES = (_LOOKS, _OPENS, _RUNS, _READS, _MAKES, _NAMES, _REMOVES)
_ALL = " ".join((*_OF_FILES, _BIRTHS, _MOUNTS, _OTHERS))

SYSCALLS = _ALL.split()
"""Calls that take a path, that change what a path means, or that make a process."""

KNOWN = _named(_ALL)
OPENS, RUNS, BIRTHS = _named(_OPENS), _named(_RUNS), _named(_BIRTHS)
TO_SECOND = _named(_NAMES)
"""Calls whose second path is made; the first one is there, but for the text of a link."""
_MAKERS, _READERS, _REMOVERS = _named(_MAKES), _named(_READS), _named(_REMOVES)
READLINKS = _named("readlink readlinkat")
TRUNCATES = _named("truncate truncate64 ftruncate ftruncate64")
STATS = _named("stat stat64 oldstat statx newfstatat fstatat64 fstat fstat64")
ROOTS = _named("chroot pivot_root")
MOUNTS = _named(_MOUNTS)
NAMESPACES = _named("unshare setns")
OF_THE_CWD = _named("inotify_add_watch")
"""Calls whose descriptor is not where their path starts."""

_THERE = _named(
    """EEXIST EISDIR ENOTDIR ENOTEMPTY EBUSY ETXTBSY EROFS EPERM ELOOP EXDEV ENXIO ENOEXEC
    ENODATA EOPNOTSUPP ERANGE EADDRINUSE EMLINK"""
)
"""Errors of a call whose path is there, or, where it would make it, the directory it lies in."""


class Kind(enum.Enum):
    """What a call tells about a path."""

    ABSENT = enum.auto()  # nothing is there
    DENIED = enum.auto()  # something may be there, that the process may not use
    SEEN = enum.auto()  # something is there
    USED = enum.auto()  # its content, or its entries, were there to be read
    RUN = enum.auto()  # it was executed
    STARTED = enum.auto()  # it was executed as the first of all: the traced program itself
    OPENED = enum.auto()  # it was opened, and made if it was not there
    WRITTEN = enum.auto()  # it was opened to be written alone
    LOGGED = enum.auto()  # the same, and it was made if it was not there
    EMPTIED = enum.auto()  # it was emptied, or made
    EMPTY = enum.auto()  # it is a file without content
    FILLED = enum.auto()  # it is a file with content
    MADE = enum.auto()  # it was made, and was not there
    REPLACED = enum.auto()  # it was put there, whatever was there
    REMOVED = enum.auto()  # it was there, and is no more
    AWAY = enum.auto()  # it was there, and is at hand by another name
    BACK = enum.auto()  # it is there again
    HIDDEN = enum.auto()  # it lies on a file system that the run has mounted


def told(call: bytes, rest: bytes, error: bytes | None) -> Iterator[Kind]:
    """Tell what a call says about the only path that it names, in the order of time.

    ``rest`` are the arguments that follow the path, as strace writes them.
    """
    if error:
        yield from _failed(call, error)
    elif call in OPENS:
        yield from _opened(call, rest)
    elif call in RUNS:
        yield Kind.RUN
    elif call in _MAKERS:
        yield Kind.MADE
    elif call in _REMOVERS:
        yield Kind.REMOVED
    else:
        yield Kind.USED if call in _READERS else Kind.SEEN
        if call in TRUNCATES and rest.lstrip(b", ") == b"0":
            yield Kind.EMPTIED
        elif b"_size=0," in rest and b"S_IFREG" in rest:
            yield Kind.EMPTY


def _failed(call: bytes, error: bytes) -> Iterator[Kind]:
    if error == b"ENOENT":
        # A script is there whose interpreter is not.
        if call not in RUNS:
            yield Kind.ABSENT
    elif error == b"EACCES":
        yield Kind.DENIED
    elif error in _THERE or (error == b"EINVAL" and call in READLINKS):
        yield Kind.SEEN


_OPENED = {
    (False, False): Kind.USED,
    (False, True): Kind.OPENED,
    (True, False): Kind.WRITTEN,
    (True, True): Kind.LOGGED,
}
"""By whether it can only be written, and whether it is made."""


def _opened(call: bytes, rest: bytes) -> Iterator[Kind]:
    creates = call == b"creat" or b"O_CREAT" in rest
    if b"TMPFILE" in rest:  # a file without a name, in the directory that the path names
        yield Kind.SEEN
    elif creates and b"O_EXCL" in rest:
        yield Kind.MADE
    elif call == b"creat" or b"O_TRUNC" in rest:
        if not creates:
            yield Kind.SEEN
        yield Kind.EMPTIED
    else:
        yield _OPENED[b"O_WRONLY" in rest, creates]


def makes(call: bytes, rest: bytes, error: bytes | None) -> bool:
    """Tell whether a call has made its path, or could have: the directory it lies in is there."""
    if error and not (error == b"EACCES" or error in _THERE):
        return False
    if call in OPENS:
        return call == b"creat" or b"O_CREAT" in rest
    return call in _MAKERS or call in TO_SECOND


def told_of_second(call: bytes, rest: bytes, error: bytes | None) -> Kind:
    """Tell what a call that makes its second path says about that."""
    if error or b"RENAME_EXCHANGE" in rest:
        return Kind.SEEN
    return Kind.REPLACED if b"rename" in call and b"NOREPLACE" not in rest else Kind.MADE


def writes(rest: bytes) -> bool:
    """Tell whether a file was opened to be written."""
    return b"O_WRONLY" in rest or b"O_RDWR" in rest

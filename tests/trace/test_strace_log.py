"""strace's log, read line by line."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicpak.trace.calls import Kind
from magicpak.trace.strace_log import Access, parse
from magicpak.trace.syntax import unescape


def hexed(name: bytes) -> bytes:
    """Write a name as strace -xx does."""
    return b"".join(b"\\x%02x" % byte for byte in name)


def escaped(name: bytes) -> bytes:
    """Write a name as strace does without -xx: octal, C escapes, and <> for descriptors."""
    named = {0x5C: b"\\\\", 0x22: b'\\"', 0x0A: b"\\n", 0x09: b"\\t", 0x0D: b"\\r"}
    plain = range(0x20, 0x7F)

    def one(at: int) -> bytes:
        byte = name[at]
        if byte in named:
            return named[byte]
        if byte in plain and byte not in b"<>":
            return bytes((byte,))
        # Octal is as short as it may be before the next character.
        digit_follows = at + 1 < len(name) and name[at + 1] in b"01234567"
        return b"\\%03o" % byte if digit_follows else b"\\%o" % byte

    return b"".join(one(at) for at in range(len(name)))


def paths(log: str | bytes, cwd: str = "/w") -> list[str]:
    """Return the paths at which something was."""
    data = log.encode() if isinstance(log, str) else log
    accesses = parse(data.split(b"\n"), cwd)
    return [one.path for one in accesses if one.kind not in (Kind.ABSENT, Kind.DENIED)]


def kinds(log: str) -> list[Kind]:
    return [access.kind for access in parse(log.encode().split(b"\n"), "/w")]


def test_a_path_is_joined_with_the_directory_that_the_kernel_gives() -> None:
    log = (
        'openat(AT_FDCWD</a>, "b", O_RDONLY) = 3</a/b>\n'
        'openat(7</d>, "e", O_RDONLY) = 3</d/e>\n'
        'openat(7</d>, "/abs", O_RDONLY) = 3</abs>\n'
        'newfstatat(AT_FDCWD</h>, "x", {st_mode=S_IFREG|0644, ...}, 0) = 0\n'
    )
    assert paths(log) == ["/a/b", "/d/e", "/abs", "/h/x"]


def test_a_log_without_directories_is_followed_by_chdir() -> None:
    log = (
        '10 openat(AT_FDCWD, "one", O_RDONLY) = 3\n'
        '10 chdir("sub") = 0\n'
        '10 access("two", R_OK) = 0\n'
        "10 fchdir(4</other>) = 0\n"
        '10 stat("three", {st_mode=S_IFREG|0644, st_size=1, ...}) = 0\n'
    )
    assert paths(log) == ["/w/one", "/w/sub", "/w/sub/two", "/other", "/other/three"]


def test_a_descriptor_without_a_path_tells_nothing_about_a_relative_path() -> None:
    assert paths('openat(5, "x", O_RDONLY) = 3\n') == []
    assert paths('openat(5, "/x", O_RDONLY) = 3\n') == ["/x"]


def test_a_child_inherits_the_directory_and_a_thread_shares_it() -> None:
    log = (
        '1 chdir("/p") = 0\n'
        "1 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = 2\n"
        "1 clone3({flags=CLONE_VM|CLONE_FS, ...} => {parent_tid=[3]}, 88) = 3\n"
        '3 chdir("/t") = 0\n'
        '1 access("parent", R_OK) = 0\n'
        '2 access("child", R_OK) = 0\n'
    )
    assert paths(log) == ["/p", "/t", "/t/parent", "/p/child"]


def test_a_child_may_run_before_its_clone_returns() -> None:
    log = (
        '1 chdir("/p") = 0\n'
        "1 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD <unfinished ...>\n"
        '2 access("child", R_OK) = 0\n'
        '2 chdir("/c") = 0\n'
        "1 <... clone resumed>, child_tidptr=0x7f) = 2\n"
        '2 access("child", R_OK) = 0\n'
        '1 access("parent", R_OK) = 0\n'
    )
    assert paths(log) == ["/p", "/p/child", "/c", "/c/child", "/p/parent"]


def test_a_process_id_that_comes_again_is_another_process() -> None:
    log = (
        "1 fork() = 2\n"
        '2 chdir("/old") = 0\n'
        "2 +++ exited with 0 +++\n"
        '1 chdir("/new") = 0\n'
        "1 fork() = 2\n"
        '2 access("x", R_OK) = 0\n'
    )
    assert paths(log)[-1] == "/new/x"


def test_an_interrupted_call_is_joined_with_its_end() -> None:
    log = (
        '1 openat(AT_FDCWD</w>, "a", O_RDONLY <unfinished ...>\n'
        '2 openat(AT_FDCWD</w>, "b", O_RDONLY <unfinished ...>\n'
        "1 <... openat resumed>) = 3</w/a>\n"
        "2 <... openat resumed>) = -1 ENOENT (No such file or directory)\n"
        '1 newfstatat(AT_FDCWD</w>, "c",  <unfinished ...>\n'
        "1 <... newfstatat resumed>{st_mode=S_IFREG|0644, st_size=1, ...}, 0) = 0\n"
    )
    assert paths(log) == ["/w/a", "/w/c"]


@pytest.mark.parametrize(
    "line",
    [
        'open("/x", O_RDONLY) = -1 ENOENT (No such file or directory)',
        'open("/x", O_RDONLY) = ?',
        'open("/x", O_RDONLY) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)',
        "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=2} ---",
        "+++ exited with 0 +++",
        "strace: Process 12 attached",
        "",
        'open("/cut"..., O_RDONLY) = 3',
        'open("", O_RDONLY) = 3',
        'open("/x) = 3", O_RDONLY) = -1 ENOENT (No such file or directory)',
        'open("/x) = 3</x>", O_RDONLY) = -1 EACCES (Permission denied)',
        'openat(AT_FDCWD</w>, "/dev/nosuch", O_RDONLY) = 3<socket:[7]>',
    ],
)
def test_only_successful_calls_count(line: str) -> None:
    assert paths(f"7 {line}\n") == []


def test_a_thread_that_executes_a_program_becomes_the_process() -> None:
    log = """7 execve("/app", ["/app"], 0x0 /* 1 var */) = 0
7 clone3({flags=CLONE_VM|CLONE_FS|CLONE_THREAD}, 88) = 8
8 chdir("/w") = 0
8 execve("tool", ["tool"], 0x0 /* 1 var */ <pid changed to 7 ...>
7 +++ superseded by execve in pid 8 +++
7 <... execve resumed>) = END
7 open("x", O_RDONLY) = 3
"""
    for end in ("0", "-1 (errno 18446744073709551359)"):  # strace 6.1 --seccomp-bpf
        assert paths(log.replace("END", end)) == ["/app", "/w", "/w/tool", "/w/x"]


@pytest.mark.parametrize(
    "line",
    [
        '7  open("/x", O_RDONLY) = 3</x>',
        '7<sh> open("/x", O_RDONLY) = 3</x>',
        '[pid     7] open("/x", O_RDONLY) = 3</x>',
        'open("/x", O_RDONLY) = 3',
        '7 12:13:14.5678 open("/x", O_RDONLY) = 3 <0.000123>',
        '7 1700000000.123456 open("/x", O_RDONLY)       = 3</x>',
        '7 open("/x", O_RDONLY) = 3</x>(deleted)',
        '7 openat(AT_FDCWD</dev/pts<char 1:2>>, "/x", O_RDONLY) = 3</x<char 1:3>>',
        '7 readlink("/x", "y) = -1 ENOENT (", 99) = 5',
        '7 [ 257] [00007f6ebba2fad7] open("/x", O_RDONLY) = 3',
        '7 12:13:14 (+     0.000123) open("/x", O_RDONLY) = 3',
        '7      0.000123 [????????????????] open("/x", O_RDONLY) = 3',
        '7 open("\\x2f\\x78", O_RDONLY) = 3<\\x2f\\x78>',
        '7 open("\\57x", O_RDONLY) = 3',
        '7 openat2(5</w>, "/x", {flags=O_RDONLY, resolve=RESOLVE_NO_SYMLINKS}, 24) = 3</x>',
    ],
)
def test_every_way_to_write_a_line_is_read(line: str) -> None:
    assert paths(line + "\n") == ["/x"]


def test_openat2_in_root_starts_absolute_paths_at_the_descriptor() -> None:
    log = 'openat2(5</r>, "/x", {flags=O_RDONLY, resolve=RESOLVE_IN_ROOT}, 24) = 3</r/x>\n'
    assert paths(log) == ["/r/x"]


def test_absolute_paths_after_chroot_are_below_the_new_root() -> None:
    log = 'chroot("/jail") = 0\nchdir("/") = 0\nopen("/etc/x", O_RDONLY) = 3</jail/etc/x>\n'
    assert paths(log) == ["/jail", "/jail/etc/x"]


def test_paths_in_another_mount_root_are_not_the_hosts() -> None:
    log = 'pivot_root(".", "old") = 0\nopen("/etc/passwd", O_RDONLY) = 3</etc/passwd>\n'
    assert paths(log) == []


def test_dot_dot_stays_because_of_links() -> None:
    assert paths('open("/a//link/./../b/", O_RDONLY) = 3\n') == ["/a/link/../b"]


def test_the_file_behind_a_descriptor_in_proc_is_what_was_opened() -> None:
    assert paths('open("/proc/self/fd/9", O_RDONLY) = 3</usr/bin/x>\n') == ["/usr/bin/x"]


def test_a_program_that_opens_itself_is_known_by_its_execution() -> None:
    """As upx-packed ones do: a relative input has no business at its absolute path."""
    log = 'execve("./app", [], 0x0) = 0\nopen("/proc/self/exe", O_RDONLY) = 3</w/app>\n'
    assert paths(log) == ["/w/app"]
    assert kinds(log) == [Kind.STARTED]


def test_the_first_program_is_the_traced_one() -> None:
    log = (
        '1 execve("./app", ["./app"], 0x7ffd /* 3 vars */) = 0\n'
        '1 execve("/bin/sh", ["sh", "-c", "x = 1"], 0x7ffd /* 3 vars */) = 0\n'
        '1 execveat(3</bin/true>, "", ["true"], 0x7ffd, AT_EMPTY_PATH) = 0\n'
    )
    assert parse(log.encode().split(b"\n"), "/w") == (
        Access("/w/app", Kind.STARTED),
        Access("/bin/sh", Kind.RUN),
        Access("/bin/true", Kind.RUN),
    )


names = st.binary(min_size=1, max_size=40).filter(
    lambda name: b"\0" not in name and b"/" not in name and name not in (b".", b"..")
)


@given(names)
def test_every_name_survives_both_ways_of_strace_to_write_it(name: bytes) -> None:
    for write in (hexed, escaped):
        line = b'openat(AT_FDCWD<%s>, "%s", O_RDONLY) = 3<%s>\n' % (
            (write(b"/" + name), write(name), write(b"/" + name + b"/" + name))
        )
        assert unescape(write(name)) == name
        assert paths(line) == [os.fsdecode(b"/" + name + b"/" + name)]


@given(st.binary(max_size=200))
def test_a_damaged_log_is_no_error(data: bytes) -> None:
    paths(data)
    paths(b'1 openat(AT_FDCWD</w>, "' + data)


CACHE = "/etc/ld.so.cache"
OPENS = f'openat(AT_FDCWD</w>, "{CACHE}", O_RDONLY|O_CLOEXEC) = 3<{CACHE}>'
STATS = f'newfstatat(3<{CACHE}>, "", {{st_mode=S_IFREG|0644, st_size=9, ...}}, AT_EMPTY_PATH) = 0'


@pytest.mark.parametrize(
    "following",
    [
        'openat(AT_FDCWD</w>, "/lib/libc.so.6", O_RDONLY|O_CLOEXEC) = 3</lib/libc.so.6>',
        'openat(AT_FDCWD</a "x">, "/lib/x.so", O_RDONLY) = -1 ENOENT (No such file or directory)',
        'openat(AT_FDCWD, "/lib/libc.so.6", O_RDONLY|O_CLOEXEC <unfinished ...>',
        'openat(AT_FDCWD, "\\x2f\\x6c\\x2e\\x73\\x6f", O_RDONLY) = 3',
    ],
    ids=["found", "missed", "interrupted", "in hexadecimal"],
)
def test_a_cache_that_the_loader_opens_says_nothing_of_its_program(following: str) -> None:
    log = f"10 {OPENS}\n11 access(\"/other\", R_OK) = 0\n10 {STATS}\n10 {following}\n"
    assert CACHE not in paths(log)


@pytest.mark.parametrize(
    "following",
    [
        'openat(AT_FDCWD</w>, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3</etc/passwd>',
        "+++ exited with 0 +++",
        "",
    ],
    ids=["goes on", "ends", "is all"],
)
def test_a_cache_that_a_program_opens_is_an_access(following: str) -> None:
    log = f"10 {OPENS}\n11 access(\"/a.so\", R_OK) = 0\n10 {STATS}\n10 {following}\n"
    assert Access(CACHE, Kind.USED) in parse(log.encode().split(b"\n"), "/w")


@pytest.mark.parametrize(
    "call", [f'openat(AT_FDCWD, "{CACHE}", O_RDONLY) = 3', f'access("{CACHE}", R_OK) = 0']
)
def test_a_cache_is_used_where_no_loader_would_do_so(call: str) -> None:
    after = '10 openat(AT_FDCWD, "/lib/libc.so.6", O_RDONLY|O_CLOEXEC) = 3'
    assert paths(f"10 {call}\n{after}\n") == [CACHE, "/lib/libc.so.6"]

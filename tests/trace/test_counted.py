"""Which processes of a log count, where only some programs are asked for."""

from __future__ import annotations

from magicpak.trace.calls import Kind
from magicpak.trace.strace_log import parse
from magicpak.trace.touched import sift


def counted(log: str, *programs: str) -> list[str]:
    """Return the paths that count in a log of a shell that starts programs."""
    start = '1 execve("/bin/sh", [], 0x0) = 0\n'
    accesses = parse((start + log).encode().split(b"\n"), "/w", set(programs).__contains__)
    assert accesses[0].kind is Kind.STARTED
    return [access.path for access in accesses if access.counts]


def test_a_program_counts_from_its_execution_on_and_its_shell_and_tools_do_not() -> None:
    log = """\
1 open("/shell", O_RDONLY) = 3
1 clone(child_stack=NULL) = 2
2 open("/before", O_RDONLY) = 3
2 execve("/app", [], 0x0) = 0
2 open("/app-file", O_RDONLY) = 3
1 clone(child_stack=NULL) = 3
3 execve("/bin/mkdir", [], 0x0) = 0
3 open("/tool-file", O_RDONLY) = 3
1 open("/shell-again", O_RDONLY) = 3
"""
    assert counted(log, "/app") == ["/app-file"]


def test_what_a_program_starts_counts_whatever_it_is() -> None:
    log = """\
1 clone(child_stack=NULL) = 2
2 execve("/app", [], 0x0) = 0
2 clone(child_stack=NULL) = 3
3 open("/forked", O_RDONLY) = 3
3 execve("/bin/cat", [], 0x0) = 0
3 open("/helper-file", O_RDONLY) = 3
3 clone3({flags=CLONE_VM|CLONE_FS|CLONE_THREAD}) = 4
4 open("/thread-file", O_RDONLY) = 3
"""
    expected = ["/forked", "/bin/cat", "/helper-file", "/thread-file"]
    assert counted(log, "/app") == expected


def test_a_process_that_a_tool_turns_into_a_program_counts_from_then_on() -> None:
    log = """\
1 vfork() = 2
2 execve("/usr/bin/env", [], 0x0) = 0
2 open("/of-env", O_RDONLY) = 3
2 execve("/app", [], 0x0) = 0
2 open("/of-app", O_RDONLY) = 3
"""
    assert counted(log, "/app") == ["/of-app"]


def test_the_shell_itself_counts_only_where_a_program_executes_one() -> None:
    log = """\
1 open("/shell", O_RDONLY) = 3
1 clone(child_stack=NULL) = 2
2 execve("/app", [], 0x0) = 0
2 execve("/bin/sh", [], 0x0) = 0
2 open("/of-its-shell", O_RDONLY) = 3
1 execve("/app", [], 0x0) = 0
1 open("/of-app", O_RDONLY) = 3
"""
    assert counted(log, "/app") == ["/bin/sh", "/of-its-shell", "/of-app"]


def test_a_process_id_that_comes_again_is_another_process() -> None:
    log = """\
1 clone(child_stack=NULL) = 2
2 execve("/app", [], 0x0) = 0
2 +++ exited with 0 +++
1 clone(child_stack=NULL) = 2
2 open("/of-the-shell", O_RDONLY) = 3
"""
    assert counted(log, "/app") == []


def test_all_count_where_nothing_is_asked_for() -> None:
    accesses = parse([b'1 execve("/a", [], 0x0) = 0', b'1 open("/b", O_RDONLY) = 3'], "/w")
    assert [access.counts for access in accesses] == [True, True]


def test_what_a_tool_made_is_made_by_the_run_also_for_a_program_that_uses_it() -> None:
    log = """\
1 execve("/bin/sh", [], 0x0) = 0
1 openat(AT_FDCWD, "/etc/passwd", O_WRONLY|O_CREAT|O_TRUNC) = 3
2 execve("/app", [], 0x0) = 0
2 open("/etc/passwd", O_RDONLY) = 3
2 open("/etc/group", O_RDONLY) = 3
"""
    accesses = parse(log.encode().split(b"\n"), "/w", {"/app"}.__contains__)
    assert [one.path for one in sift(accesses) if one.bundled] == ["/etc/group"]

"""What each system call tells about its paths, by its flags and its result."""

from __future__ import annotations

import pytest

from magicpak.trace.strace_log import parse

REG = "{st_mode=S_IFREG|0644, st_size=%d, ...}"


def told(*lines: str) -> list[tuple[str, str]]:
    """Return the paths and kinds of a log, of a program started in /w."""
    accesses = parse([line.encode() for line in lines], "/w")
    return [(path, kind.name) for path, kind, _ in accesses]


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ('open("/d/f", O_RDONLY) = 3', ["USED"]),
        ('open("/d/f", O_RDWR) = 3', ["USED"]),
        ('open("/d/f", O_WRONLY|O_APPEND) = 3', ["WRITTEN"]),
        ('open_by_handle_at(5</d>, {handle_bytes=8}, O_RDONLY) = 3</d/f>', ["USED"]),
        ('open_by_handle_at(5</d>, {handle_bytes=8}, O_WRONLY) = 3</d/f>', ["WRITTEN"]),
        ('open("/d/f", O_RDWR|O_TRUNC) = 3', ["SEEN", "EMPTIED"]),
        ('open("/d/f", O_RDWR|O_CLOEXEC|O_TMPFILE, 0600) = 3</d/f/#12>(deleted)', ["SEEN"]),
        ('open("/d/f", O_RDWR|O_TRUNC|O_TMPFILE, 0600) = 3</d/f/#12>(deleted)', ["SEEN"]),
        ('readlink("/d/f", "x", 99) = 1', ["USED"]),
        ('execve("/d/f", [], 0x0) = 0', ["RUN"]),
        ('access("/d/f", R_OK) = 0', ["SEEN"]),
        (f'stat("/d/f", {REG % 7}) = 0', ["SEEN"]),
        (f'stat("/d/f", {REG % 0}) = 0', ["SEEN", "EMPTY"]),
        ('stat("/d/f", {st_mode=S_IFDIR|0755, st_size=0, ...}) = 0', ["SEEN"]),
        ('truncate("/d/f", 0) = 0', ["SEEN", "EMPTIED"]),
        ('truncate("/d/f", 10) = 0', ["SEEN"]),
        ('unlink("/d/f") = 0', ["REMOVED"]),
        ('rmdir("/d/f") = 0', ["REMOVED"]),
        ('chown("/d/f", 33, 33) = 0', ["SEEN"]),
        ('lsetxattr("/d/f", "user.a", "b", 1, 0) = 0', ["SEEN"]),
        ('inotify_add_watch(4</w/x>, "/d/f", IN_CREATE) = 1', ["SEEN"]),
    ],
)
def test_a_successful_call_tells_what_was_there(line: str, kinds: list[str]) -> None:
    log = ('execve("/app", [], 0x0) = 0', line)
    assert told(*log)[1:] == [("/d/f", kind) for kind in kinds]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('open("/d/f", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3', "EMPTIED"),
        ('open("/d/f", O_RDWR|O_CREAT|O_EXCL, 0600) = 3', "MADE"),
        ('open("/d/f", O_RDWR|O_CREAT, 0600) = 3', "OPENED"),
        ('open("/d/f", O_WRONLY|O_CREAT|O_APPEND, 0600) = 3', "LOGGED"),
        ('openat2(5</w>, "/d/f", {flags=O_RDWR|O_CREAT, mode=0600}, 24) = 3', "OPENED"),
        ('creat("/d/f", 0666) = 3', "EMPTIED"),
        ('mkdir("/d/f", 0777) = 0', "MADE"),
        ('mknod("/d/f", S_IFIFO|0600) = 0', "MADE"),
        ('symlink("/target", "/d/f") = 0', "MADE"),
        ('symlinkat("/target", 5</d>, "f") = 0', "MADE"),
        ('bind(3<socket:[9]>, {sa_family=AF_UNIX, sun_path="/d/f"}, 7) = 0', "MADE"),
    ],
)
def test_a_call_that_may_make_a_file_shows_its_directory(line: str, kind: str) -> None:
    assert told(line) == [("/d/f", kind), ("/d", "SEEN")]


@pytest.mark.parametrize("call", ["rename", "link"])
def test_a_call_with_two_paths_shows_the_first_and_both_directories(call: str) -> None:
    kind = "REPLACED" if call == "rename" else "MADE"
    away = [("/a/x", "AWAY")] if call == "rename" else []
    expected = [("/a/x", "SEEN"), ("/b/y", kind), *away, ("/b", "SEEN")]
    assert told(f'{call}("/a/x", "/b/y") = 0') == expected
    failed = [("/a/x", "SEEN"), ("/b/y", "SEEN"), ("/b", "SEEN")]
    assert told(f'{call}("/a/x", "/b/y") = -1 EEXIST (File exists)') == failed
    assert told(f'{call}("/a/x", "/b/y") = -1 ENOENT (No such file or directory)') == []


def test_a_rename_that_replaces_nothing_makes_and_an_exchange_does_not() -> None:
    line = 'renameat2(AT_FDCWD</w>, "x", AT_FDCWD</v>, "y", RENAME_%s) = 0'
    assert told(line % "NOREPLACE")[1] == ("/v/y", "MADE")
    assert told(line % "EXCHANGE")[1] == ("/v/y", "SEEN")


@pytest.mark.parametrize(
    "line",
    [
        'mkdir("/d/f", 0777) = -1 EEXIST (File exists)',
        'mknod("/d/f", S_IFIFO|0600) = -1 EEXIST (File exists)',
        'open("/d/f", O_RDWR|O_CREAT|O_EXCL, 0600) = -1 EEXIST (File exists)',
        'bind(3<socket:[9]>, {sa_family=AF_UNIX, sun_path="/d/f"}, 7) = -1 EADDRINUSE (Address '
        "already in use)",
    ],
)
def test_a_call_that_finds_its_path_taken_shows_it_and_its_directory(line: str) -> None:
    assert told(line) == [("/d/f", "SEEN"), ("/d", "SEEN")]


@pytest.mark.parametrize(
    "line",
    [
        'readlink("/d/f", 0x7ffd, 1023) = -1 EINVAL (Invalid argument)',
        'readlinkat(AT_FDCWD</w>, "/d/f", 0x7ffd, 1023) = -1 EINVAL (Invalid argument)',
        'open("/d/f", O_WRONLY) = -1 EISDIR (Is a directory)',
        'open("/d/f", O_RDONLY|O_DIRECTORY) = -1 ENOTDIR (Not a directory)',
        'open("/d/f", O_RDONLY|O_NOFOLLOW) = -1 ELOOP (Too many levels of symbolic links)',
        'open("/d/f", O_RDWR) = -1 EROFS (Read-only file system)',
        'open("/d/f", O_RDWR) = -1 ETXTBSY (Text file busy)',
        'rmdir("/d/f") = -1 ENOTEMPTY (Directory not empty)',
        'unlink("/d/f") = -1 EISDIR (Is a directory)',
        'chmod("/d/f", 0700) = -1 EPERM (Operation not permitted)',
        'getxattr("/d/f", "user.x", 0x7ffd, 9) = -1 ENODATA (No data available)',
        'getxattr("/d/f", "user.x", 0x7ffd, 9) = -1 EOPNOTSUPP (Operation not supported) <0.00003>',
    ],
)
def test_an_error_can_prove_that_something_is_there(line: str) -> None:
    assert told(line) == [("/d/f", "SEEN")]


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ('open("/d/f", O_RDONLY) = -1 ENOENT (No such file or directory)', ["ABSENT"]),
        ('stat("/d/f", 0x7ffd) = -1 ENOENT (No such file or directory)', ["ABSENT"]),
        ('mkdir("/d/f", 0700) = -1 ENOENT (No such file or directory)', ["ABSENT"]),
        ('execve("/d/f", [], 0x0) = -1 ENOENT (No such file or directory)', []),
        ('open("/d/f", O_RDONLY) = -1 EACCES (Permission denied)', ["DENIED"]),
        ('open("/d/f", O_RDONLY) = -1 EMFILE (Too many open files)', []),
        ('stat("/d/f", 0x7ffd) = -1 EINVAL (Invalid argument)', []),
        ('chroot("/d/f") = -1 EPERM (Operation not permitted)', []),
        ('bind(3, {sa_family=AF_UNIX, sun_path=@"/d/f"}, 7) = 0', []),
        ('bind(3, {sa_family=AF_INET, sin_port=htons(80)}, 16) = 0', []),
    ],
)
def test_other_errors_prove_no_more_than_they_say(line: str, kinds: list[str]) -> None:
    assert told(line) == [("/d/f", kind) for kind in kinds]


def test_a_directory_that_the_program_went_to_is_its_choice_and_that_of_the_start_is_not() -> None:
    create = 'openat(AT_FDCWD<%s>, "%s", O_WRONLY|O_CREAT, 0666) = 3'
    assert told(create % ("/w", "out")) == [("/w/out", "LOGGED")]
    assert told(create % ("/elsewhere", "out")) == [("/elsewhere/out", "LOGGED")]  # the log's start
    assert told(create % ("/w", "sub/out"))[1] == ("/w/sub", "SEEN")
    assert told(create % ("/w", "/w/out"))[1] == ("/w", "SEEN")
    assert told('chdir("/v") = 0', create % ("/v", "out"))[2] == ("/v", "SEEN")
    assert told('chdir("/v") = 0', 'mkdir("out", 0777) = 0')[2] == ("/v", "SEEN")
    bind = 'bind(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="s"}, 7) = 0'
    assert told("fchdir(3</v>) = 0", bind)[1:] == [("/v/s", "MADE"), ("/v", "SEEN")]


@pytest.mark.parametrize(("size", "kind"), [(0, "EMPTY"), (4096, "FILLED")])
def test_the_size_after_an_open_tells_of_the_content(size: int, kind: str) -> None:
    opened = 'open("/f", O_RDWR|O_CREAT, 0600) = 3</f>'
    asked = f'newfstatat(3</f>, "", {REG % size}, AT_EMPTY_PATH) = 0'
    later = f'fstat(3</f>, {REG % 9}) = 0'
    assert told(opened, asked, later) == [("/f", "OPENED"), ("/", "SEEN"), ("/f", kind)]


@pytest.mark.parametrize(("length", "kinds"), [("0", ["EMPTIED"]), ("10", [])])
def test_a_file_is_emptied_by_its_descriptor_too(length: str, kinds: list[str]) -> None:
    assert told(f"ftruncate(3</f>, {length}) = 0") == [("/f", kind) for kind in kinds]


@pytest.mark.parametrize("stat", ["stat(", "newfstatat(AT_FDCWD</w>, "])
@pytest.mark.parametrize("mode", ["S_IFDIR|0755", "S_IFREG|0644"])
def test_where_the_loader_looks_in_vain_is_no_use_of_what_it_hits(stat: str, mode: str) -> None:
    """It asks for each directory once, after the first library that is not in it."""
    place = "/app/x86_64"
    missed = f'openat(AT_FDCWD</w>, "{place}/libx.so.1", O_RDONLY|O_CLOEXEC) = -1 %s'
    probe = f'{stat}"{place}", {{st_mode={mode}, st_size=9, ...}}, 0) = 0'
    for error in ("ENOENT (No such file or directory)", "ENOTDIR (Not a directory)"):
        assert (place, "SEEN") not in told(missed % error, probe)
    other = f'7 access("{place}", R_OK) = 0'
    assert (place, "SEEN") in told(missed % "ENOENT (No such file)", other)
    assert (place, "SEEN") in told(missed % "ENOENT (No such file)", probe, probe)



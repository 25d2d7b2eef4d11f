"""A log that is damaged anywhere is read, or is an error: never a traceback, never for long."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from magicpak import trace
from magicpak.errors import MagicpakError
from magicpak.host.sysroot import Sysroot
from magicpak.options import Options
from magicpak.pipeline import pack
from magicpak.trace import Touched
from support.packing import write
from support.traces import files

REG = b"{st_mode=S_IFREG|0644, st_size=0, ...}"
LINES = [
    b'1 execve("/bin/app", ["app"], 0x7ffd /* 9 vars */) = 0',
    b'1 openat(AT_FDCWD</srv>, "data", O_RDONLY|O_CLOEXEC) = 3</srv/data>',
    b'1 openat(AT_FDCWD, "\\x2f\\x73\\x72\\x76\\x2f\\x64\\x61\\x74\\x61", O_RDONLY) = 3',
    b'1 open("/srv/link", O_RDWR|O_CREAT, 0666) = 4</srv/data>',
    b'1 openat(4</srv>, "log", O_WRONLY|O_CREAT|O_APPEND, 0666) = 5</srv/log>(deleted)',
    b'1 newfstatat(5</srv/log>, "", ' + REG + b", AT_EMPTY_PATH) = 0",
    b'1 stat("/srv/../srv/loop/x", ' + REG + b") = -1 ELOOP (Too many levels of links)",
    b'1 open("/srv/none", O_RDONLY) = -1 ENOENT (No such file or directory)',
    b'1 open("/srv/closed", O_RDONLY) = -1 EACCES (Permission denied)',
    b'1 readlink("/proc/self/exe", "/bin/app", 4095) = 8',
    b'1 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f) = 2',
    b'2 clone3({flags=CLONE_VM|CLONE_FS|CLONE_NEWNS, stack=0x7f, ...}, 88 <unfinished ...>',
    b'2 <... clone3 resumed> => {parent_tid=[3]}, 88) = 3',
    b'3 execve("/srv/script", ["script"], 0x7ffd <unfinished ...>',
    b'3 <... execve resumed>) = 0',
    b'3 execve("/srv/script", [], 0x7ffd <pid changed to 2 ...>',
    b'2 chdir("sub/..") = 0',
    b'2 fchdir(4</srv>) = 0',
    b'2 chroot("/srv") = 0',
    b'2 rename("/srv/data", "/srv/other") = 0',
    b'2 renameat2(AT_FDCWD</srv>, "other", 4</srv>, "data", RENAME_EXCHANGE) = 0',
    b'2 link("/srv/data", "/srv/second") = 0',
    b'2 symlinkat("/srv/x", 4</srv>, "third") = 0',
    b'2 unlink("/srv/second") = 0',
    b'2 mount("/srv", "/mnt", 0x0, MS_BIND|MS_REC, NULL) = 0',
    b'2 open_tree(AT_FDCWD, "/srv", OPEN_TREE_CLONE) = 6</srv>',
    b'2 move_mount(6</srv>, "", AT_FDCWD, "/opt", MOVE_MOUNT_F_EMPTY_PATH) = 0',
    b'2 umount2("/mnt", MNT_DETACH) = 0',
    b'2 unshare(CLONE_NEWNS|CLONE_FS) = 0',
    b'2 setns(7</proc/9/ns/mnt>, CLONE_NEWNS) = 0',
    b'2 bind(3<socket:[99]>, {sa_family=AF_UNIX, sun_path="/srv/sock"}, 110) = 0',
    b'2 open_by_handle_at(4</srv>, {handle_bytes=8, f_handle=0x1}, O_RDONLY) = 7</srv/data>',
    b'2 openat2(4</srv>, "data", {flags=O_RDONLY, resolve=RESOLVE_IN_ROOT}, 24) = 8</srv/data>',
    b'2 execveat(8</srv/script>, "", [], 0x7ff, AT_EMPTY_PATH) = 0',
    b'2 ftruncate(5</srv/log>, 0) = 0',
    b'2 inotify_add_watch(9<anon_inode:inotify>, "/srv", IN_CREATE) = 1',
    b'2 mkdir("/srv/new", 0777) = -1 EEXIST (File exists)',
    b'2 openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3',
    b'[pid     2] 12:00:01 access("/srv/data", R_OK) = 0 <0.000012>',
    b'--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=2} ---',
    b'2 +++ exited with 0 +++',
    b'1 exit_group(0) = ?',
    b'1 +++ exited with 0 +++',
]  # fmt: skip
"""A log with a line of each kind that is read."""

PIECES = [
    *(b"\0", b"\\x00", b"\\0", b"\\", b'"', b'"...', b"<", b">", b"<>", b"(", b")", b" = ", b"\n"),
    *(b"\r", b"\xff", b"\xed\xa0\x80", b"\\xff", b"\\777", b"\\x", b"..", b"/", b"//", b"/../"),
    *(b"99999999999999999999", b"-1", b"?", b" <unfinished ...>", b"<... ", b" resumed>", b"1 "),
    *(b"a" * 5000, b"/a" * 3000, b"(" * 300, b" => " * 300, b"[pid ", b"AT_FDCWD", b"CLONE_FS"),
    *(b"<\\0>", b"</\0>", b"</srv/\\x00>", b"3</srv/\xff>", "é\u2028".encode()),
]


def damaged(chance: random.Random) -> bytes:
    """Damage a log in a few places: bytes, pieces, lines, its end."""
    lines = chance.sample(LINES, chance.randint(1, 12)) + LINES[-1:]
    data = bytearray(b"\n".join(lines) + b"\n")
    for _ in range(chance.randint(1, 8)):
        at, length = chance.randrange(len(data) + 1), chance.randint(0, 12)
        how = chance.randrange(4)
        if how == 0:
            data[at : at + length] = chance.choice(PIECES)
        elif how == 1:
            data[at : at + length] = b""
        elif how == 2:
            data[at : at + 1] = chance.randbytes(chance.randint(1, 4))
        else:
            source = chance.randrange(len(data) + 1)
            data[at:at] = data[source : source + 9 * length]
    if chance.random() < 0.8:  # most are whole
        data += b"\n1 +++ exited with 0 +++\n"
    return bytes(data)


def succeeded(call: Callable[[], object], data: bytes) -> bool:
    """Tell whether a log is taken; if not, it is an error of one line."""
    error: Exception | None = None
    try:
        call()
    except Exception as e:
        error = e
    assert error is None or isinstance(error, MagicpakError), data
    assert "\n" not in str(error)
    return error is None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make what the log is about."""
    root = tmp_path / "root"
    for name in ("data", "log", "closed", "sub/x"):
        write(root / "srv" / name, "x")
    write(root / "srv" / "script", "#!/srv/script\n")
    (root / "srv" / "link").symlink_to("data")
    (root / "srv" / "loop").symlink_to("loop")
    os.mkfifo(root / "srv" / "fifo")
    return root


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_log_is_read_or_is_an_error(tmp_path: Path, root: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    read, slowest = 0, 0.0
    for sysroot in (Sysroot(str(root)), None):
        for _ in range(400):
            data = damaged(chance)
            (tmp_path / "log").write_bytes(data)
            begin = time.process_time()
            log = str(tmp_path / "log")
            read += succeeded(lambda log=log, root=sysroot: trace.read_log(log, "/srv", root), data)
            slowest = max(slowest, time.process_time() - begin)
    assert read > 200  # the damage is not so great that nothing is tried
    assert slowest < 2


@pytest.mark.needs("busybox")
@pytest.mark.parametrize("seed", range(5, 8))
def test_what_a_damaged_log_says_is_bundled_or_is_an_error(
    tmp_path: Path, root: Path, seed: int
) -> None:
    shutil.copy("/bin/busybox", root / "srv" / "app")
    chance = random.Random(seed)  # noqa: S311
    made = 0
    for number in range(40):
        data = damaged(chance)
        (tmp_path / "log").write_bytes(data)
        options = Options(("/srv/app",), tmp_path / f"out{number}", sysroot=str(root),
                          dynamic_log=(tmp_path / "log",), noload_resolver=True)  # fmt: skip
        made += succeeded(lambda options=options: pack(options), data)
    assert made > 10


def ways() -> Iterator[bytes]:
    """Give each line with a NUL at each of its places, as strace writes it and as it is."""
    for line in LINES:
        for at in range(0, len(line), 7):
            for nul in (b"\0", b"\\x00", b"\\0"):
                yield line[:at] + nul + line[at:]


def test_a_nul_anywhere_in_a_line_is_no_path(tmp_path: Path, root: Path) -> None:
    end = b'\n1 openat(AT_FDCWD, "/srv/data", O_RDONLY) = 3\n1 +++ exited with 0 +++\n'

    def read(line: bytes) -> tuple[Touched, ...]:
        (tmp_path / "log").write_bytes(b'1 execve("/srv/app", [], 0x0) = 0\n' + line + end)
        return trace.read_log(str(tmp_path / "log"), "/", Sysroot(str(root)))

    for line in ways():
        found = read(line)
        assert all("\0" not in one.path for one in found), line
    assert files(read(b'1 fchdir(3</srv\\0>) = 0')) == {"/srv/data"}

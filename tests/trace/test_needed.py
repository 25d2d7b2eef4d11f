"""Which directories and files a run shows to be needed, by any call, also one that fails."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from magicpak.trace import Touched, What
from support.traces import HEAD, Compiled, Touch, directories, files, needs_cc

CALLS = {
    "stat": "struct stat s; stat(d, &s)",
    "statfs": "struct statfs s; statfs(d, &s)",
    "access": "access(d, W_OK)",
    "chmod": "chmod(d, 0755)",
    "opendir": "open(d, O_RDONLY | O_DIRECTORY)",
    "open to write": "open(d, O_WRONLY)",
    "O_TMPFILE": "open(d, O_RDWR | O_TRUNC | O_TMPFILE, 0600)",
    "realpath": "char p[4096]; realpath(d, p)",
    "mkdir": "mkdir(d, 0700)",
    "rmdir": "close(open(f, O_CREAT | O_RDWR, 0600)); rmdir(d)",
    "watch": "inotify_add_watch(inotify_init(), d, IN_CREATE)",
    "create and read": "open(f, O_CREAT | O_RDWR, 0600)",
    "create to append": "open(f, O_CREAT | O_WRONLY | O_APPEND, 0600)",
    "create once": "open(f, O_CREAT | O_WRONLY | O_EXCL, 0600)",
    "creat": "creat(f, 0600)",
    "mkdir in it": "mkdir(f, 0700)",
    "mkfifo": "mkfifo(f, 0600)",
    "symlink": 'symlink("x", f)',
    "link": 'link("/proc/self/exe", f); link(v[0], f)',
    "rename": 'strcpy(g, d); strcat(g, "2/a"); open(g, O_CREAT | O_RDWR, 0600); rename(g, f)',
    "bind": "struct sockaddr_un u = { AF_UNIX }; strcpy(u.sun_path, f);"
    "bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *) &u, sizeof u)",
    "chdir, create": 'chdir(d); open("f", O_CREAT | O_RDWR, 0600)',
    "chdir, mkdir": 'chdir(d); mkdir("f", 0700)',
    "chdir, bind": "chdir(d); struct sockaddr_un u = { AF_UNIX }; strcpy(u.sun_path, \"f\");"
    "bind(socket(AF_UNIX, SOCK_DGRAM, 0), (void *) &u, sizeof u)",
    "fchdir, create": 'fchdir(open(d, O_PATH)); creat("f", 0600)',
    "openat": 'openat(open(d, O_PATH), "f", O_CREAT | O_RDWR, 0600)',
    "thread": "pthread_t t; pthread_create(&t, 0, in, f); pthread_join(t, 0)",
}  # fmt: skip


Call = Callable[[str, Path | str], tuple[Touched, ...]]


@pytest.fixture
def call(touch: Touch, compiled: Compiled) -> Call:
    """Run a statement in a traced program, with a directory ``d`` and a path ``f`` in it."""

    def run(statement: str, directory: Path | str) -> tuple[Touched, ...]:
        program = compiled(
            HEAD + "#include <sys/inotify.h>\n#include <sys/socket.h>\n#include <sys/un.h>\n"
            "#include <sys/vfs.h>\nvoid *in(void *f) { creat(f, 0600); return 0; }\n"
            "int main(int c, char **v) { char *d = v[1], f[4096], g[4096];"
            f'strcpy(f, d); strcat(f, "/f"); {statement}; return 0; }}'
        )
        return touch(program, str(directory))

    return run


@needs_cc
@pytest.mark.parametrize("name", CALLS)
def test_a_directory_is_needed_that_any_call_shows_to_be_there(
    call: Call, tmp_path: Path, name: str
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d2").mkdir()
    found = call(CALLS[name], tmp_path / "d")
    assert str(tmp_path / "d") in directories(found)
    assert not any(one.path.startswith(f"{tmp_path}/d/") for one in found if one.bundled)


@needs_cc
@pytest.mark.parametrize("name", ["mkdir", "create and read", "chdir, bind"])
def test_a_directory_that_the_run_makes_is_not_needed(
    call: Call, tmp_path: Path, name: str
) -> None:
    (tmp_path / "up").mkdir()
    found = call(f"mkdir(d, 0700); {CALLS[name]}", tmp_path / "up" / "d")
    assert str(tmp_path / "up") in directories(found)
    assert not any(one.path.startswith(f"{tmp_path}/up/") for one in found if one.bundled)


@pytest.fixture
def room() -> Iterator[Path]:
    """Make a directory of /run, as a package does for its server."""
    path = Path(f"/run/magicpak-test-{os.getpid()}")
    path.mkdir(mode=0o2770)
    yield path
    shutil.rmtree(path)


@needs_cc
@pytest.mark.needs("root")
@pytest.mark.parametrize("name", ["create and read", "bind", "mkdir", "chdir, mkdir", "mkfifo"])
def test_directories_of_run_are_needed_and_what_is_in_them_is_not(
    call: Call, room: Path, name: str
) -> None:
    (room / "other.pid").write_text("1")
    read = 'strcpy(g, d); strcat(g, "/other.pid"); open(g, O_RDONLY)'
    found = call(f"{CALLS[name]}; {read}", room)
    assert str(room) in directories(found)
    assert not any(one.path.startswith(f"{room}/") for one in found if one.bundled)
    assert not any(one.path == "/run/lock" for one in found)


@needs_cc
@pytest.mark.needs("root")
def test_a_directory_of_run_is_needed_along_the_link_that_leads_to_it(
    call: Call, room: Path
) -> None:
    if not os.path.islink("/var/run"):
        pytest.skip("/var/run is no link here")
    found = call(CALLS["bind"], f"/var{room}")
    assert Touched("/var/run", What.LINK) in found
    assert f"/var{room}" in directories(found)


LINKS = ["/dev/stdout", "/dev/stderr", "/proc/self/fd/1", "/dev/null", "hop", "/run/none/log"]


@needs_cc
@pytest.mark.parametrize("target", LINKS)
@pytest.mark.parametrize("how", ["open(d, O_WRONLY | O_CREAT | O_APPEND, 0600)", "access(d, W_OK)"])
def test_a_link_to_what_the_runtime_makes_is_kept_alone(
    call: Call, tmp_path: Path, target: str, how: str
) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "hop").symlink_to("../../../../../../../../../dev/stdout")
    link = tmp_path / "log" / "access.log"
    link.symlink_to(target)
    found = call(how if target != "/run/none/log" else "readlink(d, f, 9)", link)
    links = {one.path for one in found if one.what is What.LINK}
    assert str(link) in links
    assert (str(tmp_path / "log" / "hop") in links) == (target == "hop")
    assert not any(one.path.startswith(("/dev/", "/proc/", "/run/")) for one in found)


@needs_cc
def test_a_link_to_a_file_that_the_run_makes_is_kept_with_the_room_for_it(
    call: Call, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    link = tmp_path / "log"
    link.symlink_to("data/log")
    found = call("open(d, O_WRONLY | O_CREAT, 0600)", link)
    assert Touched(str(link), What.LINK) in found
    assert str(tmp_path / "data") in directories(found)
    assert str(tmp_path / "data" / "log") not in files(found)


@needs_cc
@pytest.mark.needs("root")
def test_what_a_process_may_not_use_is_no_file_that_it_needs(call: Call, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o700)
    (tmp_path / "d" / "f").write_text("x")
    for path in (tmp_path, *tmp_path.parents[:-2]):
        path.chmod(path.stat().st_mode | 0o011)
    found = call("setuid(65534); open(f, O_RDONLY); open(d, O_RDONLY)", tmp_path / "d")
    assert str(tmp_path / "d") in directories(found)
    assert str(tmp_path / "d" / "f") not in files(found)


@needs_cc
def test_what_the_loader_hits_where_it_looks_is_no_need(
    touch: Touch, compiled: Compiled, tmp_path: Path
) -> None:
    """It looks in subdirectories of each place, and asks for those that have not the library."""
    empty = tmp_path / "empty"
    for name in ("x86_64", "tls", "haswell", "glibc-hwcaps/x86-64-v2", "glibc-hwcaps/x86-64-v3"):
        (empty / name).mkdir(parents=True)
    program = compiled(HEAD + "int main(void) { return 0; }")
    loader = "/lib64/ld-linux-x86-64.so.2"
    if not os.path.exists(loader):
        pytest.skip("no glibc of x86-64")
    found = touch(loader, "--library-path", str(empty), program)
    assert not any(one.path.startswith(str(empty)) for one in found)


@needs_cc
def test_files_of_a_session_are_neither_needed_nor_told(call: Call) -> None:
    place = Path(f"/tmp/hsperfdata_magicpak-test-{os.getpid()}")
    place.mkdir()
    try:
        (place / "1").write_text("x")
        found = call('mkdir(d, 0700); strcpy(g, d); strcat(g, "/1"); open(g, O_RDWR)', place)
        assert not any(one.path.startswith(str(place)) for one in found)
    finally:
        shutil.rmtree(place)

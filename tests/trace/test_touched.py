"""What of all that a real program touches belongs in its bundle, and what never does."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from magicpak.trace import Touched, What
from magicpak.trace.calls import Kind
from magicpak.trace.strace_log import Access
from magicpak.trace.touched import EMPTIED, REPLACED, sift
from support.traces import (
    HEAD,
    PYTHON,
    Compiled,
    Touch,
    directories,
    files,
    left_out,
    needs_cc,
    needs_strace,
)


@needs_strace
def test_what_a_program_opens_is_found_and_the_program_itself_is_not(
    touch: Touch, tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("x")
    found = touch("/bin/cat", str(tmp_path / "data"))
    assert str(tmp_path / "data") in files(found)
    assert any(re.search(r"/libc\.so\.6|/ld-musl", path) for path in files(found))
    assert "/bin/cat" not in files(found)
    assert list(found) == sorted(set(found))


@needs_strace
def test_a_traced_python_brings_sources_and_their_compiled_form(touch: Touch) -> None:
    found = files(touch(PYTHON, "-c", "import ssl, json"))
    assert any(path.endswith("/json/decoder.py") for path in found)
    assert any(path.endswith("/ssl.py") for path in found)
    for path in found:
        if match := re.fullmatch(r"(.*)/__pycache__/([^/.]+)\.[^/]+\.pyc", path):
            assert f"{match[1]}/{match[2]}.py" in found


@needs_cc
def test_relative_paths_and_descriptors_are_followed(
    touch: Touch, compiled: Compiled, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    (base / "sub").mkdir(parents=True)
    for name in ("one", "sub/two", "sub/three", "four"):
        (base / name).write_text(name)
    program = compiled(
        HEAD
        + """
int main(int c, char **v) {
    chdir(v[1]); if (open("one", O_RDONLY) < 0) return 1;
    int d = open("sub", O_RDONLY | O_DIRECTORY);
    if (openat(d, "two", O_RDONLY) < 0) return 2;
    fchdir(d); if (access("three", R_OK)) return 3;
    struct stat s; if (stat("../four", &s)) return 4;
    if (access("nothing", R_OK) == 0) return 5;
    return 0;
}"""
    )
    found = touch(program, str(base))
    wanted = {str(base / name) for name in ("one", "sub/two", "sub/three", "sub/../four")}
    assert wanted <= files(found)
    assert {str(base), str(base / "sub")} <= directories(found)
    assert not any("nothing" in one.path for one in found)


@needs_cc
def test_children_and_threads_are_followed(
    touch: Touch, compiled: Compiled, tmp_path: Path
) -> None:
    for name in ("thread", "child", "grandchild", "vforked"):
        (tmp_path / name).write_text(name)
    program = compiled(
        HEAD
        + """
void *thread(void *p) { open("thread", O_RDONLY); return 0; }
int main(int c, char **v) {
    chdir(v[1]);
    pthread_t t; pthread_create(&t, 0, thread, 0); pthread_join(t, 0);
    if (!fork()) {
        open("child", O_RDONLY);
        if (!fork()) { setsid(); open("grandchild", O_RDONLY); _exit(0); }
        wait(0); _exit(0);
    }
    wait(0);
    if (!vfork()) { execl("/bin/cat", "cat", "vforked", (char *)0); _exit(1); }
    wait(0);
    return 0;
}"""
    )
    found = files(touch(program, str(tmp_path)))
    names = ("thread", "child", "grandchild", "vforked")
    assert {str(tmp_path / name) for name in names} <= found
    assert "/bin/cat" in found


@needs_strace
@pytest.mark.needs("cc")
def test_what_a_thread_executes_is_found(touch: Touch, compiled: Compiled, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    program = compiled(
        HEAD + "static void *run(void *p) { chdir(p); execl("
        '"/usr/bin/head", "head", "data", (char *) 0); return 0; } int main(int n, char **v) {'
        "pthread_t t; pthread_create(&t, 0, run, v[1]); for (;;) pause(); }"
    )
    found = files(touch(program, str(tmp_path)))
    assert {"/usr/bin/head", str(tmp_path / "data")} <= found


@needs_strace
@pytest.mark.needs("cc")
def test_a_program_that_would_open_files_by_io_uring_opens_them_by_calls(
    touch: Touch, compiled: Compiled, tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("x")
    program = compiled(
        HEAD + "#include <sys/syscall.h>\n"
        "int main(int n, char **v) { (void) n; char parameters[120] = { 0 };"
        "return syscall(425, 8, parameters) < 0 && open(v[1], O_RDONLY) >= 0 ? 0 : 1; }"
    )
    assert str(tmp_path / "data") in files(touch(program, str(tmp_path / "data")))


@needs_strace
def test_a_script_brings_its_interpreter(touch: Touch, tmp_path: Path) -> None:
    inner, script = tmp_path / "inner", tmp_path / "script"
    inner.symlink_to(os.path.realpath("/bin/sh"))
    script.write_text(f"#!{inner}\nexit 0\n")
    script.chmod(0o755)
    found = files(touch("/bin/sh", "-c", f"{script}; :"))
    assert {str(script), str(inner)} <= found


@needs_cc
def test_what_the_run_makes_is_left_out_and_what_was_there_is_not(
    touch: Touch, compiled: Compiled, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for name in ("database", "input", "replaced", "truncated", "log"):
        (work / name).write_text(name)
    program = compiled(
        HEAD
        + """
void reread(const char *name, int flags) {
    int f = open(name, flags, 0600);
    if (f < 0) exit(9);
    write(f, "x", 1); close(f);
    if (open(name, O_RDONLY) < 0) exit(8);
}
int main(int c, char **v) {
    chdir(v[1]);
    reread("made-exclusive", O_RDWR | O_CREAT | O_EXCL);
    reread("made-truncated", O_RDWR | O_CREAT | O_TRUNC);
    reread("made-shared", O_RDWR | O_CREAT);
    reread("made-appended", O_WRONLY | O_CREAT | O_APPEND);
    reread("truncated", O_RDWR | O_TRUNC);
    reread("database", O_RDWR);
    open("input", O_RDONLY); struct stat s; stat("replaced", &s);
    rename("made-exclusive", "replaced"); open("replaced", O_RDONLY);
    mkdir("made-dir", 0755); reread("made-dir/file", O_WRONLY | O_CREAT);
    symlink("input", "made-link"); readlink("made-link", (char[9]){0}, 9);
    mkfifo("made-fifo", 0600);
    return 0;
}"""
    )
    found = touch(program, str(work))
    inside = {os.path.relpath(path, work) for path in files(found) if path.startswith(str(work))}
    assert inside == {"database", "input", "truncated"}
    assert not any("made" in path for path in directories(found))
    assert Touched(str(work / "truncated"), What.EMPTY, EMPTIED) in found
    assert left_out(found) == {str(work / "replaced"): REPLACED}


@needs_cc
@pytest.mark.parametrize("flags", ["O_RDWR | O_CREAT", "O_RDWR | O_CREAT | O_APPEND"])
def test_a_database_that_was_there_is_used_although_the_run_writes_to_it(
    touch: Touch, compiled: Compiled, tmp_path: Path, flags: str
) -> None:
    (tmp_path / "data").mkdir()
    database = tmp_path / "data" / "base"
    program = compiled(
        HEAD
        + f"""
int main(int c, char **v) {{
    int f = open(v[1], {flags}, 0600);
    return write(f, "more", 4) != 4;
}}"""
    )
    database.write_text("content")
    assert str(database) in files(touch(program, str(database)))


@needs_strace
def test_the_directory_of_an_output_is_needed(touch: Touch, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    found = touch("/bin/sh", "-c", f"echo > {tmp_path}/out/file; mkdir {tmp_path}/out/new")
    assert str(tmp_path / "out") in directories(found)
    assert not any(one.path.endswith(("/file", "/new")) for one in found if one.bundled)


@needs_strace
def test_what_belongs_to_the_machine_is_left_out(touch: Touch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "sock"))
        names = ("/proc/self/status", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
        found = touch(
            "/bin/sh",
            "-c",
            f"cat {' '.join(names)} < /dev/null; ls -d / /sys /dev/null {tmp_path}/sock",
            allow_failure=True,
        )
    for one in found:
        assert not re.match(r"/(proc|sys|dev)(/|$)", one.path)
        assert one.path not in (*names, "/", str(tmp_path / "sock"), "/etc/ld.so.cache")


@needs_strace
def test_a_link_is_reported_as_named_and_a_directory_behind_one_too(
    touch: Touch, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    (tmp_path / "to-dir").symlink_to("real")
    (tmp_path / "to-file").symlink_to("real/file")
    found = touch(
        "/bin/sh", "-c", f"cat {tmp_path}/to-file {tmp_path}/to-dir/file; ls {tmp_path}/to-dir"
    )
    expected = {str(tmp_path / name) for name in ("to-file", "to-dir/file", "to-dir")}
    assert expected <= files(found)
    assert str(tmp_path / "real") in directories(found)


@needs_strace
def test_links_on_the_way_are_reported_at_any_remove(touch: Touch, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("x")
    (tmp_path / "a" / "other").write_text("x")
    for name, text in (("one", "two"), ("two", "c/b"), ("c", "a"), ("last", "c/other")):
        (tmp_path / name).symlink_to(text)
    found = files(touch("/bin/cat", f"{tmp_path}/one/file", f"{tmp_path}/one/../other"))
    assert {str(tmp_path / name) for name in ("one", "two", "c", "one/file")} <= found
    assert {str(tmp_path / "c")} <= files(touch("/bin/cat", f"{tmp_path}/last"))


def test_directories_that_are_links_in_some_systems_only_are_reported_as_directories() -> None:
    if not os.path.islink("/bin"):
        pytest.skip("/usr is not merged here")
    found = sift([Access("/bin", Kind.SEEN), Access("/bin/sh", Kind.USED)])
    assert Touched("/bin", What.DIRECTORY) in found
    assert "/bin" not in files(found)


@pytest.mark.needs("strace", "root")
def test_paths_in_a_chroot_are_below_it(touch: Touch, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "inside").write_text("x")
    found = touch(
        PYTHON, "-c", f"import os; os.chroot({str(tmp_path)!r}); os.chdir('/'); open('/etc/inside')"
    )
    assert str(tmp_path / "etc" / "inside") in files(found)

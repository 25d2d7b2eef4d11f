"""What a run has by another name, or by none, is right in the bundle or told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from magicpak.trace import What, session
from magicpak.trace.calls import Kind
from magicpak.trace.strace_log import parse
from magicpak.trace.touched import BEHIND, CHANGED, GONE, REPLACED, sift
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


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Make a directory of data, made before the run."""
    (tmp_path / "d" / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/x"):
        (tmp_path / "d" / name).write_text(name)
    return tmp_path / "d"


def python(touch: Touch, place: Path, code: str) -> dict[str, tuple[What, str]]:
    """Run a program in a directory, and return what of that it has touched."""
    found = touch(PYTHON, "-c", f"import os, ctypes; os.chdir({str(place)!r}); {code}")
    top = f"{place}/"
    return {
        one.path.removeprefix(top): (one.what, one.note)
        for one in found
        if one.path.startswith(top) and one.what is not What.MADE
    }


FILE = (What.FILE, "")


@needs_strace
@pytest.mark.parametrize(
    "code",
    [
        "os.rename('a', 'c'); os.rename('c', 'a'); open('a').read()",
        "os.rename('a', 'c'); open('c').read(); os.rename('c', 'a')",
        "open('a').read(); os.rename('a', 'c'); os.rename('c', 'a')",
        "os.rename('a', 'c'); os.rename('c', 'e'); os.rename('e', 'a'); open('a').read()",
        "os.link('a', 'c'); os.unlink('a'); os.rename('c', 'a'); open('a').read()",
        "os.rename('a', 'c'); open('a', 'x'); os.rename('c', 'a'); open('a').read()",
    ],
)
def test_a_file_that_is_renamed_away_and_back_is_there(
    touch: Touch, place: Path, code: str
) -> None:
    assert python(touch, place, code)["a"] == FILE


@needs_strace
def test_what_is_read_in_a_directory_that_is_away_is_found(touch: Touch, place: Path) -> None:
    code = "os.rename('sub', 'c'); open('c/x').read(); os.rename('c', 'sub')"
    found = python(touch, place, code)
    assert found["sub/x"] == FILE
    assert found["sub"] == (What.DIRECTORY, "")


@needs_strace
def test_what_is_read_by_a_second_name_is_the_first(touch: Touch, place: Path) -> None:
    assert python(touch, place, "os.link('a', 'c'); open('c').read()")["a"] == FILE


@needs_cc
@pytest.mark.parametrize(("times", "expected"), [(2, FILE), (1, (What.FILE, CHANGED))])
def test_files_that_are_exchanged_are_told_unless_they_are_exchanged_again(
    touch: Touch, compiled: Compiled, place: Path, times: int, expected: tuple[What, str]
) -> None:
    exchange = 'renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE);'
    program = compiled(
        f'{HEAD} int main(int c, char **v) {{ chdir(v[1]); open("a", O_RDONLY);'
        f' open("b", O_RDONLY); {exchange * times} return 0; }}'
    )
    found = {one.path: (one.what, one.note) for one in touch(program, str(place))}
    assert found[f"{place}/a"] == found[f"{place}/b"] == expected


@needs_strace
@pytest.mark.parametrize(
    "code",
    [
        "open('a').read(); os.unlink('a')",
        "file = open('a'); os.unlink('a'); file.read()",
        "open('a').read(); os.rename('a', 'c')",
        "os.rename('a', 'c'); open('c').read()",
        "os.rename('a', 'c'); open('c').read(); os.unlink('c')",
    ],
)
def test_a_file_that_is_used_and_gone_is_told(touch: Touch, place: Path, code: str) -> None:
    assert python(touch, place, code)["a"] == (What.NOTHING, GONE)


@needs_strace
@pytest.mark.parametrize(
    "code",
    [
        "open('c', 'w').write('x'); open('c').read(); os.unlink('c')",
        "open('c', 'w').write('x'); os.rename('c', 'e'); open('e').read(); os.unlink('e')",
        "open('c', 'x+').read(); os.unlink('c')",
        "os.stat('a'); os.unlink('a')",
        "open('a', 'w'); os.unlink('a')",
    ],
)
def test_a_file_that_is_gone_and_was_not_used_is_none(
    touch: Touch, place: Path, code: str
) -> None:
    assert python(touch, place, code) == {}


@needs_strace
def test_what_takes_the_place_of_a_file_that_is_away_is_the_run_s(
    touch: Touch, place: Path
) -> None:
    code = "os.rename('a', 'c'); open('a', 'x').write('new')"
    assert python(touch, place, code)["a"] == (What.NOTHING, REPLACED)


BY_HANDLE = """
int main(int c, char **v) {
    struct { struct file_handle h; char room[128]; } f; int id;
    f.h.handle_bytes = 128;
    if (name_to_handle_at(AT_FDCWD, v[1], &f.h, &id, 0)) return 77;
    int mount = open(v[2], O_RDONLY);
    return open_by_handle_at(mount, &f.h, O_RDONLY) < 0 ? 77 : 0;
}"""


@needs_cc
@pytest.mark.needs("root")
def test_a_file_that_is_opened_by_its_handle_is_found(
    touch: Touch, compiled: Compiled, place: Path
) -> None:
    program = compiled(HEAD + BY_HANDLE)
    if subprocess.run([program, place / "a", place], check=False).returncode:
        pytest.skip("open_by_handle_at(2) does not work here")
    assert f"{place}/a" in files(touch(program, str(place / "a"), str(place)))
    # The handle may have been made before: what opens by it tells as much.
    lines = [b'1 open_by_handle_at(3</d>, {handle_bytes=8}, O_RDONLY) = 4</d/a>']
    assert [tuple(one)[:2] for one in parse(lines, "/")] == [("/d/a", Kind.USED)]


@needs_cc
def test_a_child_that_nobody_traces_is_told(
    touch: Touch, compiled: Compiled, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = compiled(
        HEAD + "#include <sched.h>\n#include <sys/syscall.h>\n"
        "int main(int c, char **v) { if (!syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0))"
        "{ open(v[1], O_RDONLY); _exit(0); } wait(0); return 0; }"
    )
    touch(program, str(place / "a"))
    assert "CLONE_UNTRACED, 1 times); add that by --include" in caplog.text


@needs_strace
def test_what_is_ended_before_its_work_is_done_is_told(
    touch: Touch, place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session, "LINGER", 0.3)
    late = f"(sleep 1; cat {place}/a) & exit 0"
    assert f"{place}/a" not in files(touch("/bin/sh", "-c", late))
    assert "what it started was ended 0.3 s later" in caplog.text
    assert "--dynamic-timeout SECONDS gives it longer" in caplog.text
    caplog.clear()
    assert f"{place}/a" in files(touch("/bin/sh", "-c", late, timeout=4))
    touch("/bin/sh", "-c", f"cat {place}/a & exit 0")
    assert caplog.text == ""


@pytest.mark.needs("strace", "root", "mounts")
@pytest.mark.parametrize("how", ["unshare -m", "unshare -m sh -c 'exec unshare -m \"$@\"' sh", ""])
def test_behind_a_mount_of_the_run_lies_what_is_mounted_there(
    touch: Touch, tmp_path: Path, place: Path, how: str
) -> None:
    for name in ("point", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("of the host")
    point = tmp_path / "point"
    bind = f"mount --bind {place} {point} && cat {point}/a && umount {point}"
    bind += f" && cat {point}/../other/a"
    found = touch("/bin/sh", "-c", f"{how} sh -c '{bind}'")
    assert {f"{place}/a", f"{tmp_path}/point/../other/a"} <= files(found)
    assert f"{point}/a" not in files(found)
    assert str(point) in directories(found)


@pytest.mark.needs("strace", "root", "mounts")
def test_a_mount_in_a_namespace_is_none_of_the_others(
    touch: Touch, tmp_path: Path, place: Path
) -> None:
    point = tmp_path / "point"
    point.mkdir()
    (point / "a").write_text("x")
    inner = f"mount --bind {place} {point} && cat {point}/a"
    found = files(touch("/bin/sh", "-c", f"unshare -m sh -c '{inner}'; cat {point}/a"))
    assert {f"{place}/a", f"{point}/a"} <= found


@pytest.mark.needs("strace", "root", "mounts")
def test_what_is_in_memory_is_nothing_of_this_machine(
    touch: Touch, place: Path
) -> None:
    inner = f"mount -t tmpfs none {place} && echo x > {place}/a && cat {place}/a"
    found = touch("/bin/sh", "-c", f"unshare -m sh -c '{inner}'")
    assert not any(one.path.startswith(f"{place}/") for one in found)


NEW = """1 fsopen("{}", FSOPEN_CLOEXEC) = 3<anon_inode:[fscontext]>
1 fsconfig(3<anon_inode:[fscontext]>, FSCONFIG_CMD_CREATE, NULL, NULL, 0) = 0
1 fsmount(3<anon_inode:[fscontext]>, FSMOUNT_CLOEXEC, 0) = 4</>
1 move_mount(4</>, "", AT_FDCWD</w>, "/dst", MOVE_MOUNT_F_EMPTY_PATH) = 0
"""
"""What mount(8) calls since util-linux 2.39."""


@pytest.mark.parametrize("calls", ['1 mount("none", "/dst", "{}", 0, NULL) = 0\n', NEW])
@pytest.mark.parametrize(
    ("kind", "told"), [("tmpfs", {}), ("ramfs", {}), ("proc", {}), ("ext4", {"/dst/x": BEHIND})]
)
def test_a_new_file_system_is_followed(calls: str, kind: str, told: dict[str, str]) -> None:
    log = f'1 execve("/bin/app", [], 0x0) = 0\n{calls.format(kind)}1 open("/dst/x", O_RDONLY) = 3'
    found = sift(parse(log.encode().splitlines(), "/"))
    assert left_out(found) == told
    assert "/dst/x" not in files(found)


def test_what_lies_on_a_file_system_of_the_run_is_told() -> None:
    log = b"""1 execve("/bin/app", [], 0x0) = 0
1 mount("/dev/loop0", "/usr/share", "squashfs", MS_RDONLY, NULL) = 0
1 open("/usr/share/x", O_RDONLY) = 3
1 umount2("/usr/share", MNT_DETACH) = 0
1 open("/usr/share", O_RDONLY) = 3"""
    accesses = parse(log.splitlines(), "/")
    assert ("/usr/share/x", Kind.HIDDEN) in [(one.path, one.kind) for one in accesses]
    found = sift(accesses)
    assert left_out(found) == {"/usr/share/x": BEHIND}
    assert directories(found) == {"/usr/share"}


@pytest.mark.parametrize(
    "calls",
    [
        '{0} mount("/src", "/dst", 0x0, MS_BIND|MS_REC, NULL) = 0',
        '{0} mount("/src", "/dst", NULL, MS_MOVE, NULL) = 0',
        '{0} open_tree(AT_FDCWD, "/src", OPEN_TREE_CLONE|AT_RECURSIVE) = 5\n'
        '{0} move_mount(5</>, "", AT_FDCWD, "/dst", MOVE_MOUNT_F_EMPTY_PATH) = 0',
        '{0} mount("/src", "/mnt", NULL, MS_BIND, NULL) = 0\n'
        '{0} mount("/mnt/sub/..", "/dst", NULL, MS_BIND, NULL) = 0',
        '{0} mount("/src", "/dst", NULL, MS_BIND, NULL) = 0\n'
        '{0} mount("none", "/dst", NULL, MS_REMOUNT|MS_BIND|MS_RDONLY, NULL) = 0\n'
        '{0} mount(NULL, "/dst", NULL, MS_REC|MS_PRIVATE, NULL) = 0',
    ],
)
def test_each_way_to_bind_is_followed(calls: str) -> None:
    log = f'{calls}\n{{0}} open("/dst/x", O_RDONLY) = 3\n{{0}} open("/dst2", O_RDONLY) = 3\n'
    used = [one.path for one in parse(log.format(1).encode().splitlines(), "/")
            if one.kind is Kind.USED]  # fmt: skip
    assert [path.replace("/sub/..", "") for path in used] == ["/src/x", "/dst2"]

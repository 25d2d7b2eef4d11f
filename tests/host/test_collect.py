"""From the host's files to entries: places, links and their chains, directories, metadata."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from magicpak import Options, pack
from magicpak.host import Host
from magicpak.plan import BundlePath, Directory, File, Link, Origin, Placed, Why
from support.command import facts, paths
from support.packing import below, bundled, symlink, write
from support.plans import GLOB


def collected(path: str | Path, place: str | None = None, **how: bool) -> dict[str, Placed]:
    """Collect a path by itself; the entries by their place."""
    host = Host()
    at = host.place(str(path)) if place is None else BundlePath(place)
    return {p.path: p for p in host.entries(str(path), at, GLOB, **how)}


def inner(tmp_path: Path, found: dict[str, Placed]) -> set[str]:
    return {path.removeprefix(str(tmp_path)) for path in found}


# Where things go


@pytest.mark.parametrize(("path", "place"), [
    ("/bin/true", "/bin/true"),
    ("target/app", "/target/app"),
    ("./app", "/app"),
    ("../../bin/app", "/bin/app"),
    ("a/../b", "/b"),
    ("a/../../b", "/b"),
    ("/a/b/../c", "/a/c"),
])  # fmt: skip
def test_a_path_keeps_its_place(path: str, place: str) -> None:
    assert Host().place(path) == place


def test_dots_after_a_link_lead_to_the_parent_of_its_target(tmp_path: Path) -> None:
    (tmp_path / "far" / "dir").mkdir(parents=True)
    symlink(tmp_path / "near" / "link", tmp_path / "far" / "dir")
    assert Host().place(f"{tmp_path}/near/link/../app") == f"{tmp_path}/far/app"


def test_a_file_is_read_where_the_system_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``normpath`` would take link/../f for f here."""
    write(tmp_path / "far" / "f", "right")
    write(tmp_path / "near" / "f", "wrong")
    (tmp_path / "far" / "dir").mkdir()
    symlink(tmp_path / "near" / "link", "../far/dir")
    monkeypatch.chdir(tmp_path / "near")
    entry = collected("link/../f")[f"{tmp_path}/far/f"].entry
    assert isinstance(entry, File)
    assert Path(entry.source).read_text() == "right"


# Links


def test_a_link_comes_with_all_along_its_chain(tmp_path: Path) -> None:
    write(tmp_path / "c" / "file")
    symlink(tmp_path / "b" / "second", "../c/file")
    symlink(tmp_path / "first", tmp_path / "b" / "second")
    found = collected(tmp_path / "first")
    assert inner(tmp_path, found) == {"/first", "/b/second", "/c/file"}
    second = found[f"{tmp_path}/b/second"]
    assert isinstance(second.entry, Link)
    assert second.entry.text == "../c/file"
    assert second.origin == Origin(Why.LINK, f"{tmp_path}/first")


def test_a_relative_path_keeps_relative_links_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "lib" / "app-1")
    symlink(tmp_path / "bin" / "app", "../lib/app-1")
    monkeypatch.chdir(tmp_path)
    assert set(collected("bin/app")) == {"/bin/app", "/lib/app-1"}


def test_a_link_that_is_placed_elsewhere_reaches_its_target(tmp_path: Path) -> None:
    write(tmp_path / "lib" / "app-1")
    symlink(tmp_path / "bin" / "app", "../lib/app-1")
    found = collected(tmp_path / "bin" / "app", "/usr/bin/tool", relocated=True)
    entry = found["/usr/bin/tool"].entry
    assert isinstance(entry, Link)
    assert BundlePath("/usr/bin/tool").target(entry.text) == f"{tmp_path}/lib/app-1"
    assert f"{tmp_path}/lib/app-1" in found


def test_a_dangling_link_stays_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = collected(symlink(tmp_path / "l", "gone"))
    assert inner(tmp_path, found) == {"/l"}
    assert "gone (link from " in caplog.text
    assert "No such file" in caplog.text


def test_a_circle_of_links_ends_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    symlink(tmp_path / "a", "b")
    symlink(tmp_path / "b", "a")
    assert inner(tmp_path, collected(tmp_path / "a")) == {"/a", "/b"}
    assert "too many levels" in caplog.text


def test_a_link_whose_text_passes_a_directory_works_in_the_bundle(tmp_path: Path) -> None:
    write(tmp_path / "f")
    (tmp_path / "way").mkdir()
    symlink(tmp_path / "l", "way/../f")
    out = bundled(tmp_path, tmp_path / "l")
    assert (out / f"{tmp_path}/l".lstrip("/")).read_text() == "content"


def test_a_link_whose_text_passes_a_link_works_in_the_bundle(tmp_path: Path) -> None:
    write(tmp_path / "far" / "f")
    (tmp_path / "far" / "dir").mkdir()
    symlink(tmp_path / "near" / "way", "../far/dir")
    symlink(tmp_path / "near" / "l", "way/../f")
    out = bundled(tmp_path, tmp_path / "near" / "l")
    assert (out / f"{tmp_path}/near/l".lstrip("/")).read_text() == "content"


# Directories


def test_a_directory_comes_with_its_tree(tmp_path: Path) -> None:
    for name in ("conf/a", "conf/.hidden", "conf/sub/deep/b"):
        write(tmp_path / name)
    (tmp_path / "conf" / "empty").mkdir()
    out = bundled(tmp_path, tmp_path / "conf")
    assert below(out, tmp_path) == {"conf/a", "conf/.hidden", "conf/sub/deep/b"}
    assert (out / f"{tmp_path}/conf/empty".lstrip("/")).is_dir()


def test_links_in_a_directory_bring_their_targets(tmp_path: Path) -> None:
    write(tmp_path / "conf" / "a")
    write(tmp_path / "else" / "b")
    write(tmp_path / "tree" / "sub" / "c")
    symlink(tmp_path / "conf" / "in", "a")
    symlink(tmp_path / "conf" / "out", "../else/b")
    symlink(tmp_path / "conf" / "abs", tmp_path / "else" / "b")
    symlink(tmp_path / "conf" / "dir", "../tree")
    out = bundled(tmp_path, tmp_path / "conf")
    assert below(out, tmp_path) == {
        "conf/a", "conf/in", "conf/out", "conf/abs", "conf/dir", "else/b", "tree/sub/c",
    }  # fmt: skip
    root = out / str(tmp_path).lstrip("/")
    assert (root / "conf" / "dir" / "sub" / "c").read_text() == "content"


def test_links_to_the_directory_itself_or_above_bring_nothing_more(tmp_path: Path) -> None:
    write(tmp_path / "a" / "conf" / "f")
    write(tmp_path / "a" / "other")
    for name, text in (("self", "."), ("up", ".."), ("root", "/"), ("circle", "../conf")):
        symlink(tmp_path / "a" / "conf" / name, text)
    out = bundled(tmp_path, tmp_path / "a" / "conf")
    assert below(out, tmp_path) == {f"a/conf/{n}" for n in ("f", "self", "up", "root", "circle")}


def test_directories_that_link_to_one_another_end(tmp_path: Path) -> None:
    write(tmp_path / "a" / "f")
    write(tmp_path / "b" / "g")
    symlink(tmp_path / "a" / "to-b", "../b")
    symlink(tmp_path / "b" / "to-a", "../a")
    out = bundled(tmp_path, tmp_path / "a")
    assert below(out, tmp_path) == {"a/f", "a/to-b", "b/g", "b/to-a"}


def test_a_link_to_a_directory_is_a_link_in_the_bundle(tmp_path: Path) -> None:
    write(tmp_path / "real" / "f")
    symlink(tmp_path / "link", "real")
    out = bundled(tmp_path, tmp_path / "link")
    root = out / str(tmp_path).lstrip("/")
    assert below(out, tmp_path) == {"link", "real/f"}
    assert os.readlink(root / "link") == "real"


def test_what_is_used_below_a_directory_link_lies_below_a_real_directory(tmp_path: Path) -> None:
    """So /lib stays a directory on a merged-/usr host, and the bundle can be copied anywhere."""
    write(tmp_path / "usr" / "lib" / "f")
    symlink(tmp_path / "lib", "usr/lib")
    out = bundled(tmp_path, tmp_path / "lib" / "f")
    assert below(out, tmp_path) == {"lib/f"}
    assert not (out / f"{tmp_path}/lib".lstrip("/")).is_symlink()


def test_an_included_directory_link_has_all_below_its_target(tmp_path: Path) -> None:
    write(tmp_path / "usr" / "lib" / "f")
    symlink(tmp_path / "lib", "usr/lib")
    for number, order in enumerate((("lib/f", "lib"), ("lib", "lib/f"))):
        place = tmp_path / str(number)
        place.mkdir()
        out = bundled(place, *(tmp_path / name for name in order))
        assert below(out, tmp_path) == {"lib", "usr/lib/f"}


def test_a_device_a_fifo_or_a_socket_is_skipped_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "d" / "f")
    os.mkfifo(tmp_path / "d" / "fifo")
    out = bundled(tmp_path, tmp_path / "d", "/dev/null")
    assert below(out, tmp_path) == {"d/f"}
    assert "fifo is skipped: it is not a file, a directory or a symbolic link" in caplog.text
    assert "/dev/null is skipped" in caplog.text


def test_the_running_kernel_is_never_walked_into(tmp_path: Path) -> None:
    out = bundled(tmp_path, "/proc", "/sys")
    assert os.listdir(out / "proc") == []
    assert not [path for path in paths(out) if path.startswith(("/proc", "/sys"))]


@pytest.mark.parametrize("target", ["/proc/self/mounts", "/dev/stdout", "/dev/null", "/sys/none"])
def test_a_link_to_what_the_kernel_shows_is_bundled_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    """/etc/mtab and the logs of nginx are such links; in the container they work again."""
    symlink(tmp_path / "conf" / "link", target)
    out = bundled(tmp_path, tmp_path / "conf")
    assert below(out, tmp_path) == {"conf/link"}
    assert not [path for path in paths(out) if path.startswith(("/proc", "/dev", "/sys"))]
    assert caplog.text == ""


@pytest.mark.parametrize("path", ["/proc/version", "/sys/devices/system/cpu/online"])
def test_a_file_of_the_kernel_that_is_named_has_its_content(tmp_path: Path, path: str) -> None:
    out = bundled(tmp_path, path)
    assert (out / path.lstrip("/")).read_text() == Path(path).read_text()


@pytest.mark.parametrize("where", ["conf", "conf/sub/deep"])
def test_output_in_an_included_directory_is_not_of_it(tmp_path: Path, where: str) -> None:
    write(tmp_path / "conf" / "f")
    out = tmp_path / where / "out"
    out.mkdir(parents=True)
    for pattern in ("conf", "conf/*", "**"):
        pack(Options(("/bin/true",), str(out), include=(f"{tmp_path}/{pattern}",)))
        assert below(out, tmp_path) == {"conf/f"}
        assert not (out / str(out).lstrip("/")).exists()
        subprocess.run(["rm", "-r", out], check=True)
        out.mkdir()


def test_the_working_directory_can_be_included(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "app" / "conf" / "f")
    monkeypatch.chdir(tmp_path / "app")
    pack(Options(("/bin/true",), "../out", include=(".",)))
    assert "/conf/f" in paths(tmp_path / "out")


def test_a_directory_that_the_host_lacks_is_0755() -> None:
    assert Host().directory(BundlePath("/no/such/directory")).meta.mode == 0o755
    assert Host().directory(BundlePath("/bin/true")).meta.mode == 0o755
    assert isinstance(Host().directory(BundlePath("/")), Directory)


# Metadata


def test_modes_and_times_are_kept(tmp_path: Path) -> None:
    for name, mode in (("plain", 0o640), ("set-uid", 0o4755), ("sticky", 0o1644), ("none", 0o400)):
        path = write(tmp_path / "d" / name)
        path.chmod(mode)
        os.utime(path, ns=(1, 1_234_567_890_123_456_789))
    (tmp_path / "d").chmod(0o1770)
    os.utime(tmp_path / "d", ns=(1, 987_654_321))
    symlink(tmp_path / "d" / "link", "plain")
    os.utime(tmp_path / "d" / "link", ns=(1, 555), follow_symlinks=False)
    os.utime(tmp_path / "d", ns=(1, 987_654_321))
    expected = facts(tmp_path / "d")
    out = bundled(tmp_path, tmp_path / "d")
    assert facts(out / f"{tmp_path}/d".lstrip("/")) == expected


@pytest.mark.needs("root")
def test_root_keeps_owner_and_group(tmp_path: Path) -> None:
    path = write(tmp_path / "d" / "f")
    os.chown(path, 1234, 4321)
    path.chmod(0o6755)
    os.chown(tmp_path / "d", 55, 66)
    os.lchown(symlink(tmp_path / "d" / "l", "f"), 77, 88)
    out = bundled(tmp_path, tmp_path / "d")
    assert facts(out / f"{tmp_path}/d".lstrip("/")) == facts(tmp_path / "d")


@pytest.mark.needs("root", "setcap", "getcap")
def test_file_capabilities_are_kept(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.write_bytes(Path("/bin/true").read_bytes())
    app.chmod(0o755)
    subprocess.run(["setcap", "cap_net_bind_service=ep", app], check=True)
    pack(Options((str(app),), str(tmp_path / "out"), install_to="/bin/app"))
    shown = subprocess.run(
        ["getcap", tmp_path / "out" / "bin" / "app"], capture_output=True, text=True, check=True
    ).stdout
    assert "cap_net_bind_service=ep" in shown


def test_a_file_of_two_paths_is_stored_once(tmp_path: Path) -> None:
    write(tmp_path / "usr" / "lib" / "f")
    symlink(tmp_path / "lib", "usr/lib")
    os.link(tmp_path / "usr" / "lib" / "f", tmp_path / "hard")
    out = bundled(tmp_path, *(tmp_path / name for name in ("lib/f", "usr/lib/f", "hard")))
    root = out / str(tmp_path).lstrip("/")
    copies = [(root / name).stat() for name in ("lib/f", "usr/lib/f", "hard")]
    assert len({copy.st_ino for copy in copies}) == 1
    assert copies[0].st_nlink == 3

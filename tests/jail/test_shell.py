"""A command has a shell and applets for its own words, and what it starts is the bundle's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from magicpak import jail
from magicpak.jail import shell
from magicpak.system.tools import ToolNotFound
from support.jails import Bundle, Run, message
from support.programs import Compile

pytestmark = pytest.mark.needs("root", "busybox", "cc")

MINE = 'puts("mine"); return 0;'


@pytest.fixture
def starts(program: Compile) -> Path:
    """Make a program that starts what its arguments name, by execvp(3), and says if it cannot."""
    return program("starts", 'execvp(argv[1], argv + 1); puts("none"); return 0;')


@pytest.mark.parametrize(
    "name", ["ls", "test", "[", "clang-format", "echo", "env", "kill", "xargs", "ts", "[[", "sh"]
)
def test_name_finds_the_bundled_program_before_an_applet(
    run: Run, bundle: Bundle, program: Compile, name: str
) -> None:
    path = bundle.add(program("mine", MINE), f"/usr/bin/{name}")
    run(path, command=f"{name} x", stdout="mine")


@pytest.mark.parametrize("directory", ["/usr/bin", "/bin"])
def test_what_the_command_lets_applets_start_is_the_bundled_program_too(
    run: Run, bundle: Bundle, program: Compile, directory: str
) -> None:
    path = bundle.add(program("mine", MINE), f"{directory}/ls")
    command = (
        "ls; echo / | xargs ls; env ls; timeout 5 ls; find /etc -maxdepth 0 -exec ls \\;; "
        "sh -c ls; (exec ls); command ls; nice ls 2>&1 | grep -v nice; echo $(ls) | cat"
    )
    run(path, command=command, stdout="mine\n" * 9)


def test_program_that_is_no_input_comes_before_an_applet_too(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    bundle.add(program("mine", MINE), "/usr/bin/sort")
    (bundle.tree / "bin").mkdir()
    (bundle.tree / "bin/wc").symlink_to("/usr/bin/sort")
    run(command="sort; wc; env sort", stdout="mine\n" * 3)


@pytest.mark.parametrize("name", ["hello", "clang-format", "ls"])
def test_program_outside_path_is_found_by_name(
    run: Run, bundle: Bundle, program: Compile, name: str
) -> None:
    path = bundle.add(program("hello", "puts(argv[0]); return 0;"), f"/opt/a:b c/{name}")
    run(path, command=f"{name} x; ({name}) | cat; echo $({name})", stdout=f"{path}\n" * 3)


def test_other_programs_find_what_a_container_finds_on_path(
    run: Run, bundle: Bundle, program: Compile, starts: Path
) -> None:
    path = bundle.add(program("hello", 'puts("hello"); return 0;'), "/opt/hello")
    bundle.add(starts, "/bin/starts")
    run(path, command="starts hello; starts /opt/hello", stdout="none\nhello")


@pytest.mark.parametrize("name", ["sh", "ls", "busybox", "env", "true"])
def test_programs_of_the_bundle_find_no_applet(
    run: Run, bundle: Bundle, starts: Path, name: str
) -> None:
    path = bundle.add(starts, "/bin/starts")
    words = f"starts {name}; starts /bin/{name}; starts /usr/bin/{name}"
    run(path, command=f"{words}; {name} --help > /dev/null 2>&1; env {words}", stdout="none\n" * 6)


def test_applets_are_nowhere_in_the_jail(run: Run, bundle: Bundle) -> None:
    (bundle.tree / "bin").mkdir()
    before = bundle.snapshot()
    run(command="echo x | tr x y; ls /bin /usr 2>/dev/null; find / -xdev -type f -name '*sh'",
        stdout="y\n/bin:")  # fmt: skip
    assert bundle.snapshot() == before


def test_shell_of_the_bundle_is_one_of_its_programs(run: Run, bundle: Bundle) -> None:
    path = bundle.add("/bin/dash", "/bin/sh")
    # dash has no [[ and runs no applets.
    run(path, command="[[ a ]] && sh -c '[[ a ]] 2> /dev/null || echo $0'; seq 1", stdout="sh\n1")
    run(path, command="sh -c 'seq 1' 2> /dev/null || echo none; echo $0", stdout="none\n/bin/sh")


@pytest.mark.parametrize("link", ["usr/bin", "/usr/bin", "../../usr/bin"])
def test_bin_that_is_a_link_is_followed_inside_the_jail(
    run: Run, bundle: Bundle, program: Compile, link: str
) -> None:
    (bundle.tree / "bin").symlink_to(link)
    bundle.add(program("mine", MINE), "/usr/bin/sort")
    run("/bin/sort", command="sort; env -i PATH=/bin sort", stdout="mine\nmine")
    assert os.listdir(bundle.tree / "usr/bin") == ["sort"]


def test_applets_stay_in_order_when_some_are_hidden() -> None:
    names = ("[", "[[", "ls", "true", "truncate", "ts", "tt")
    table = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    content = shell.hide(b"ELF" + table + b"more", names, {"ls", "["})
    assert content == b"ELF\0Z\0[[\0lr\0true\0truncate\0ts\0tt\0more"
    content = shell.hide(table, names, {"ts"})
    assert content is None or content.split(b"\0")[1:-1] == sorted(content.split(b"\0")[1:-1])


@pytest.mark.parametrize("name", ["ls", "run-parts"])
def test_busybox_without_a_table_of_names_finds_the_bundled_program(
    run: Run, bundle: Bundle, program: Compile, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(shell, "hide", lambda *_: None)
    path = bundle.add(program("mine", MINE), f"/usr/bin/{name}")
    run(path, command=f"{name}; x={name}; echo $({name})", stdout="mine\nmine")


def test_busybox_whose_shell_looks_for_files_only_has_its_applets_too(
    run: Run, bundle: Bundle, program: Compile, starts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of other distributions: FEATURE_SH_STANDALONE is off by default."""
    monkeypatch.setattr(shell, "_finds_applets", lambda *_: False)
    bundle.add(program("mine", MINE), "/usr/bin/sort")
    bundle.add(starts, "/bin/starts")
    command = "type seq | grep -c function; seq 2 | wc -l; sort; run-parts x 2>&1 | grep -c run-p; "
    command += "seq 2> /dev/null || echo $?; [ a ] && starts seq; x=seq; $x 1 & wait"
    run(command=command, stdout="1\n2\nmine\n1\n1\nnone\n1")


def test_functions_that_run_applets_are_those_of_a_shell_without_any(tmp_path: Path) -> None:
    text = shell.prelude({}, ["seq", "run-parts"]) + "\nseq 3 | wc -l; run-parts x y; echo $?"
    busybox = subprocess.run(["which", "busybox"], capture_output=True, text=True, check=True)
    ran = subprocess.run(
        [busybox.stdout.strip(), "sh", "-c", text], cwd=tmp_path, env={}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.splitlines() == ["3", "1"]


def test_busybox_that_is_not_static_is_refused(bundle: Bundle) -> None:
    with pytest.raises(jail.BusyboxNotStatic, match="busybox-static"):
        jail.check(str(bundle.tree), [], command=":", is_static=lambda _: False)
    for command in (":", None):
        with pytest.raises(jail.BusyboxNotStatic, match="/bin/ls is dynamically linked"):
            jail.check(str(bundle.tree), ["/f"], command=command, busybox="/bin/ls")


def test_missing_busybox_is_named_with_its_package(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (":", None):
        with pytest.raises(ToolNotFound, match="busybox-static"):
            jail.check(str(bundle.tree), ["/f"], command=command, busybox="no-such-busybox")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolNotFound, match="busybox-static"):
        jail.check(str(bundle.tree), ["/f"], command=":")


def test_command_that_is_not_there_is_the_commands_failure(run: Run) -> None:
    text = message(run, command="no-such-command-at-all")
    assert "exit status: 127; stderr: /bin/sh: " in text
    assert "no-such-command-at-all: not found" in text

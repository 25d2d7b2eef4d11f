"""What ``--with`` brings serves the program in the bundle."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from magicpak import Options, pack
from support.command import done, failed, magicpak
from support.programs import compile_c

pytestmark = pytest.mark.needs("root")


def packed(tmp_path: Path, *args: str | Path) -> Path:
    """Bundle, and return OUTPUT."""
    out = tmp_path / "out"
    done(magicpak(*args, out, cwd=tmp_path))
    return out


def run(out: Path, *command: str, **env: str) -> str:
    """Run a program in the bundle, with nothing but its own environment."""
    argv = ["/usr/sbin/chroot", str(out), *command]
    return subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout


def program(path: Path, body: str) -> Path:
    """Compile a program."""
    return compile_c(path, f"{HEADERS}\nint main(int n, char **v) {{ {body} }}")


HEADERS = "\n".join(
    f"#include <{name}.h>"
    for name in ("dlfcn", "grp", "iconv", "locale", "netdb", "pwd", "stdio", "stdlib", "time")
)


def test_names_are_looked_up(tmp_path: Path) -> None:
    looks = program(
        tmp_path / "looks",
        'struct addrinfo *a; struct servent *s = getservbyname("https", "tcp");'
        'return getaddrinfo("127.0.0.1", "http", 0, &a) || !s;',
    )
    out = packed(tmp_path, "--with", "nss", looks)
    run(out, str(looks))
    assert (out / "etc/nsswitch.conf").is_file()


def test_the_named_zones_are_there_and_no_others(tmp_path: Path) -> None:
    out = packed(tmp_path, "--with", "zones=Europe/Berlin", "/bin/date")
    assert run(out, "/bin/date", "-d@0", "+%Z", TZ="Europe/Berlin") == "CET\n"
    assert not (out / "usr/share/zoneinfo/Africa").exists()


def test_the_named_character_sets_are_converted_and_no_others(tmp_path: Path) -> None:
    opens = program(
        tmp_path / "opens", 'return iconv_open("UTF-8", v[1]) == (iconv_t)-1;'
    )
    out = packed(tmp_path, "--with", "gconv=latin1", opens)
    run(out, str(opens), "ISO-8859-1")
    with pytest.raises(subprocess.CalledProcessError):
        run(out, str(opens), "EUC-JP")


def test_a_locale_can_be_set(tmp_path: Path) -> None:
    sets = program(tmp_path / "sets", 'return !setlocale(LC_ALL, "C.UTF-8");')
    run(packed(tmp_path, "--with", "locale", sets), str(sets))


def test_accounts_are_those_asked_for(tmp_path: Path) -> None:
    out = packed(tmp_path, "--with", "users=app:1234:99,daemon", "/bin/true")
    names = [line.split(":")[0] for line in (out / "etc/passwd").read_text().splitlines()]
    assert names == ["root", "nobody", "app", "daemon"]
    assert "app:x:1234:99:" in (out / "etc/passwd").read_text()
    assert "app:x:99:" in (out / "etc/group").read_text()


def test_temporary_directories_are_open_to_all(tmp_path: Path) -> None:
    out = packed(tmp_path, "--with", "tmp", "/bin/true")
    assert {(out / name).stat().st_mode & 0o7777 for name in ("tmp", "var/tmp")} == {0o1777}


def test_a_shell_is_there_for_those_that_start_one(tmp_path: Path) -> None:
    starts = program(tmp_path / "starts", 'return system("exit 3") >> 8;')
    out = packed(tmp_path, "--with", "shell", starts)
    with pytest.raises(subprocess.CalledProcessError) as e:
        run(out, str(starts))
    assert e.value.returncode == 3


@pytest.mark.needs("busybox")
def test_the_applets_of_busybox_are_never_over_the_bundles_own(tmp_path: Path) -> None:
    out = packed(tmp_path, "--with", "busybox", "/bin/ls")
    assert not (out / "bin/ls").is_symlink() or os.readlink(out / "bin/ls") != "busybox"
    assert run(out, "/bin/echo", "hi") == "hi\n"


def test_a_library_that_a_program_names_is_found_as_dlopen_finds_it(tmp_path: Path) -> None:
    compile_c(tmp_path / "plug.so", "int plug;", "-shared", "-fPIC")
    loads = compile_c(
        tmp_path / "loads",
        f'{HEADERS}\nint main() {{ return !dlopen("plug.so", RTLD_NOW); }}',
        "-Wl,-rpath,$ORIGIN",
    )
    run(packed(tmp_path, "--with", "auto", loads), str(loads))


def test_auto_brings_nothing_that_nothing_calls_for(tmp_path: Path) -> None:
    nothing = program(tmp_path / "nothing", "return 0;")
    done(magicpak(nothing, tmp_path / "plain", cwd=tmp_path))
    out = packed(tmp_path, "--with", "auto", nothing)
    files = [sorted(p.relative_to(o) for p in o.rglob("*")) for o in (tmp_path / "plain", out)]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("name", "most"),
    [("ls", 1_000), ("jq", 1_000), ("patchelf", 0), ("clang-format", 200_000), ("file", 9_000_000),
     ("strace", 1_000)],
)  # fmt: skip
def test_auto_brings_no_more_than_a_program_can_use(tmp_path: Path, name: str, most: int) -> None:
    """clang-format names a directory above all of /usr, and libxml2 imports iconv_open."""
    sizes = [
        pack(Options((name,), str(tmp_path / "out"), with_data=with_data, dry_run=True))
        for with_data in ((), ("auto",))
    ]
    assert sizes[1].size - sizes[0].size <= most
    assert not [path for path, _ in sizes[1].facts.bundle if "/gconv/" in path]


def test_what_is_left_out_of_auto_is_not_brought(tmp_path: Path) -> None:
    looks = program(tmp_path / "looks", 'return !getpwnam("root");')
    out = packed(tmp_path, "--with", "auto", "--without", "users", looks)
    assert not (out / "etc/passwd").exists()


@pytest.mark.needs("python3")
def test_a_script_has_its_modules_and_its_standard_library(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("value = 'beside'\n")
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/python3\nimport json, beside\nprint(json.dumps(beside.value))\n")
    script.chmod(0o755)
    out = packed(tmp_path, "--with", "auto", script)
    assert run(out, str(script)) == '"beside"\n'


def test_an_input_without_a_slash_is_found_on_path(tmp_path: Path) -> None:
    assert (packed(tmp_path, "true") / "usr/bin/true").exists()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("nosuch", "--with nosuch is no kind of run-time data; known are"),
        ("zone", "--with zone is no kind of run-time data; did you mean zones?"),
        ("nss=1", "--with nss=1: nss takes no value"),
        ("zones=", "--with zones=: zones has an empty value"),
        ("zones=Mars/Base", "/usr/share/zoneinfo/Mars/Base is not here"),
        ("zones=../../../etc", "/usr/share/zoneinfo/../../../etc is not here"),
        ("users=none-such", "no user none-such is here; give it a number: none-such:1000"),
        ("gconv=none-such", "no module converts none-such"),
        ("locale=xx_XX", "the locale xx_XX is not made here"),
        ("terminfo=none-such", "no terminal of the name none-such"),
    ],
)
def test_what_cannot_be_brought_is_an_error(tmp_path: Path, value: str, text: str) -> None:
    assert text in failed(magicpak("--with", value, "/bin/true", "out", cwd=tmp_path))
    assert not (tmp_path / "out").exists()


def test_what_would_be_looked_for_in_vain_is_told_with_its_option(tmp_path: Path) -> None:
    looks = program(tmp_path / "looks", 'struct addrinfo *a; return getaddrinfo("x", 0, 0, &a);')
    assert done(magicpak(looks, tmp_path / "out", cwd=tmp_path)) == [
        "warning: looks looks up host names (getaddrinfo): the bundle lacks what that takes; "
        "add --with nss"
    ]
    assert done(magicpak("-i/etc/nsswitch.conf", looks, tmp_path / "o2", cwd=tmp_path)) == []
    assert done(magicpak("--with=auto", looks, tmp_path / "o3", cwd=tmp_path)) == []


def test_a_program_that_executes_a_shell_itself_starts_one(tmp_path: Path) -> None:
    source = '#include <unistd.h>\nint main() { return execl("/bin/sh", "sh", "-c", "x", NULL); }'
    starts = compile_c(tmp_path / "starts", source)
    (line,) = done(magicpak(starts, tmp_path / "out", cwd=tmp_path))
    assert line == ("warning: starts starts a shell (/bin/sh): the bundle lacks what that takes; "
                    "add --with shell")  # fmt: skip


def test_only_a_shell_is_told_with_auto(tmp_path: Path) -> None:
    starts = program(tmp_path / "starts", 'return system("x") + !getpwnam("x");')
    (line,) = done(magicpak("--with=auto", starts, tmp_path / "out", cwd=tmp_path))
    assert line.endswith("add --with shell")

"""What belongs to a program: what it names, what is called as it is, and its configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from support.command import magicpak, paths
from support.packages import dpkg, look_at, stanza
from support.programs import compile_c

ITSELF = "/usr/bin/app"


class Brought(NamedTuple):
    """What is in a bundle beside the program, and what was told."""

    paths: set[str]
    told: str


def bring(
    tmp_path: Path,
    packages: Mapping[str, Iterable[str]],
    *stanzas: str,
    names: Iterable[str] = (),
    contents: Mapping[str, str] | None = None,
    unowned: Iterable[str] = (),
    program: str = ITSELF,
    users: bool = False,
) -> Brought:
    """Bundle a program of a root with these packages."""
    root = tmp_path / "root"
    files = {path[1:]: "" for paths in packages.values() for path in paths}
    files |= {path[1:]: "" for path in unowned}
    files |= {path[1:]: text for path, text in (contents or {}).items()}
    folders = {path: "" for path in files if path.endswith("/")}
    look_at(root, {path: text for path, text in files.items() if path not in folders}
            | dpkg(packages, *stanzas))  # fmt: skip
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
    texts = ", ".join(f'"{name}"' for name in names)
    compile_c(
        root / program[1:],
        f"const char *const names[] = {{ {texts or 0} }}; void _start(void) {{ }}",
        "-nostdlib", "-static", "-O0",
    )  # fmt: skip
    about = ("--with=auto", "--with=users" if users else "--without=users")
    run = magicpak("--sysroot", root, *about, program, tmp_path / "out")
    assert run.returncode == 0, run.stderr
    return Brought(paths(tmp_path / "out") - {program}, run.stderr)


def test_it_has_what_it_names_of_its_own_package_and_of_no_other(tmp_path: Path) -> None:
    own, other = "/usr/share/thing/data", "/usr/share/other/data"
    packages = {"app": [ITSELF, own], "other": [other]}
    assert bring(tmp_path, packages, names=[own, "/usr/share/other"]).paths == {own}


def test_it_has_what_it_names_of_a_package_that_its_own_depends_on(tmp_path: Path) -> None:
    data = "/usr/share/thing/data"
    packages = {"app": [ITSELF], "app-data": [data]}
    stanzas = (stanza("app", "Depends: libc6, app-data (>= 1)"), stanza("app-data"))
    assert bring(tmp_path, packages, *stanzas, names=["/usr/share/thing"]).paths == {data}


def test_it_has_the_directory_that_is_called_as_it_is(tmp_path: Path) -> None:
    data = "/usr/share/app-data/table"
    packages = {"app": [ITSELF], "app-data": [data], "apples": ["/usr/share/apples/x"]}
    of_app = stanza("app-data", "Source: app", architecture="all")
    stanzas = (stanza("app"), of_app, stanza("apples"))
    assert bring(tmp_path, packages, *stanzas).paths == {data}


def test_a_directory_is_there_already_because_of_the_program_in_it(tmp_path: Path) -> None:
    itself, beside = "/usr/lib/thing/bin/app", "/usr/lib/thing/data"
    packages = {"app": [itself, beside]}
    assert bring(tmp_path, packages, names=["/usr/lib/thing"], program=itself).paths == {beside}


def test_a_server_has_its_configuration_and_what_that_names(tmp_path: Path) -> None:
    main, extra, run = "/etc/app/main.conf", "/etc/app/conf.d/made", "/usr/lib/thing/plugin"
    packages = {"app": [ITSELF, main, run, "/etc/init.d/app", "/etc/logrotate.d/app"]}
    found = bring(
        tmp_path, packages,
        contents={main: f"load {run}\nlog /var/log/thing/log\npid = /var/lib/thing/pid\n"},
        unowned=["/var/log/thing/", "/var/log/thing/log", "/var/lib/thing/", extra],
    )  # fmt: skip
    assert found.paths == {main, run, extra}
    assert (tmp_path / "out/var/log/thing").is_dir()
    assert (tmp_path / "out/var/lib/thing").is_dir()


def test_a_link_of_the_configuration_leads_to_its_file(tmp_path: Path) -> None:
    main, other, enabled = "/etc/app/main.conf", "/etc/other.conf", "/etc/app/enabled"
    link = tmp_path / "root" / enabled[1:]
    link.parent.mkdir(parents=True)
    link.symlink_to(f"..{other.removeprefix('/etc')}")
    packages = {"app": [ITSELF, main], "other": [other]}
    assert bring(tmp_path, packages).paths == {main, other, enabled}


def test_the_interpreter_of_a_program_of_the_configuration_is_there(tmp_path: Path) -> None:
    main, helper, interpreter = "/etc/app/main.conf", "/usr/share/app/helper", "/usr/bin/other"
    place = tmp_path / "root" / helper[1:]
    place.parent.mkdir(parents=True)
    place.touch(0o755)
    compile_c(tmp_path / "root" / interpreter[1:], "void _start(void) { }", "-nostdlib", "-static")
    found = bring(
        tmp_path, {"app": [ITSELF, main, helper]},
        contents={main: f"run {helper}", helper: f"#!{interpreter}\n"},
    )  # fmt: skip
    assert found.paths == {main, helper, interpreter}


def test_secrets_in_a_configuration_are_left_out_with_a_warning(tmp_path: Path) -> None:
    main, key = "/etc/app/main.conf", "/etc/app/tls"
    text = "-----BEGIN PRIVATE KEY-----\nabc\n"
    found = bring(tmp_path, {"app": [ITSELF, main, key]}, contents={key: text})
    assert found.paths == {main}
    assert "/etc/app/tls is left out: it holds private keys" in found.told


def test_the_accounts_of_settings_are_there_and_words_are_none(tmp_path: Path) -> None:
    settings = "user = mail\nFileGroup: adm\nsend news to the proxy, as www-data\n"
    accounts = {
        "/etc/passwd": "".join(f"{name}:x:{number}:{number}::/:/bin/false\n" for number, name in
                               enumerate(("root", "mail", "news", "proxy", "www-data", "irc"))),
        "/etc/group": "adm:x:4:\nmail:x:1:\nstaff:x:50:\n",
    }  # fmt: skip
    packages = {"app": [ITSELF, "/etc/app.conf"]}
    bring(tmp_path, packages, contents={"/etc/app.conf": settings, **accounts}, users=True)
    names = [line.split(":")[0] for line in (tmp_path / "out/etc/passwd").read_text().splitlines()]
    assert names == ["root", "nobody", "mail", "www-data"]
    assert "adm:x:4:" in (tmp_path / "out/etc/group").read_text().splitlines()


def test_of_a_collection_of_programs_one_has_only_what_is_its_own(tmp_path: Path) -> None:
    programs = [f"/usr/bin/tool{number}" for number in range(20)]
    packages = {"app": [ITSELF, "/etc/app.conf", "/usr/libexec/tools/helper", *programs]}
    assert bring(tmp_path, packages).paths == {"/etc/app.conf"}

"""Run-time data comes from the files of a sysroot, for any libc and machine; nothing is run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.command import done, magicpak, paths
from support.packages import dpkg, look_at, stanza
from support.programs import compile_c

PROGRAM = r"""
#include <iconv.h>
#include <locale.h>
#include <netdb.h>
#include <pwd.h>
#include <stdlib.h>
const char *zones = "/usr/share/zoneinfo", *locale = "C.UTF-8";
int main(int count, char **names) {
    char made[] = "/tmp/XXXXXX";
    struct addrinfo *found;
    iconv_open("UTF-8", names[0]);
    setlocale(LC_ALL, locale);
    return getaddrinfo(names[0], zones, 0, &found) + !getpwnam("app") + mkstemp(made);
}
"""
DATA = {
    "etc/nsswitch.conf": "passwd: files\nhosts: files dns [!UNAVAIL=return] mdns4\n",
    "etc/services": "http 80/tcp\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:900:901::/:/bin/false\n"
                  "anna:x:1000:1000::/home/anna:/bin/sh\n",
    "etc/group": "root:x:0:\napp:x:901:\nstaff:x:50:\n",
    "usr/share/zoneinfo/Europe/Berlin": "TZif2",
    "usr/share/zoneinfo/posix/Europe/Berlin": "TZif2",
    "usr/lib/locale/C.utf8/LC_CTYPE": "ctype",
    "lib/libnss_mdns4.so.2": "", "lib/libnss_ldap.so.2": "",
    "lib/gconv/gconv-modules": "alias LATIN1// ISO-8859-1//\n"
                               "module ISO-8859-1// INTERNAL ISO8859-1 1\n"
                               "module INTERNAL ISO-8859-1// ISO8859-1 1\n"
                               "module EBCDIC-US// INTERNAL EBCDIC-US 1\n",
    "lib/gconv/gconv-modules.cache": "cache",
    "lib/gconv/ISO8859-1.so": "", "lib/gconv/EBCDIC-US.so": "",
}  # fmt: skip


def static(path: Path) -> None:
    """Make a program that needs nothing."""
    compile_c(path, "void _start(void) { }", "-nostdlib", "-static")


def cross_compiled(root: Path) -> None:
    """Make a root of another architecture with a program."""
    look_at(root, DATA)
    system = Path("/usr/aarch64-linux-gnu/lib")
    for name in ("libc.so.6", "ld-linux-aarch64.so.1"):
        shutil.copy(system / name, root / "lib")
    (root / "code.c").write_text(PROGRAM)
    subprocess.run(["aarch64-linux-gnu-gcc", root / "code.c", "-o", root / "program"], check=True)


@pytest.mark.needs("aarch64-linux-gnu-gcc")
def test_a_program_of_another_architecture_has_the_data_of_its_tree(tmp_path: Path) -> None:
    cross_compiled(tmp_path / "root")
    out = tmp_path / "out"
    done(magicpak("--sysroot", tmp_path / "root", "--with=auto", "/program", out))
    assert {
        "/lib/libnss_mdns4.so.2", "/etc/services", "/usr/lib/locale/C.utf8/LC_CTYPE",
        "/usr/share/zoneinfo/Europe/Berlin", "/lib/gconv/ISO8859-1.so",
    } <= paths(out)  # fmt: skip
    assert (out / "tmp").is_dir()
    assert (out / "etc/nsswitch.conf").read_text() == DATA["etc/nsswitch.conf"]
    passwd = (out / "etc/passwd").read_text().splitlines()
    assert [line.split(":")[0] for line in passwd] == ["root", "nobody", "app"]
    assert "app:x:901:" in (out / "etc/group").read_text().splitlines()
    assert paths(out).isdisjoint({
        "/lib/libnss_ldap.so.2", "/lib/gconv/EBCDIC-US.so", "/lib/gconv/gconv-modules.cache",
        "/usr/share/zoneinfo/posix/Europe/Berlin",
    })  # fmt: skip


@pytest.mark.needs("aarch64-linux-gnu-gcc")
def test_the_configuration_of_character_sets_names_those_that_are_there(tmp_path: Path) -> None:
    cross_compiled(tmp_path / "root")
    out = tmp_path / "out"
    done(magicpak("--sysroot", tmp_path / "root", "--with=gconv=LATIN1", "/program", out))
    lines = (out / "lib/gconv/gconv-modules").read_text().splitlines()
    assert lines == DATA["lib/gconv/gconv-modules"].splitlines()[:3]


@pytest.mark.needs("musl-gcc")
def test_musl_has_what_it_reads_and_nothing_of_glibc(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    look_at(root, DATA)
    shutil.copy("/lib/ld-musl-x86_64.so.1", root / "lib")
    (root / "code.c").write_text(PROGRAM)
    subprocess.run(["musl-gcc", root / "code.c", "-o", root / "program"], check=True)
    done(magicpak("--sysroot", root, "--with=auto", "/program", out))
    assert {"/etc/passwd", "/usr/share/zoneinfo/Europe/Berlin", "/etc/services"} <= paths(out)
    assert not any(name in path for path in paths(out) for name in ("libnss", "gconv", "locale"))


def test_zones_bring_the_zone_of_the_host(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    berlin = "/usr/share/zoneinfo/Europe/Berlin"
    look_at(root, {**DATA, "usr/share/zoneinfo/UTC": ""}, {"etc/localtime": berlin})
    static(root / "program")
    magicpak("--sysroot", root, "--with=zones=UTC", "/program", out)
    zones = {path for path in paths(out) if "zone" in path or "localtime" in path}
    assert zones == {"/etc/localtime", berlin, "/usr/share/zoneinfo/UTC"}


def test_catalogues_of_the_named_languages_come_with_their_locales(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    catalogues = {
        language: f"/usr/share/locale/{language}/LC_MESSAGES/app.mo"
        for language in ("de", "de_AT", "fr", "pt")
    }
    data = {path[1:]: "" for path in catalogues.values()}
    data |= {f"usr/lib/locale/{name}/LC_CTYPE": "" for name in ("de_DE.utf8", "fr_FR.utf8")}
    packages = {"app": ["/program", catalogues["de"], catalogues["de_AT"]],
                "app-data": [catalogues["fr"]], "other": [catalogues["pt"]]}  # fmt: skip
    stanzas = (stanza("app", "Depends: app-data"), stanza("app-data", "Source: app"),
               stanza("other"))  # fmt: skip
    look_at(root, data | dpkg(packages, *stanzas))
    static(root / "program")
    magicpak("--sysroot", root, "--with=locale=de_DE.UTF-8,fr_FR.UTF-8", "/program", out)
    found = {path for path in paths(out) if path.endswith(".mo")}
    assert found == {catalogues["de"], catalogues["fr"]}

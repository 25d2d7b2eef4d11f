"""Which files of a package are for run time."""

from __future__ import annotations

import pytest

from magicpak.inventory.run_time import run_time_files
from support.packages import listing


def kept(*paths: str, languages: tuple[str, ...] = ()) -> list[str]:
    listed = [path for path in listing(*paths).splitlines() if path != "/."]
    return list(run_time_files(listed, languages))


@pytest.mark.parametrize("path", [
    "/usr/bin/tool",
    "/etc/tool.conf",
    "/etc/default/tool",
    "/usr/lib/x86_64-linux-gnu/libtool.so.1",
    "/usr/lib/x86_64-linux-gnu/libtool.so",
    "/usr/lib/locale/C.utf8/LC_CTYPE",
    "/usr/lib/tool/include/plugin.so",
    "/usr/lib/tool/man.txt",
    "/usr/share/locale/locale.alias",
    "/usr/share/mandoc.css",
    "/usr/share/tool/doc/shown-by-the-tool.html",
    "/usr/share/zoneinfo/Europe/Berlin",
    "/usr/share/ca-certificates/mozilla/A.crt",
    "/var/lib/tool",
])  # fmt: skip
def test_what_a_program_uses_stays(path: str) -> None:
    assert kept(path) == [path]


@pytest.mark.parametrize("path", [
    "/usr/share/doc/tool/copyright",
    "/usr/share/doc/tool",
    "/usr/share/doc-base/tool",
    "/usr/share/info/tool.info.gz",
    "/usr/share/licenses/tool/LICENSE",
    "/usr/share/man/man1/tool.1.gz",
    "/usr/share/man/de/man1/tool.1.gz",
    "/usr/share/locale/de/LC_MESSAGES/tool.mo",
    "/usr/share/locale/de/LC_TIME/coreutils.mo",
    "/usr/share/locale-langpack/de/LC_MESSAGES/tool.mo",
    "/usr/include/tool.h",
    "/usr/include/x86_64-linux-gnu/bits/tool.h",
    "/usr/lib/x86_64-linux-gnu/libtool.a",
    "/usr/lib/libtool.la",
    "/lib/libtool.a",
    "/usr/lib64/pkgconfig/tool.pc",
    "/usr/lib/x86_64-linux-gnu/pkgconfig/tool.pc",
    "/usr/share/pkgconfig/tool.pc",
    "/usr/lib/x86_64-linux-gnu/cmake/tool/tool-config.cmake",
    "/usr/share/aclocal/tool.m4",
    "/usr/lib/debug/.build-id/00/11.debug",
    "/usr/lib/.build-id/00/11",
    "/etc/bash_completion.d/tool",
    "/usr/share/bash-completion/completions/tool",
    "/usr/share/zsh/vendor-completions/_tool",
    "/usr/share/fish/vendor_completions.d/tool.fish",
    "/usr/share/lintian/overrides/tool",
    "/usr/share/bug/tool/script",
])  # fmt: skip
def test_what_nothing_uses_at_run_time_is_left_out(path: str) -> None:
    assert kept(path) == []
    assert kept(path, "/usr/bin/tool") == ["/usr/bin/tool"]


@pytest.mark.parametrize(("language", "directories"), [
    ("de", {"de"}),
    ("de_DE.UTF-8", {"de", "de_DE", "de_DE.UTF-8"}),
    ("ca@valencia", {"ca", "ca@valencia"}),
    ("sr_RS@latin", {"sr", "sr@latin", "sr_RS"}),
    ("C", set()),
    ("", set()),
])  # fmt: skip
def test_translations_into_the_chosen_languages_stay(language: str, directories: set[str]) -> None:
    there = "ca", "ca@valencia", "de", "de_DE", "de_DE.UTF-8", "de_AT", "sr", "sr@latin", "sr_RS"
    paths = {f"/usr/share/locale/{each}/LC_MESSAGES/tool.mo": each for each in there}
    found = kept(*paths, languages=("fr", language))
    assert {paths[path] for path in found} == directories


def test_a_directory_stays_only_where_the_package_has_nothing_in_it() -> None:
    paths = ("/usr/share/man/man1/tool.1", "/var/lib/tool", "/var/log/tool/log")
    assert kept(*paths) == ["/var/lib/tool", "/var/log/tool/log"]

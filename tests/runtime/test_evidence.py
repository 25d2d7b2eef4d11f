"""Evidence is specific: what an object names, and who is near to a program."""

from __future__ import annotations

import platform
import re
import shutil
from pathlib import Path

import pytest

from magicpak import Options, pack
from magicpak.errors import Unsupported
from magicpak.runtime import asked, literal
from magicpak.runtime.kinds import KINDS
from magicpak.runtime.locales import normalized
from magicpak.runtime.ruled import prefix
from magicpak.runtime.rules import RULES
from magicpak.runtime.subject import found_in


def test_paths_and_libraries_are_found_among_other_bytes() -> None:
    piece = b"\1x/etc/app/app.conf\0%s: libfoo.so.2\0$ORIGIN/plug.so\0TZ=\"\0"
    found = found_in([piece, b"share/app/data\0.sofa\0"])
    assert {"/etc/app/app.conf", "share/app/data"} <= found.paths
    assert {"libfoo.so.2", "$ORIGIN/plug.so"} <= found.libraries
    assert not any("sofa" in name for name in found.libraries)
    assert found.words == {'TZ="'}


def test_a_path_in_the_middle_of_a_text_is_an_example_and_no_evidence() -> None:
    found = found_in([b"\0usage: base /usr/bin/sort .c\0default: /etc/app.conf\0x=/opt/app/x \0"])
    assert found.paths == {"/etc/app.conf", "/opt/app/x"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/usr/share/app/data", True),
        ("share/app", True),
        ("/etc/app", True),
        ("/usr/lib/../share/app", True),
        ("/usr/share", False),
        ("/usr/lib/x86_64-linux-gnu", False),
        ("/usr/lib/..", False),
        ("/usr/share/app/../data", True),
        ("/etc/passwd", False),
        ("/etc/shadow", False),
        ("/etc/ssl/private", False),
        ("/proc/self/maps", False),
        ("/usr/share/locale", False),
    ],
)
def test_what_many_programs_share_or_what_is_secret_is_not_a_programs_own(
    text: str, kept: bool
) -> None:
    assert bool(literal.paths([text], "/usr")) is kept


@pytest.mark.parametrize(
    ("path", "above"),
    [
        ("/usr/bin/app", "/usr"),
        ("/usr/lib/x86_64-linux-gnu/libapp.so.1", "/usr"),
        ("/bin/app", ""),
        ("/opt/app/bin/app", "/opt/app"),
        ("/opt/app/tool", "/opt"),
    ],
)
def test_the_prefix_is_above_bin_and_lib(path: str, above: str) -> None:
    assert prefix(path) == above


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_can_be_read(rule: object) -> None:
    kinds = {kind.name for kind in KINDS}
    names = [each.name for each in RULES]
    assert names.count(rule.name) == 1  # type: ignore[attr-defined]
    assert rule.name not in kinds  # type: ignore[attr-defined]
    for pattern in (rule.program, rule.library, rule.but):  # type: ignore[attr-defined]
        re.compile(pattern)
    assert rule.program or rule.library  # type: ignore[attr-defined]
    used = {text.partition("=")[0] for text in rule.kinds.split()}  # type: ignore[attr-defined]
    assert used <= kinds
    assert set(rule.instead.split()) <= set(names)  # type: ignore[attr-defined]


def test_values_of_one_kind_are_gathered() -> None:
    found = asked.parse(["zones=A/B", "zones=C,A/B", "auto", "python"], ["nss"])
    assert found.kinds == {"zones": ("A/B", "C")}
    assert (found.auto, found.rules, found.without) == (True, {"python"}, {"nss"})


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(Unsupported, match="did you mean users"):
        asked.parse(["user"], [])


def test_a_code_set_is_spelled_as_in_the_directories() -> None:
    assert normalized("de_DE.UTF-8") == "de_DE.utf8"
    assert normalized("de_DE.ISO-8859-15@euro") == "de_DE.iso885915@euro"
    assert normalized("C.UTF-8") == "C.utf8"


@pytest.mark.parametrize(
    "name", ["addr2line", "ar", f"{platform.machine()}-linux-gnu-objdump", "dash"]
)
def test_tools_beside_a_compiler_and_shells_call_for_nothing(tmp_path: Path, name: str) -> None:
    if not shutil.which(name):
        pytest.fail(f"{name} is not installed")
    facts = pack(Options((name,), str(tmp_path / "out"), dry_run=True)).facts
    assert facts.hints == ()

"""A tool is found, or told with what installs it on this system."""

from __future__ import annotations

from pathlib import Path

import pytest

from magicpak.system import tools
from magicpak.system.tools import ToolNotFound


def test_a_program_is_found_by_name_or_by_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert tools.find(str(tool), "upx", "--upx") == str(tool)
    assert tools.find("./tool", "upx", "--upx") == "./tool"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.find("tool", "upx", "--upx") == str(tool)


@pytest.mark.parametrize("name", ["no-such-tool", "/no/such/tool", "", "/etc/passwd", "/bin"])
def test_a_program_that_cannot_be_found_is_told_with_what_to_install(name: str) -> None:
    with pytest.raises(ToolNotFound) as raised:
        tools.find(name, "strace", "--strace")
    assert str(raised.value) == (
        f"Unable to locate executable '{name}': cannot find binary path; "
        f"install it (apt-get install strace) or name it with --strace"
    )


@pytest.mark.parametrize(
    ("tool", "manager", "command"),
    [
        ("upx", "apt-get", "apt-get install upx-ucl"),
        ("upx", "zypper", "zypper install upx"),
        ("upx", "dnf", "dnf install upx"),
        ("cc", "apk", "apk add gcc musl-dev"),
        ("busybox", "apk", "apk add busybox-static"),
        ("strace", "pacman", "pacman -S strace"),
        ("grep", "apt-get", None),
    ],
)
def test_a_tool_is_installed_as_this_system_does(
    tool: str, manager: str, command: str | None
) -> None:
    assert tools.installation(tool, manager, "trixie") == command


MIRROR = (
    "$(apt-get indextargets --no-release-info --format '$(REPO_URI)' "
    "'Created-By: Packages' 'Component: main' 'Release: bookworm' | head -n 1)"
)
BACKPORTS = (
    f'echo "deb {MIRROR} bookworm-backports main" '
    ">/etc/apt/sources.list.d/bookworm-backports.list && apt-get update && "
    "apt-get install -t bookworm-backports upx-ucl"
)


@pytest.mark.parametrize(
    ("tool", "manager", "release", "command"),
    [
        ("upx", "apt-get", "bookworm", BACKPORTS),
        ("upx", "apt-get", "bullseye", "apt-get install upx-ucl"),
        ("upx", "apt-get", "noble", "apt-get install upx-ucl"),
        ("upx", "apt-get", "", "apt-get install upx-ucl"),
        ("upx", "dnf", "bookworm", "dnf install upx"),
        ("strace", "apt-get", "bookworm", "apt-get install strace"),
        ("busybox", "apt-get", "bookworm", "apt-get install busybox-static"),
    ],
)
def test_what_a_release_lacks_comes_from_its_backports(
    tool: str, manager: str, release: str, command: str
) -> None:
    assert tools.installation(tool, manager, release) == command


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ID=debian\nVERSION_CODENAME=bookworm\n", "bookworm"),
        ('VERSION_CODENAME="noble"', "noble"),
        ("VERSION_CODENAME=''\n", ""),
        ("DEBIAN_VERSION_CODENAME=bookworm\n", ""),
        ("ID=alpine\n", ""),
    ],
)
def test_the_release_is_what_os_release_tells(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "os-release").write_text(text)
    places = [str(tmp_path / "absent"), str(tmp_path / "os-release")]
    assert tools.release(places) == name
    assert tools.release(places[:1]) == ""


@pytest.mark.parametrize("tool", tools.PACKAGES)
@pytest.mark.parametrize("manager", tools.MANAGERS)
def test_each_tool_has_a_package_everywhere(tool: str, manager: str) -> None:
    command = tools.installation(tool, manager, "")
    assert command is not None
    assert command.startswith(f"{tools.MANAGERS[manager]} ")


def test_the_package_manager_is_the_one_that_is_there() -> None:
    assert tools.manager(lambda path: path.endswith("/dnf")) == "dnf"
    assert tools.manager(lambda _path: False) == "apt-get"

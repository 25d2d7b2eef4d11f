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
        tools.find(name, "upx", "--upx")
    assert str(raised.value) == (
        f"Unable to locate executable '{name}': cannot find binary path; "
        f"install it (apt-get install upx-ucl) or name it with --upx"
    )


@pytest.mark.parametrize(
    ("tool", "manager", "command"),
    [
        ("upx", "apt-get", "apt-get install upx-ucl"),
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
    assert tools.installation(tool, manager) == command


@pytest.mark.parametrize("tool", tools.PACKAGES)
@pytest.mark.parametrize("manager", tools.MANAGERS)
def test_each_tool_has_a_package_everywhere(tool: str, manager: str) -> None:
    command = tools.installation(tool, manager)
    assert command is not None
    assert command.startswith(f"{tools.MANAGERS[manager]} ")


def test_the_package_manager_is_the_one_that_is_there() -> None:
    assert tools.manager(lambda path: path.endswith("/dnf")) == "dnf"
    assert tools.manager(lambda _path: False) == "apt-get"

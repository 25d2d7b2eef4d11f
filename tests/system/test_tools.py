"""The next step after a missing tool is the one of this system."""

from __future__ import annotations

import pytest

from magicpak.system import tools


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

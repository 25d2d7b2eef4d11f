"""Pack a small program in this process, with what patterns match of a test's own files."""

from __future__ import annotations

from pathlib import Path

from magicpak import Options, pack
from support.command import paths


def write(path: Path, content: str = "content") -> Path:
    """Write a file, and make the directories that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def symlink(path: Path, text: str | Path) -> Path:
    """Make a link, and the directories that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(text)
    return path


def simple(output: str | Path, **options: object) -> None:
    """Bundle a small program."""
    pack(Options(("/bin/true",), str(output), **options))  # type: ignore[arg-type]


def bundled(tmp_path: Path, *include: str | Path, **options: object) -> Path:
    """Bundle what patterns match, beside a program; return OUTPUT."""
    out = tmp_path / "out"
    simple(out, include=tuple(str(pattern) for pattern in include), **options)
    return out


def below(out: Path, tmp_path: Path) -> set[str]:
    """List what is bundled of the test's own directory."""
    prefix = f"{tmp_path}/"
    return {path.removeprefix(prefix) for path in paths(out) if path.startswith(prefix)}

"""The library: what the command does, by ``Options`` and ``pack``."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import magicpak as library
from magicpak import MagicpakError, Options, Report, pack
from support.command import facts, magicpak, paths


def test_pack_does_what_the_command_does(tmp_path: Path) -> None:
    options = Options(
        inputs=("/bin/true", "/bin/false"), output=str(tmp_path / "one"),
        include=("/etc/pass*",), exclude=("*-",), mkdir=("/tmp",), install_to="/opt/",
    )  # fmt: skip
    report = pack(options)
    magicpak(
        "-i", "/etc/pass*", "-e", "*-", "--mkdir", "/tmp", "-r", "/opt/",
        "/bin/true", "/bin/false", tmp_path / "two",
    )  # fmt: skip
    assert facts(tmp_path / "one") == facts(tmp_path / "two")
    files = [p for p in (tmp_path / "one").rglob("*") if p.is_file() and not p.is_symlink()]
    assert report == Report(len(files), sum(path.stat().st_size for path in files))
    assert {"/opt/true", "/opt/false", "/etc/passwd"} <= paths(tmp_path / "one")


def test_pack_raises_what_the_command_prints(tmp_path: Path) -> None:
    with pytest.raises(MagicpakError) as raised:
        pack(Options(inputs=("/no/such/app",), output=str(tmp_path / "out")))
    assert str(raised.value) == "IO error: No such file or directory (os error 2): /no/such/app"
    assert list(tmp_path.iterdir()) == []


def test_pack_prints_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from magicpak import Options, pack\n"
        "pack(Options(('/bin/true',), sys.argv[1], include=('/nothing*',)))"
    )
    # In a process of its own: pytest sets logs up.
    run = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "out"], capture_output=True, text=True, check=True
    )
    assert (run.stdout, run.stderr) == ("", "")
    assert "/bin/true" in paths(tmp_path / "out")


def test_pack_can_be_called_again_and_from_a_thread(tmp_path: Path) -> None:
    code = (
        "import sys, threading; from magicpak import Options, pack\n"
        "def one(n): pack(Options(('/bin/true',), f'{sys.argv[1]}/{n}'))\n"
        "runs = [threading.Thread(target=one, args=(n,)) for n in range(4)]\n"
        "[run.start() for run in runs]; [run.join() for run in runs]"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    assert all("/bin/true" in paths(tmp_path / str(n)) for n in range(4))


def test_progress_is_shown_by_what_the_caller_gives(tmp_path: Path) -> None:
    import contextlib
    from collections.abc import Callable, Iterator

    counts: list[int] = []
    totals: list[int] = []

    @contextlib.contextmanager
    def show(total: int) -> Iterator[Callable[[int], None]]:
        totals.append(total)
        yield counts.append

    report = pack(Options(("/bin/true",), str(tmp_path / "out")), show=show)
    assert totals == [report.size]
    assert sum(counts) == report.size


def test_options_are_a_value() -> None:
    options = Options(("/bin/true",), "out")
    assert options == Options(inputs=("/bin/true",), output="out")
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.output = "other"  # type: ignore[misc]


def test_paths_and_sequences_of_any_kind_are_taken() -> None:
    given: Any = ([Path("/bin/true"), b"/bin/a\xff"], Path("out"))
    assert Options(*given) == Options(("/bin/true", "/bin/a\udcff"), "out")


@pytest.mark.parametrize("name", ["inputs", "include", "exclude", "mkdir"])
def test_a_text_is_not_taken_for_several(name: str) -> None:
    given: Any = {"inputs": ("/bin/true",), "output": "out", name: "/etc"}
    with pytest.raises(TypeError, match=f"{name} takes several"):
        Options(**given)


def test_nothing_to_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MagicpakError, match="name an executable"):
        pack(Options((), str(tmp_path / "out")))


def test_importing_the_package_imports_no_more_than_it_has_to() -> None:
    heavy = ("click", "rich", "elftools")
    code = f"import sys, magicpak; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_no_type_of_a_value_is_compiled_when_it_is_imported() -> None:
    """typing.NamedTuple compiles each annotation that is a text, before Python 3.14."""
    package = Path(inspect.getfile(library)).parent
    texts = {path: path.read_text() for path in package.rglob("*.py")}
    values = [path for path, text in texts.items() if "(NamedTuple):" in text]
    assert values
    assert not [path for path in values if "from __future__ import annotations" in texts[path]]


def test_what_the_package_offers_is_there_and_documented() -> None:
    for name in library.__all__:
        assert getattr(library, name) is not None
    assert "MagicpakError" in (inspect.getdoc(pack) or "")
    with pytest.raises(AttributeError, match="no_such_name"):
        library.no_such_name  # noqa: B018

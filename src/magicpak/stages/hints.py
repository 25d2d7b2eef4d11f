"""Report what will be missing at run time: commands that scripts name and the bundle lacks."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator

from magicpak.host import Host
from magicpak.host.programs import obstacle, search_path
from magicpak.host.script import LINE, PATH, ScriptFailed, first_line, is_shell, named
from magicpak.output.copying import opened
from magicpak.plan import Bundle, BundlePath, File, Why
from magicpak.stages.run import Run

log = logging.getLogger(__name__)

MOST = 256 << 10
"""Bytes of a script to read."""


def tell(run: Run, bundle: Bundle) -> Bundle:
    """Warn of scripts that cannot run, and log the commands that the bundle lacks for a script."""
    whole = log.isEnabledFor(logging.INFO)
    for path, file in _scripts(run.host, bundle):
        try:
            names = _names(file, whole=whole)
        except ScriptFailed as e:
            log.warning("%s", e)
            continue
        except OSError:
            continue  # writing it raises the error
        if whole and (text := _told(path, names, run.host, bundle)):
            log.info("%s", text)
    return bundle


def lacking(run: Run, bundle: Bundle) -> Iterator[str]:
    """Say for each script which commands it names and the bundle lacks."""
    for path, file in _scripts(run.host, bundle):
        with contextlib.suppress(ScriptFailed, OSError):
            if text := _told(path, _names(file, whole=True), run.host, bundle):
                yield text


def commands(run: Run, bundle: Bundle, script: str) -> list[str]:
    """List the host paths of the commands that a script names and the bundle lacks."""
    host = run.host
    with contextlib.suppress(ScriptFailed, OSError), open(host.opened(script), "rb") as stream:
        text = stream.read(LINE)
        line = first_line(script, text)
        names = named(script, line) if line else ()
        names = _commands(names, os.fsdecode(text + stream.read(MOST)))
        return [place for _, place in _lacking(names, host, bundle)]
    return []


def _names(file: File, *, whole: bool) -> tuple[str, ...]:
    """List what runs a script and, if it is read whole, the commands that it names.

    Raises ScriptFailed, OSError.
    """
    with open(opened(file), "rb") as stream:
        text = stream.read(LINE)
        line = first_line(file.source, text)
        names = named(file.source, line) if line else ()
        if names and whole:
            names += _commands(names, os.fsdecode(text + stream.read(MOST)))
    return names


def _told(path: str, names: Iterable[str], host: Host, bundle: Bundle) -> str:
    found = dict(_lacking(names, host, bundle))
    if not found:
        return ""
    options = " ".join(f"--include {place}" for place in found.values())
    return f"{path} names commands that the bundle lacks: {', '.join(found)}; perhaps add {options}"


def _scripts(host: Host, bundle: Bundle) -> Iterator[tuple[BundlePath, File]]:
    """Yield the files that may be scripts: executables that were not read as ELF files."""
    for path, item in bundle:
        file = item.entry
        if not isinstance(file, File) or file.content is not None or host.known(file.identity):
            continue
        if file.meta.mode & 0o111 or item.because(Why.INPUT):
            yield path, file


def _commands(run_by: Iterable[str], text: str) -> tuple[str, ...]:
    """List the commands that a script names, if a shell runs it."""
    if not any(map(is_shell, run_by)):
        return ()
    from magicpak.host import shell  # noqa: PLC0415  few bundles have shell scripts

    return shell.commands(text)


def _lacking(names: Iterable[str], host: Host, bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield each name that only the host has as a program, and its path there."""
    directories = [*filter(None, search_path(host).split(":")), *PATH.split(":")]
    for name in names:
        if "/" in name and not name.startswith("/"):
            continue  # it depends on the directory in which the script is run
        places = [name] if "/" in name else [f"{directory}/{name}" for directory in directories]
        if not any(map(bundle.resolve, places)):
            found = next((place for place in places if not obstacle(host, place)), None)
            if found is not None:
                yield name, found

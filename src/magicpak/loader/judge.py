"""Tell what the loss of a library means: an error, a warning, or what the user asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

from magicpak.host import Host
from magicpak.loader.errors import WillNotStart
from magicpak.loader.lost import Lost
from magicpak.loader.resolve import Root
from magicpak.plan import Bundle, BundlePath, File, Why

log = logging.getLogger(__name__)


def judge(
    losses: Iterable[Lost],
    located: Iterable[tuple[BundlePath, Root]],
    excluded: Bundle,
    host: Host,
) -> None:
    """Raise WillNotStart for a program that lost a library, unless ``excluded`` is why; or warn."""
    gone = _Gone.of(excluded)
    for loss in losses:
        present = _present(loss, located)
        if present is not None:
            _tell_present(loss, present)
        else:
            _judge(loss, gone, host)


class _Gone(NamedTuple):
    """What was excluded, by path and by file."""

    paths: frozenset[str]
    files: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, excluded: Bundle) -> _Gone:
        files = (item.entry.identity for _, item in excluded if isinstance(item.entry, File))
        return cls(frozenset(path for path, _ in excluded), frozenset(files))

    def explains(self, loss: Lost, host: Host) -> bool:
        """Tell whether it is missing because it was excluded: itself, or a link to it."""
        libraries = (*loss.root.closure.libraries, *loss.root.closure.baseline)
        named = [library for library in libraries if library.name == loss.name]
        identities = {library.elf.identity for library in named}
        places = {host.place(library.path) for library in named}
        if loss.root.loader is not None and loss.name == loss.root.loader.interpreter:
            places.add(host.place(loss.name))
            loader = host.elf(loss.name)
            identities |= {loader.identity} if loader is not None else set()
        return not (self.paths.isdisjoint(places) and self.files.isdisjoint(identities))


def _present(loss: Lost, located: Iterable[tuple[BundlePath, Root]]) -> BundlePath | None:
    """Find a library that is in the bundle, but not where the loader looks by itself."""
    if loss.starts:
        return None
    for path, root in located:
        # LD_LIBRARY_PATH goes by the name of the file, and what is loaded already by its soname.
        named = loss.root.elf.runs and path.rpartition("/")[2] == loss.name
        if named or root.elf.soname == loss.name:
            return path
    return None


def _tell_present(loss: Lost, path: str) -> None:
    """Say when it is found all the same.

    The program may have loaded it before, as Java does with libjvm.so; a script that starts the
    program may set LD_LIBRARY_PATH.
    """
    level = logging.WARNING if loss.root.elf.runs else logging.INFO
    by = "unless LD_LIBRARY_PATH has" if loss.root.elf.runs else "unless its program has loaded"
    log.log(level, "%s will not find %s, %s %s", loss.path, loss.name, by, path)


def _judge(loss: Lost, gone: _Gone, host: Host) -> None:
    """Raise where a program would not start, unless that was asked for."""
    if gone.explains(loss, host):
        log.warning("%s will not find %s: it is excluded", loss.path, loss.name)
    elif loss.root.elf.runs and not loss.starts:
        raise WillNotStart(loss.path, loss.name, loss.reason)
    else:
        log.warning("%s will not find %s in the bundle: %s", loss.path, loss.name, loss.reason)


def warn_of_excluded(excluded: Bundle) -> None:
    """Tell which of the excluded entries something needs."""
    for path, item in excluded:
        needs = [o for o in item.origins if o.why in (Why.NEEDED, Why.INTERPRETER)]
        if needs:
            log.warning("%s is excluded: %s", path, needs[0])

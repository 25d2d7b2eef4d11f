"""Report lost libraries: as an error, or as a warning."""

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
    """Raise WillNotStart for a program that needs a lost library, or warn of the loss.

    The loss of a library that the user excluded is only a warning.
    """
    removed = _Removed.of(excluded)
    for loss in losses:
        present = _present(loss, located)
        if present is not None:
            _log_present(loss, present)
        else:
            _judge(loss, removed, host)


class _Removed(NamedTuple):
    """The excluded entries, by path and by file identity."""

    paths: frozenset[str]
    files: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, excluded: Bundle) -> _Removed:
        files = (item.entry.identity for _, item in excluded if isinstance(item.entry, File))
        return cls(frozenset(path for path, _ in excluded), frozenset(files))

    def explains(self, loss: Lost, host: Host) -> bool:
        """Tell whether a library is lost because it, or a link to it, was excluded."""
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
    """Find a lost library that is in the bundle, but outside the loader's search path."""
    if loss.starts:
        return None
    for path, root in located:
        # LD_LIBRARY_PATH matches the file name; a library that is already loaded, the soname.
        named = loss.root.elf.runs and path.rpartition("/")[2] == loss.name
        if named or root.elf.soname == loss.name:
            return path
    return None


def _log_present(loss: Lost, path: str) -> None:
    """Log the condition under which the loader finds the library.

    A script that starts the program may set LD_LIBRARY_PATH. A program may load the library before
    it loads the object, as Java does with libjvm.so.
    """
    if loss.root.elf.runs:
        level, condition = logging.WARNING, "LD_LIBRARY_PATH has the directory of"
    else:
        level, condition = logging.INFO, "its program has already loaded"
    log.log(level, "%s will not find %s unless %s %s", loss.path, loss.name, condition, path)


def _judge(loss: Lost, removed: _Removed, host: Host) -> None:
    """Raise WillNotStart if a program would not start, unless the user excluded the library."""
    if removed.explains(loss, host):
        log.warning("%s will not find %s: it is excluded", loss.path, loss.name)
    elif loss.root.elf.runs and not loss.starts:
        raise WillNotStart(loss.path, loss.name, loss.reason)
    else:
        log.warning("%s will not find %s in the bundle: %s", loss.path, loss.name, loss.reason)


def warn_of_excluded(excluded: Bundle) -> None:
    """Warn of excluded entries that an object needs."""
    for path, item in excluded:
        needs = [o for o in item.origins if o.why in (Why.NEEDED, Why.INTERPRETER)]
        if needs:
            log.warning("%s is excluded: %s", path, needs[0])

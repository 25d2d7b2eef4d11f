"""Report lost libraries: as an error, or as a warning."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from magicpak.host import Host
from magicpak.loader.errors import WillNotStart, together
from magicpak.loader.lost import Lost
from magicpak.loader.resolve import Root
from magicpak.plan import Bundle, BundlePath, File, Why

log = logging.getLogger(__name__)

STARTED = (Why.INPUT, Why.INTERPRETER, Why.EXECUTED)
"""The reasons for which a program must start; a program with other reasons is data."""


def judge(
    losses: Iterable[Lost],
    located: Iterable[tuple[BundlePath, Root]],
    bundle: Bundle,
    host: Host,
) -> None:
    """Raise WillNotStart for programs that must start but lost a library; warn of other losses.

    The loss of a library that the user excluded is only a warning.
    """
    losses = tuple(losses)
    if not losses:
        return
    removed = _Removed.of(bundle.excluded)
    must_start = {bundle.resolve(path) for path, item in bundle if item.because(*STARTED)}
    known = _known(located)
    fatal: list[Lost] = []
    data: list[Lost] = []
    for loss in losses:
        present = _present(loss, known)
        if present is not None:
            _log_present(loss, present)
        elif removed.explains(loss, host):
            log.warning("%s will not find %s: it is excluded", loss.path, loss.what)
        elif loss.starts:
            _log(logging.WARNING, loss)
        elif loss.root.elf.runs and loss.path in must_start:
            fatal.append(loss)
        elif _unasked(bundle, loss.path):
            _log(logging.INFO, loss)
        else:
            data.append(loss)
    _log_data(data)
    if fatal:
        raise together([WillNotStart(each.path, each.what, each.reason) for each in fatal])


def _unasked(bundle: Bundle, path: str) -> bool:
    """Tell whether an object is only there as run-time data: one of many plugins, for example."""
    item = bundle.get(BundlePath(path))
    return item is not None and all(
        origin.why in (Why.DATA, Why.RULE, Why.LINK) for origin in item.origins
    )


def _log_data(losses: Collection[Lost]) -> None:
    """Log one warning for all data: an application may ship programs for many platforms."""
    alone = len(losses) == 1
    for loss in losses:
        _log(logging.WARNING if alone else logging.INFO, loss)
    if losses and not alone:
        first = next(iter(losses))
        log.warning(
            "%d of the bundled files lack their loader or a library and would not start or load "
            "(first: %s: %s: %s); --exclude them if they are not needed",
            len({loss.path for loss in losses}), first.path, first.what, first.reason,
        )  # fmt: skip


def _log(level: int, loss: Lost) -> None:
    log.log(level, "%s will not find %s in the bundle: %s", loss.path, loss.what, loss.reason)


class _Removed(NamedTuple):
    """The excluded entries, by path and by file identity."""

    paths: frozenset[str]
    files: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, excluded: Bundle) -> "_Removed":
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


Known = Mapping[str, Sequence[tuple[BundlePath, Root]]]
"""The objects of the bundle by the names of their files, and by their sonames."""


def _known(located: Iterable[tuple[BundlePath, Root]]) -> Known:
    known: defaultdict[str, list[tuple[BundlePath, Root]]] = defaultdict(list)
    for path, root in located:
        for name in {path.rpartition("/")[2], root.elf.soname or ""}:
            known[name].append((path, root))
    return known


def _present(loss: Lost, known: Known) -> BundlePath | None:
    """Find a lost library that is in the bundle, but outside the loader's search path."""
    if loss.starts:
        return None
    for path, root in known.get(loss.name, ()):
        # LD_LIBRARY_PATH matches the file name; a library that is already loaded, the soname.
        named = loss.root.elf.runs or root.elf.soname == loss.name
        defines = not loss.version or loss.version in root.elf.versions.defined
        if named and defines and root.elf.abi == loss.root.elf.abi:
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
    log.log(level, "%s will not find %s unless %s %s", loss.path, loss.what, condition, path)


def warn_of_excluded(excluded: Bundle) -> None:
    """Warn of excluded entries that an object needs."""
    for path, item in excluded:
        needs = [o for o in item.origins if o.why in (Why.NEEDED, Why.INTERPRETER)]
        if needs:
            log.warning("%s is excluded: %s", path, needs[0])

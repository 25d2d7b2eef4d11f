"""Compare what a loader finds inside the bundle with what it found on the host."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from magicpak.host import Host
from magicpak.loader.closure import closure
from magicpak.loader.errors import LookupFailed, LookupRefused
from magicpak.loader.inside import BundleView
from magicpak.loader.library import Closure, Library
from magicpak.loader.resolve import Root
from magicpak.loader.search import Environment
from magicpak.plan import Bundle, BundlePath


class Lost(NamedTuple):
    """A library, or a symbol version, that the loader does not find in the bundle."""

    root: Root
    path: str
    """The object's path in the bundle."""
    name: str
    reason: str
    starts: bool = False
    """Whether the program starts without it."""
    version: str = ""
    """The symbol version, if the library is found but does not define it."""

    @property
    def what(self) -> str:
        """The name for messages."""
        return f"version {self.version} of {self.name}" if self.version else self.name

    @property
    def was_found(self) -> bool:
        """Whether the loader found it on the host."""
        closure = self.root.closure
        return any(lib.name == self.name for lib in (*closure.libraries, *closure.baseline))


def losses(
    bundle: Bundle, located: Iterable[tuple[BundlePath, Root]], host: Host
) -> tuple[list[Lost], list[Lost]]:
    """Replay the search of each object: return the lost libraries, and the refused objects."""
    view = BundleView(bundle, host)
    lost: list[Lost] = []
    refused: list[Lost] = []
    for path, root in located:
        found = _found(path, root, view)
        lost += _differences(path, root, found)
        refused += _refusals(path, root, found)
    return lost, refused


def losses_without_proc(
    bundle: Bundle, located: Iterable[tuple[BundlePath, Root]], host: Host
) -> Iterator[Lost]:
    """Find the libraries that programs lose without /proc; the cache must list them.

    Without /proc, as in a plain chroot, a loader does not know ``$ORIGIN`` of the program.
    """
    view = BundleView(bundle, host)
    for path, root in located:
        if root.elf.runs and "ORIGIN" in f"{root.elf.rpath}{root.elf.runpath}":
            yield from _differences(path, root, _found("", root, view))


def _found(origin: str, root: Root, view: BundleView) -> Closure:
    if root.loader is None:
        return Closure()
    loader, known = view.started(root.loader, root.elf)
    return closure(root.elf, origin, loader, view, Environment(), known=known)


def _differences(path: str, root: Root, found: Closure) -> Iterator[Lost]:
    for failure in found.failures:
        yield Lost(root, path, failure.name, _reason(failure), _is_relative(failure.name))
    yield from _changed(path, root, root.closure.libraries, found.libraries)
    older = (root.closure.baseline, found.baseline)
    for loss in _changed(path, root, *older):
        yield loss._replace(reason=f"{loss.reason}, on a processor without hwcaps", starts=True)


def _refusals(path: str, root: Root, found: Closure) -> Iterator[Lost]:
    """Find what no loader would take: no loader is here, or symbol versions are missing."""
    if root.loader is None and root.elf.needed:
        yield Lost(root, path, "its loader", f"none for {root.elf.abi.machine} is here")
    for name, version, reason, optional in found.refusals:
        yield Lost(root, path, name, reason, optional, version)


def _changed(
    path: str, root: Root, host: Iterable[Library], bundle: Iterable[Library]
) -> Iterator[Lost]:
    """Compare the libraries that are loaded by one name, in their order."""
    on_host, inside = _by_name(host), _by_name(bundle)
    for key, library in sorted(on_host.items()):
        found, name = inside.get(key), library.name
        if found is None:
            if library.dispensable:
                yield Lost(root, path, name, library.dispensable, starts=True)
        elif library.elf.identity != found.elf.identity:
            reason = f"{found.path} is found instead of {library.path}"
            # The program starts; a library that the other file does not find is another loss.
            yield Lost(root, path, name, reason, starts=True)


def _by_name(libraries: Iterable[Library]) -> dict[tuple[str, str, str, int], Library]:
    """Number the libraries of one name: what a program itself filters may be loaded again."""
    found: dict[tuple[str, str, str, int], Library] = {}
    count: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for library in libraries:
        key = (library.name, library.auditor, library.dispensable)
        found[(*key, count[key])] = library
        count[key] += 1
    return found


def _reason(failure: LookupFailed | LookupRefused) -> str:
    if isinstance(failure, LookupRefused):
        return f"{failure.path}: {failure.reason}"
    return f"looked in {', '.join(failure.places) or 'no directory'}"


def _is_relative(name: str) -> bool:
    """Tell whether a name depends on the working directory, which the image sets."""
    return "/" in name and not name.startswith("/")

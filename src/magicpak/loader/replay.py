"""Replay the loader inside the bundle, and add the configuration that it needs there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from magicpak.host import Host
from magicpak.loader import mend
from magicpak.loader.judge import judge
from magicpak.loader.lost import losses, losses_without_proc
from magicpak.loader.resolve import Root
from magicpak.loader.search import How
from magicpak.plan import Bundle, BundlePath, File


def replay(bundle: Bundle, roots: Collection[Root], host: Host) -> Bundle:
    """Return the bundle with the configuration that the loader needs to find every library.

    Raises WillNotStart if a program lacks a library that the user did not exclude.
    """
    resolved = [root for root in roots if root.loader is not None]
    located = list(_located(bundle, roots))
    wanted: set[str] = set()
    while True:
        mended = bundle.add(mend.configuration(bundle, resolved, wanted, host))
        lost, refused = losses(mended, located, host)
        by_path = list(mend.links(mended, ((loss.name, loss.root) for loss in lost), host))
        missed = (*lost, *losses_without_proc(mended, located, host))
        new = {loss.name for loss in missed} - wanted
        if not (new or by_path):
            break
        bundle = bundle.add(by_path)
        # The replay does not see what a lost library needs until it finds the library: look ahead.
        wanted |= new | {name for root in resolved for name in _far(root)}
    mend.report(bundle, mended)
    judge([*lost, *refused], located, mended, host)
    return mended


def _located(bundle: Bundle, roots: Iterable[Root]) -> Iterator[tuple[BundlePath, Root]]:
    """Find the objects in the bundle; one object may be at several paths."""
    by_identity = {root.elf.identity: root for root in roots}
    for path, item in bundle:
        if isinstance(item.entry, File) and item.entry.content is None:
            root = by_identity.get(item.entry.identity)
            if root is not None:
                yield path, root


def _far(root: Root) -> Iterator[str]:
    """Yield libraries outside the default directories, found by a rule that a bundle lacks."""
    defaults = root.loader.directories if root.loader is not None else ()
    for library in root.closure.libraries:
        if library.place.how in (How.CACHE, How.LIBRARY_PATH, How.DLOPEN) and (
            mend.directory(library.path) not in defaults
        ):
            yield library.name

"""Replay the loader inside the bundle, and add the configuration that it needs there."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator

from magicpak.host import Host
from magicpak.loader import links, listing, mend
from magicpak.loader.cache import directory
from magicpak.loader.judge import judge
from magicpak.loader.lost import losses, losses_without_proc
from magicpak.loader.resolve import Root
from magicpak.loader.search import How
from magicpak.plan import Bundle, BundlePath, File
from magicpak.plan.patterns import Matcher

log = logging.getLogger(__name__)


def replay(
    bundle: Bundle,
    roots: Collection[Root],
    host: Host,
    *,
    by_links: bool = False,
    excluded: Matcher = lambda _path: False,
) -> Bundle:
    """Return the bundle with the configuration that the loader needs to find every library.

    With ``by_links``, it makes links in a default directory instead of a cache, which would hide
    the cache of an image that the bundle is copied onto. It generates nothing that is ``excluded``.

    Raises WillNotStart if a program that must start lacks a library that the user did not exclude.
    """
    resolved = [root for root in roots if root.loader is not None]
    located = list(_located(bundle, roots))
    listed = listing.is_read(bundle, mend.CACHE)
    before = bundle
    wanted: set[str] = set()
    while True:
        mended = bundle
        if wanted or listed or not by_links:
            conf = mend.DROP_IN if by_links else mend.CONFIGURATION
            files = mend.configuration(bundle, resolved, wanted, host, conf=conf, listed=listed)
            mended = mend.put(bundle, [each for each in files if not excluded(each.path)])
        lost, refused = losses(mended, located, host)
        missed = (*lost, *losses_without_proc(mended, located, host))
        new = {loss.name for loss in missed if loss.was_found} - wanted
        # The replay does not see what a lost library needs until it finds the library: look ahead.
        ahead = new and new | {name for root in resolved for name in _far(root)}
        made = list(links.by_path(mended, ((loss.name, loss.root) for loss in lost), host))
        if by_links:
            made += links.in_default_directories(mended, resolved, ahead, host)
        if made:
            bundle = bundle.add(made)
        elif new & {need.entry.name for need in mend.needs(mended, resolved, new, host)}:
            wanted |= ahead
        else:
            break
    _report(before, mended, by_links)
    judge([*lost, *refused], located, mended, host)
    return mended


def _report(before: Bundle, after: Bundle, by_links: bool) -> None:
    """Log the generated entries, and what a cache does to an image that has its own."""
    made = [path for path, item in after if before.get(path) != item]
    for path in made:
        log.info("%s is generated, so that the loader finds its libraries", path)
    if mend.CACHE in made and by_links:
        log.warning(
            "%s hides the cache of an image that the bundle is copied onto: run ldconfig there",
            mend.CACHE,
        )
    elif mend.CACHE in made:
        log.info("%s would hide the cache of another image: --merged-usr avoids it", mend.CACHE)


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
            directory(library.path, library.level) not in defaults
        ):
            yield library.name

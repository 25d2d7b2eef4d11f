"""The job: read, plan, act, in the order of a table of contents."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

from magicpak.elf import SMALLEST, Elf, MalformedExecutable, is_elf
from magicpak.errors import EMPTY
from magicpak.host import Host, globbing
from magicpak.loader import judge, replay
from magicpak.options import Options
from magicpak.output import emit
from magicpak.output.copying import Progress
from magicpak.output.destination import Destination, destination
from magicpak.plan import Bundle, BundlePath, Entry, File, Origin, Placed, Why, merged_usr, patterns
from magicpak.run import Input, Run, begin, load

if TYPE_CHECKING:
    from magicpak import trace

log = logging.getLogger(__name__)

Show = Callable[[int], AbstractContextManager[Progress]]
"""Shows the progress of writing that many bytes."""


class Report(NamedTuple):
    """What was written."""

    files: int
    size: int
    """Bytes."""


@contextlib.contextmanager
def _no_progress(_total: int) -> Iterator[Progress]:
    yield lambda _count: None


def pack(options: Options, *, show: Show = _no_progress) -> Report:
    """Bundle executables with what they need at run time.

    Raises MagicpakError; OUTPUT is then as it was.
    """
    options.check()
    includes = [patterns.include(pattern) for pattern in options.include]
    excludes = [patterns.exclude(pattern) for pattern in options.exclude]
    target = destination(options.output)
    with contextlib.ExitStack() as stack:
        run = begin(options, target, stack)
        inputs = [load(run, path) for path in options.inputs]
        bundle = _install(run, inputs, Bundle())
        bundle = _libraries(run, inputs, bundle)
        if options.dynamic or options.dynamic_log:
            bundle = _dynamic(run, inputs, bundle)
        if options.compress:
            bundle = _compress(run, inputs, bundle)
        bundle = bundle.add(_directories(run.host, options.mkdir))
        bundle = _include(run, includes, bundle)
        if options.merged_usr:
            bundle = merged_usr.merge(bundle)
        bundle, excluded = _exclude(options.exclude, excludes, bundle.settled())
        bundle = _verify(run, bundle, excluded)
        return _write(run, inputs, bundle, target, show)


def _install(run: Run, inputs: Iterable[Input], bundle: Bundle) -> Bundle:
    for each in inputs:
        origin = Origin(Why.INPUT, each.path)
        bundle = bundle.add(
            run.host.entries(each.path, each.place, origin, relocated=each.relocated)
        )
        for program, _ in each.programs[1:]:
            origin = Origin(Why.INTERPRETER, each.path)
            bundle = bundle.add(run.host.entries(program, run.host.place(program), origin))
    return bundle


def _libraries(run: Run, inputs: Iterable[Input], bundle: Bundle) -> Bundle:
    log.info("resolve shared libraries")
    programs = ((path, elf) for each in inputs for path, elf in each.programs if elf is not None)
    return bundle.add(run.resolver.among(programs, must_start=True))


def _dynamic(run: Run, inputs: Iterable[Input], bundle: Bundle) -> Bundle:
    from magicpak import trace  # noqa: PLC0415  rooms that a plain run does not enter cost it nothing

    options = run.options
    for path in options.dynamic_log:
        log.info("read the trace %s", path)
        bundle = _add_touched(run, trace.read_log(path, os.getcwd()), path, bundle)
    if options.dynamic_log:
        return bundle
    for each, arguments in itertools.product(inputs, options.runs()):
        log.info("run %s and watch", shlex.join((each.path, *arguments)))
        touched = trace.run(
            each.path,
            arguments,
            scratch=run.scratch,
            stdin=os.fsencode(options.dynamic_stdin or ""),
            strace=options.strace,
            allow_failure=options.dynamic_allow_failure,
            timeout=options.dynamic_timeout,
            command=options.dynamic_command,
            wait_for=options.dynamic_wait_for,
        )
        bundle = _add_touched(run, touched, each.path, bundle)
    return bundle


def _add_touched(
    run: Run, touched: Iterable[trace.Touched], by: str, bundle: Bundle
) -> Bundle:
    origin = Origin(Why.TRACED, by)
    placed = [found for each in touched for found in _touched(run.host, each, origin)]
    return _with_libraries(run, placed, bundle)


def _touched(host: Host, touched: trace.Touched, origin: Origin) -> Iterator[Placed]:
    place = host.place(touched.path)
    if touched.directory:
        yield Placed(place, host.directory(place), origin)
    elif host.status(touched.path) is not None:
        yield from host.entries(touched.path, place, origin)


def _include(run: Run, includes: Iterable[patterns.Include], bundle: Bundle) -> Bundle:
    for pattern in includes:
        matches = globbing.matches(run.host, pattern)
        log.info("include %s: %d matches", pattern.text, len(matches))
        if not matches:
            log.warning("--include %s matches nothing", pattern.text or EMPTY)
        origin = Origin(Why.INCLUDED, pattern.text)
        placed = [
            found
            for path in matches
            for found in run.host.entries(path, run.host.place(path), origin, tree=True)
        ]
        bundle = _with_libraries(run, placed, bundle)
    return bundle


def _with_libraries(run: Run, placed: list[Placed], bundle: Bundle) -> Bundle:
    """Add entries, and what the ELF objects among them need."""
    bundle = bundle.add(placed)
    files = {p.entry.identity: p.entry for p in placed if isinstance(p.entry, File)}
    # By where it is: what a relative pattern matches lies elsewhere in the bundle.
    objects = [
        (file.source.removeprefix(run.host.sysroot), elf)
        for file in files.values()
        if (elf := _object(run, file))
    ]
    return bundle.add(run.resolver.among(objects))


def _object(run: Run, file: File) -> Elf | None:
    """Read a file if it is something that the loader loads."""
    if file.size < SMALLEST or not is_elf(file.source):
        return None
    try:
        elf = run.host.read_at(file.source, file.source)
    except MalformedExecutable as e:
        log.warning("%s: bundled without libraries", e)
        return None
    return elf if elf.kind in ("ET_DYN", "ET_EXEC") else None


def _directories(host: Host, paths: Iterable[str]) -> Iterator[Placed]:
    for path in paths:
        place = BundlePath(path)
        log.info("make the directory %s", place)
        yield Placed(place, host.directory(place), Origin(Why.MKDIR))


def _exclude(
    texts: tuple[str, ...], excludes: list[patterns.Matcher], bundle: Bundle
) -> tuple[Bundle, Bundle]:
    """Split into what stays and what goes."""
    if log.isEnabledFor(logging.INFO):
        for text, matches in zip(texts, excludes, strict=True):
            log.info("exclude %s: %d matches", text, sum(matches(path) for path, _ in bundle))
    return bundle.without(lambda path: any(matches(path) for matches in excludes))


def _compress(run: Run, inputs: Iterable[Input], bundle: Bundle) -> Bundle:
    from magicpak import compress  # noqa: PLC0415  as above

    for each in inputs:
        elf = each.programs[0][1]
        if elf is None:
            log.warning("%s is a script: not compressed", each.path)
            continue
        log.info("compress %s", each.path)
        packed = compress.upx(
            elf.path, run.options.upx_arg, scratch=run.scratch, tool=run.options.upx
        )
        size = os.stat(packed).st_size
        bundle = bundle.change(_packing(elf, packed, size))
    return bundle


def _packing(elf: Elf, packed: str, size: int) -> Callable[[BundlePath, Entry], Entry]:
    def pack_entry(_path: BundlePath, entry: Entry) -> Entry:
        if isinstance(entry, File) and entry.identity == elf.identity:
            return entry._replace(packed=packed, size=size)
        return entry

    return pack_entry


def _verify(run: Run, bundle: Bundle, excluded: Bundle) -> Bundle:
    log.info("replay the loader in the bundle")
    judge.warn_of_excluded(excluded)
    bundle = replay.replay(bundle, run.resolver.roots.values(), run.host, excluded)
    return bundle.add(run.host.parents(bundle)).timed(_latest(os.environ))


def _latest(environment: Mapping[str, str]) -> int | None:
    """Return what SOURCE_DATE_EPOCH bounds the times to, in nanoseconds."""
    epoch = environment.get("SOURCE_DATE_EPOCH", "")
    if epoch.isascii() and epoch.isdecimal():
        return int(epoch) * 10**9
    if epoch:
        log.warning("SOURCE_DATE_EPOCH=%s has no effect: it is no number of seconds", epoch)
    return None


def _write(
    run: Run, inputs: Iterable[Input], bundle: Bundle, target: Destination, show: Show
) -> Report:
    files = [item.entry for _, item in bundle if isinstance(item.entry, File)]
    # A file that lies at several paths is stored once.
    size = sum({file.stored: file.size for file in files}.values())
    log.info("write %s", run.options.output)
    with show(size) as progress, emit.staged(bundle, target, progress) as stage:
        if run.options.test:
            stage.rewrite(_test(run, inputs, stage.tree))
        stage.commit()
    log.info("%d files, %d bytes written to %s", len(files), size, run.options.output)
    return Report(len(files), size)


def _test(run: Run, inputs: Iterable[Input], tree: str) -> tuple[str, ...]:
    from magicpak import jail  # noqa: PLC0415  as above

    log.info("test the bundle")
    return jail.check(
        tree,
        [each.place for each in inputs],
        command=run.options.test_command,
        stdin=run.options.test_stdin,
        stdout=run.options.test_stdout,
        busybox=run.options.busybox,
        timeout=run.options.test_timeout,
        env={**jail.ENVIRONMENT, **dict(pair.split("=", 1) for pair in run.options.test_env)},
        strace=run.options.strace,
    )


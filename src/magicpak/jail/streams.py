"""Give the standard streams names in a jail without /proc, where /dev/stdout leads nowhere.

Servers write their logs there. A named pipe stands for each output, and a process of its own hands
on what is written to it.
"""

import contextlib
import os
import select
from collections.abc import Iterable
from typing import NamedTuple, NoReturn

from magicpak.jail.plant import inside

OUTPUTS = (1, 2)


class Relay(NamedTuple):
    """The process that hands on, and what it needs to be left open."""

    pid: int
    writers: tuple[int, ...]

    def finish(self) -> None:
        """Wait until all is handed on; no other process may have the pipes open."""
        for writer in self.writers:
            os.close(writer)
        os.waitpid(self.pid, 0)


def relay(root: str, descriptors: Iterable[int], *, stdin: bool) -> Relay:
    """Make /proc/self/fd, and start to hand on; a ``stdin`` that is not /dev/null has no name.

    ``descriptors`` are all that are open.
    """
    directory = os.path.join(inside(root, "/proc"), "self/fd")
    os.makedirs(directory, exist_ok=True)
    if not stdin:
        with contextlib.suppress(FileExistsError):
            os.symlink("/dev/null", os.path.join(directory, "0"))
    paths = [os.path.join(directory, str(output)) for output in OUTPUTS]
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        os.mkfifo(path)
        os.chmod(path, 0o666)  # noqa: S103 - as the streams, which are open to all
    readers = [os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in paths]
    writers = tuple(os.open(path, os.O_WRONLY) for path in paths)
    pid = os.fork()
    if pid == 0:
        for descriptor in (*writers, *descriptors):
            if descriptor not in OUTPUTS:
                os.close(descriptor)
        _hand_on(dict(zip(readers, OUTPUTS, strict=True)))
    for reader in readers:
        os.close(reader)
    return Relay(pid, writers)


def _hand_on(outputs: dict[int, int]) -> NoReturn:
    while outputs:
        for reader in select.select(list(outputs), [], [])[0]:
            chunk = os.read(reader, 65536)
            if not chunk:
                del outputs[reader]
            while chunk:
                chunk = chunk[os.write(outputs[reader], chunk) :]
    os._exit(0)

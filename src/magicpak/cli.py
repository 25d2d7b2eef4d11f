"""The command line: arguments to ``Options``; the only catch, and the only exit."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import click

from magicpak import console
from magicpak.errors import IoError, MagicpakError
from magicpak.version import VERSION

HYPHENATED = {"--upx-arg", "--dynamic-arg", "--dynamic-run"}
"""Options whose value may begin with a hyphen."""

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 3.0
"""Seconds for cleaning up, before a further signal counts."""
PATH_MAX = 4096
"""Bytes of a path (limits.h): no tree that can be walked by paths is deeper than half of it."""
EPILOG = "Full documentation, with Dockerfiles to start from, is in the README."

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def seconds(text: object) -> float:
    """Read a time that a run can be given: what the system's clock can count."""
    with contextlib.suppress(ValueError):
        value = float(str(text))
        if 0 < value <= 1e6:
            return value
    raise click.BadParameter(f"'{text}' is not a number of seconds above 0, up to 1000000.")


class Command(click.Command):
    """Takes the forms of options that magicpak 1.4.0 takes, where click takes others."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Bring the arguments into click's form, then parse them."""
        return super().parse_args(ctx, self._adapt(ctx, args))

    def _adapt(self, ctx: click.Context, args: Sequence[str]) -> list[str]:
        """Write ``-o=value`` as ``-ovalue``; refuse values and repetitions that 1.4.0 refuses."""
        options = {
            name: p for p in self.get_params(ctx) for name in p.opts if isinstance(p, click.Option)
        }
        adapted: list[str] = []
        seen: set[str] = set()
        rest = list(args)[::-1]
        while rest:
            arg = rest.pop()
            adapted.append(arg)
            if arg == "--":
                break
            name, value = _split(arg, options)
            option = options.get(name)
            if option is None or option.is_flag or not isinstance(option, click.Option):
                continue
            if not option.multiple and name in seen:
                raise click.UsageError(f"the option '{option.opts[-1]}' cannot be given twice", ctx)
            seen.update(option.opts)
            if value is None and rest:
                value = rest.pop()
                if value.startswith("-") and value != "-" and HYPHENATED.isdisjoint(option.opts):
                    raise click.UsageError(f"option '{arg}' needs a value, not '{value}'", ctx)
                adapted.append(value)
            elif value is not None and not arg.startswith("--") and value.startswith("="):
                adapted[-1] = arg[: len(arg) - len(value)] + value[1:]
                if len(value) == 1:  # `-i=` is an empty value, which click takes apart only
                    adapted.append("")
        return adapted + rest[::-1]


def _split(arg: str, options: dict[str, Any]) -> tuple[str, str | None]:
    """Find the option in an argument that takes a value, and the value if it is attached."""
    if arg.startswith("--"):
        name, equals, value = arg.partition("=")
        return name, value if equals else None
    if not arg.startswith("-"):
        return "", None
    for index, letter in enumerate(arg[1:], start=1):
        option = options.get(f"-{letter}")
        if option is None or not option.is_flag:
            return f"-{letter}", arg[index + 1 :] or None
    return "", None


def option(*names: str, **settings: Any) -> Callable[[Decorated], Decorated]:
    """Declare an option, as click.option does, which loses the type of what it decorates."""
    if settings.get("multiple"):
        settings["help"] += "  [repeatable]"
    return click.option(*names, **settings)


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.argument("inputs", metavar="<INPUT>...", nargs=-1, required=True)
@click.argument("output", metavar="<OUTPUT>")
@option("-i", "--include", metavar="GLOB", multiple=True,
        help="Also bundle the files and directories that match, with the libraries they need.")
@option("-e", "--exclude", metavar="GLOB", multiple=True,
        help="Leave out of the bundle what matches; it has the last word.")
@option("--mkdir", metavar="PATH", multiple=True, help="Make this directory in the bundle.")
@option("-r", "--install-to", metavar="PATH",
        help="Where the executable goes in the bundle; ending with '/', the directory for it.")
@option("--merged-usr", is_flag=True,
        help="Make /bin, /lib and so on links into /usr, to copy onto an image that has them so.")
@option("--log-level", metavar="LEVEL", default="Warn", show_default=True,
        type=click.Choice([level.value for level in console.Level]),
        help="How much to log: Off, Error, Warn, Info or Debug.")
@option("-v", "--verbose", is_flag=True, help="The same as --log-level Info.")
@option("-t", "--test", is_flag=True, help="Test the bundle in a chroot before it is written.")
@option("--test-command", metavar="COMMAND",
        help="Run this by /bin/sh in the test; default: the executable.")
@option("--test-stdin", metavar="CONTENT", help="Give this to the test as stdin.")
@option("--test-stdout", metavar="CONTENT",
        help="Let the test fail when its stdout, without white space at the ends, is another.")
@option("--test-env", metavar="NAME=VALUE", multiple=True,
        help="Set this variable in the test, whose environment is that of a container.")
@option("--test-timeout", metavar="SECONDS", type=seconds, default=60, show_default=True,
        help="Let the test fail when it takes longer.")
@option("-d", "--dynamic", is_flag=True,
        help="Run the executable, and bundle the files that it uses.")
@option("--dynamic-arg", metavar="ARG", multiple=True, help="Give this argument to that run.")
@option("--dynamic-stdin", metavar="CONTENT", help="Give this to that run as stdin.")
@option("--dynamic-run", metavar="ARGS", multiple=True,
        help="Run it once more with these arguments, quoted as in a shell.")
@option("--dynamic-timeout", metavar="SECONDS", type=seconds,
        help="End that run after this time, as a success: for servers.")
@option("--dynamic-command", metavar="COMMAND",
        help="Run this by /bin/sh beside it, to exercise it; its end ends the run.")
@option("--dynamic-wait-for", metavar="[HOST:]PORT or SOCKET",
        help="Wait until the executable answers there, before the command.")
@option("--dynamic-allow-failure", is_flag=True, help="Go on when that run ends with a failure.")
@option("--dynamic-log", metavar="FILE", multiple=True,
        help="Run nothing, but take what `strace -f -y -xx -o FILE` has recorded elsewhere.")
@option("-c", "--compress", is_flag=True, help="Compress the executable with upx.")
@option("--upx-arg", metavar="ARG", multiple=True, help="Give this argument to upx.")
@option("--busybox", metavar="PATH or NAME", default="busybox", show_default=True,
        help="The static busybox for the test.")
@option("--upx", metavar="PATH or NAME", default="upx", show_default=True,
        help="The upx for --compress.")
@option("--strace", metavar="PATH or NAME", default="strace", show_default=True,
        help="The strace for --dynamic.")
@option("--cc", metavar="PATH or NAME", envvar="CC", show_envvar=True,
        help="The C compiler, by which the dynamic loader is asked.  [default: cc]")
@option("--sysroot", metavar="DIR",
        help="Take everything below DIR, as if it were /: for another architecture, say.")
@option("--experimental-noload-resolver", "noload_resolver", is_flag=True,
        help="Never load a library to find it.")
@click.version_option(VERSION, "-V", "--version", prog_name="magicpak",
                      message="%(prog)s %(version)s")
def command(log_level: str, verbose: bool, **options: Any) -> None:
    """Write to the directory OUTPUT the executables INPUT with just what they need at run time.

    Copied onto `FROM scratch`, OUTPUT is a minimal container image.
    """  # fmt: skip
    console.set_up(console.Level.INFO if verbose else console.Level(log_level))
    from magicpak.options import Options  # noqa: PLC0415  --help need not wait for what works
    from magicpak.pipeline import pack  # noqa: PLC0415  as above

    options["cc"] = options["cc"] or None
    pack(Options(**options), show=console.progress)


class Interrupted(BaseException):
    """A signal asked this process to end; raised so that all that is temporary is removed."""

    def __init__(self, number: int) -> None:
        """Take the signal's number."""
        super().__init__(number)
        self.number = number


def main() -> NoReturn:
    """Run the command, print what went wrong, and exit: 0 done, 1 failed, 2 wrong command line."""
    # This process ends before garbage matters; to look for it, at the end too, costs a tenth.
    gc.disable()
    # Older versions of os.walk and shutil.rmtree call themselves once for each level of a tree.
    sys.setrecursionlimit(PATH_MAX)
    _occupy_standard_streams()
    ending = _Ending()
    for number in ENDINGS:
        # One that is ignored stays so: nohup(1), and a shell for what runs in the background.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, ending)
    status = _status()
    gc.freeze()
    sys.exit(status)


def _occupy_standard_streams() -> None:
    """Open what the caller closed (``2>&-``), so that no file of ours gets such a number."""
    # The single file starts also where there is no /dev.
    with contextlib.suppress(FileNotFoundError):
        while (spare := os.open(os.devnull, os.O_RDWR)) < 3:
            pass
        os.close(spare)


class _Ending:
    """Leaves by an exception, and lets no further signal stop what is done on the way out."""

    def __init__(self) -> None:
        self._begun = -PATIENCE

    def __call__(self, number: int, _frame: object) -> None:
        # An exception may get lost, in what Python calls at a fork: it can be raised again.
        if time.monotonic() - self._begun >= PATIENCE:
            self._begun = time.monotonic()
            raise Interrupted(number)


def _status() -> int:
    try:
        result = command.main(standalone_mode=False)
    except click.UsageError as e:
        console.print_error(e.format_message())
        if e.ctx is not None:
            console.print_usage(e.ctx.get_usage())
        return 2
    except Interrupted as e:
        console.print_error(f"ended by {signal.Signals(e.number).name}")
        return 128 + e.number
    except MagicpakError as e:
        console.print_error(str(e))
    except OSError as e:
        console.print_error(str(IoError.of(e)))
    else:
        return result if isinstance(result, int) else os.EX_OK
    return 1

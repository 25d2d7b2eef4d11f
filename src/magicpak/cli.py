"""The command line: arguments to ``Options``; the only catch, and the only exit."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, NoReturn

import click

from magicpak import console
from magicpak.arguments import GENERAL, Argument, Command, Option, options, seconds
from magicpak.errors import IoError, MagicpakError
from magicpak.system import signals
from magicpak.version import VERSION

PATH_MAX = 4096
"""Bytes of a path (limits.h): no tree that can be walked by paths is deeper than half of it."""

NOTES = {
    "Exit status": "0 done; 1 the job failed, for the reason in the last line of stderr; 2 the "
                   "command line is wrong; 128 + N signal N ended it.",
    "Environment": "NO_COLOR and FORCE_COLOR decide on colours, which else are for terminals, but "
                   "for TERM=dumb. CC is the C compiler.",
    "Completion": "Shells complete options, names and files after: "
                  'eval "$(_MAGICPAK_COMPLETE=bash_source magicpak)", or zsh_source, or for fish: '
                  "_MAGICPAK_COMPLETE=fish_source magicpak | source",
}  # fmt: skip
"""What follows the options in the help and in the manual, by its title."""

EPILOG = "\n\n".join(f"{title}: {text}" for title, text in NOTES.items()) + """

The README has Dockerfiles to start from.
"""


def print_help(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Print the help: that of click is an option of its own kind in some versions."""
    if wanted and not ctx.resilient_parsing:
        click.echo(ctx.get_help())
        ctx.exit()


def print_manual(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Print the manual: as text on a terminal, and else in the source that man(1) reads."""
    if not wanted or ctx.resilient_parsing:
        return
    from magicpak.manual import page, plain, roff  # noqa: PLC0415  no other run has use for them

    usage = " ".join(("magicpak", *command.collect_usage_pieces(ctx)))
    blocks = page.blocks(page.CommandLine(usage, command.help or "", command.sections(ctx), NOTES))
    if sys.stdout.isatty():
        click.echo(plain.write(blocks, ctx.make_formatter().width), nl=False)
    else:
        click.echo(roff.write(blocks, VERSION), nl=False)
    ctx.exit()


bundle = options("Bundle")
analysis = options("Run-time analysis")
test = options("Test")
compression = options("Compression")
tool = options("Tools")
general = options(GENERAL)


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.argument("inputs", cls=Argument, metavar="<INPUT>...", nargs=-1)
@click.argument("output", cls=Argument, metavar="<OUTPUT>", required=False)
@bundle("-i", "--include", metavar="GLOB", multiple=True,
        help="Bundle the files and directories that match, and the libraries they need.")
@bundle("-e", "--exclude", metavar="GLOB", multiple=True,
        help="Leave out of the bundle what matches. Applied last.")
@bundle("--package", metavar="NAME", multiple=True,
        help="Bundle the run-time files of an installed package, and the libraries they need.")
@bundle("--with", "with_data", metavar="NAME[=VALUE,...]", multiple=True,
        help="Bundle this run-time data: nss, certs, zones, locale, gconv, terminfo, users, tmp, "
             "shell, busybox, a rule's name, or auto for all that the programs use; or package-db, "
             "by which scanners know the packages.")
@bundle("--without", metavar="NAME", multiple=True, help="Leave this out of --with auto.")
@bundle("--mkdir", metavar="PATH", multiple=True, help="Create this directory in the bundle.")
@bundle("-r", "--install-to", metavar="PATH",
        help="Install the executable at this path of the bundle; in this directory if it ends "
             "with '/'.")
@bundle("--merged-usr", is_flag=True,
        help="Make /bin, /lib and the like links into /usr, as on an image that has them so.")
@bundle("--user", metavar="USER[:GROUP]",
        help="Bundle the account of this user, and run the analysis and the test as it.")
@bundle("--sysroot", metavar="DIR",
        help="Read all files below DIR instead of /, of another architecture for example.")
@bundle("-n", "--dry-run", is_flag=True,
        help="Do all but test and write the bundle: with --report or --explain, to look at it.")
@bundle("--report", metavar="FILE",
        help="Write what is in the bundle, and why, as JSON; to stdout for '-'.")
@bundle("--sbom", metavar="FILE", multiple=True,
        help="Write an SBOM: CycloneDX to NAME.cdx.json, or SPDX to NAME.spdx.json.")
@bundle("--explain", is_flag=True,
        help="Print what is in the bundle, and why, as a tree with sizes.")
@bundle("--experimental-noload-resolver", "noload_resolver", is_flag=True,
        help="Resolve libraries without loading them.")
@analysis("-d", "--dynamic", is_flag=True,
          help="Run the executable under strace and bundle the files it uses.")
@analysis("--dynamic-arg", metavar="ARG", multiple=True, help="Pass this argument to the run.")
@analysis("--dynamic-stdin", metavar="CONTENT", help="Pass this to the run as stdin.")
@analysis("--dynamic-run", metavar="ARGS", multiple=True,
          help="Run it once more with these arguments, quoted as in a shell.")
@analysis("--dynamic-script", metavar="COMMAND",
          help="Run this with /bin/sh instead, and bundle what the executables use in it.")
@analysis("--dynamic-timeout", metavar="SECONDS", type=seconds,
          help="End the run after this time and count it as a success, for servers.")
@analysis("--dynamic-command", metavar="COMMAND",
          help="Run this with /bin/sh beside the executable; end both when it ends.")
@analysis("--dynamic-wait-for", metavar="[HOST:]PORT or SOCKET",
          help="Wait until the executable answers there before running the command.")
@analysis("--dynamic-allow-failure", is_flag=True, help="Accept a run that ends with a failure.")
@analysis("--dynamic-log", metavar="FILE", multiple=True,
          help="Read what `strace -f -y -xx -o FILE` has recorded, and run nothing.")
@test("-t", "--test", is_flag=True, help="Test the bundle in a chroot before writing it.")
@test("--test-command", metavar="COMMAND",
      help="Run this with /bin/sh in the test instead of the executable.")
@test("--test-stdin", metavar="CONTENT", help="Pass this to the test as stdin.")
@test("--test-stdout", metavar="CONTENT",
      help="Require this as the stdout of the test, ignoring white space at both ends.")
@test("--test-env", metavar="NAME=VALUE", multiple=True,
      help="Set this variable in the test, whose environment is that of a container.")
@test("--test-timeout", metavar="SECONDS", type=seconds, default=60, show_default=True,
      help="Fail the test when it takes longer.")
@compression("-c", "--compress", is_flag=True, help="Compress the executable with upx.")
@compression("--upx-arg", metavar="ARG", multiple=True, help="Pass this argument to upx.")
@tool("--busybox", metavar="PATH or NAME", default="busybox", show_default=True,
      help="Use this static busybox for --test-command.")
@tool("--upx", metavar="PATH or NAME", default="upx", show_default=True,
      help="Use this upx for --compress.")
@tool("--strace", metavar="PATH or NAME", default="strace", show_default=True,
      help="Use this strace for --dynamic.")
@tool("--cc", metavar="PATH or NAME", envvar="CC", show_envvar=True,
      help="Use this C compiler to query the dynamic loader.  [default: cc]")
@general("--log-level", metavar="LEVEL", default="Warn", show_default=True,
         type=click.Choice([level.value for level in console.Level]),
         help="Log this much: Off, Error, Warn, Info or Debug.")
@general("-v", "--verbose", is_flag=True, help="Log at level Info.")
@general("--man", is_flag=True, is_eager=True, expose_value=False, callback=print_manual,
         help="Show the manual and exit; into a pipe or file, as the source that man(1) reads.")
@click.version_option(VERSION, "-V", "--version", prog_name="magicpak", cls=Option,
                      message="%(prog)s %(version)s")
@general("-h", "--help", is_flag=True, is_eager=True, expose_value=False, callback=print_help,
         help="Show this message and exit.")
def command(log_level: str, verbose: bool, **settings: Any) -> None:
    """Write the executables INPUT, and just what they need at run time, to the directory OUTPUT.

    Copied onto `FROM scratch`, OUTPUT is a minimal container image.
    """  # fmt: skip
    console.set_up(console.Level.INFO if verbose else console.Level(log_level))
    from magicpak.options import Options  # noqa: PLC0415  --help need not wait for what works
    from magicpak.pipeline import pack  # noqa: PLC0415  as above

    # Not before: an import may wrap an exception of a signal in one of its own, or lose it.
    signals.leave_by_exception()
    settings["cc"] = settings["cc"] or None
    report = pack(Options(**settings), show=console.progress, busy=console.busy)
    if settings["explain"]:
        console.explain(report.explanation)


def main() -> NoReturn:
    """Run the command, print what went wrong, and exit: 0 done, 1 failed, 2 wrong command line."""
    # Older versions of os.walk and shutil.rmtree call themselves once for each level of a tree.
    sys.setrecursionlimit(PATH_MAX)
    _occupy_standard_streams()
    status = _status()
    # All is done, cleaned up and written; to take an interpreter to pieces takes milliseconds.
    signals.leave_at_once()
    os._exit(status)


def _occupy_standard_streams() -> None:
    """Open what the caller closed (``2>&-``), so that no file of ours gets such a number."""
    # The single file starts also where there is no /dev.
    with contextlib.suppress(FileNotFoundError):
        while (spare := os.open(os.devnull, os.O_RDWR)) < 3:
            pass
        os.close(spare)


def _status() -> int:
    try:
        result = command.main(standalone_mode=False, complete_var="_MAGICPAK_COMPLETE")
    except click.UsageError as e:
        console.print_error(e.format_message())
        if e.ctx is not None:
            console.print_usage(e.ctx.get_usage())
        return 2
    except signals.Interrupted as e:
        console.print_error(str(e))
        return 128 + e.number
    except MagicpakError as e:
        console.print_error(str(e))
    except OSError as e:
        console.print_error(str(IoError.of(e)))
    else:
        return result if isinstance(result, int) else os.EX_OK
    return 1

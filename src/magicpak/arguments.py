"""How click takes arguments: in the forms of magicpak 1.4.0, by section, completed in a shell."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

HYPHENATED = {"--upx-arg", "--dynamic-arg", "--dynamic-run"}
"""Options whose value may begin with a hyphen."""

GENERAL = "General"
"""The section of options that belong to no other, --help among them."""

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
        """Bring the arguments into click's form, then parse them; say which are missing."""
        try:
            rest = super().parse_args(ctx, self._adapt(ctx, args))
            if ctx.resilient_parsing:  # a shell completes what is not whole yet
                return rest
        except click.UsageError as e:
            e.ctx = e.ctx or ctx
            raise
        if not ctx.params["inputs"]:
            # click gives a single one to OUTPUT, the last, where it was meant for INPUT.
            both = ctx.params["output"] is None
            missing = "s '<INPUT>...' and '<OUTPUT>'" if both else " '<OUTPUT>'"
            raise click.UsageError(f"Missing argument{missing}", ctx)
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options by section."""
        for title, records in self.sections(ctx).items():
            with formatter.section(title):
                formatter.write_dl(records)

    def sections(self, ctx: click.Context) -> dict[str, list[tuple[str, str]]]:
        """Return the names and help of each option by section, in the order of declaration."""
        shown = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        return {
            title: [each.get_help_record(ctx) or ("", "") for each in group]
            for title, group in itertools.groupby(shown, _section)
        }

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


class Completed(click.Parameter):
    """A parameter whose value a shell completes."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete a value in a shell."""
        from magicpak import completion  # noqa: PLC0415  only a shell asks for it

        known = completion.complete(self, incomplete)
        return known or super().shell_complete(ctx, incomplete)


class Option(Completed, click.Option):
    """An option that the help lists under the heading of its section."""

    def __init__(
        self, *args: Any, section: str = GENERAL, help: str | None = None, **settings: Any
    ) -> None:
        """Take what click takes, and the section."""
        super().__init__(*args, **settings)
        # By itself: click would import inspect, to take away an indentation that no text has.
        self.help = help
        self.section = section


class Argument(Completed, click.Argument):
    """An argument whose value a shell completes."""


def _section(parameter: click.Parameter) -> str:
    return str(getattr(parameter, "section", GENERAL))


def options(section: str) -> Callable[..., Callable[[Decorated], Decorated]]:
    """Return a decorator like click.option for the options of one section."""

    def option(*names: str, **settings: Any) -> Callable[[Decorated], Decorated]:
        if settings.get("multiple"):
            settings["help"] += "  [repeatable]"
        return click.option(*names, cls=Option, section=section, **settings)

    return option

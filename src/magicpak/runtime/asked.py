"""Read the options ``--with`` and ``--without``. Pure."""

from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple

from magicpak.errors import Unsupported, printable
from magicpak.runtime.kinds import KINDS
from magicpak.runtime.rules import RULES

AUTO = "auto"
PACKAGE_DB = "package-db"
"""The records of packages; no run-time data, and asked for by name alone."""
KIND_NAMES = frozenset(kind.name for kind in KINDS)
RULE_NAMES = frozenset(rule.name for rule in RULES)
WITHOUT_NAMES = KIND_NAMES | RULE_NAMES
WITH_NAMES = WITHOUT_NAMES | {AUTO, PACKAGE_DB}
WITH_VALUES = frozenset({"gconv", "locale", "terminfo", "users", "zones"})


class Asked(NamedTuple):
    """The run-time data that the user asked for."""

    auto: bool = False
    kinds: Mapping[str, tuple[str, ...]] = {}
    """By name, with their values."""
    rules: Set[str] = frozenset()
    without: Set[str] = frozenset()
    package_db: bool = False
    """Whether the records of packages are asked for, which are no run-time data."""

    @property
    def data(self) -> bool:
        """Whether any run-time data is asked for."""
        return self.auto or bool(self.kinds or self.rules)


def parse(with_data: Iterable[str], without: Iterable[str]) -> Asked:
    """Read the values of the options. Raises Unsupported for an unknown name."""
    auto, kinds, rules, package_db = False, dict[str, tuple[str, ...]](), set(), False
    for text in with_data:
        name, equals, values = text.partition("=")
        _check("--with", name, WITH_NAMES)
        if equals and (name not in WITH_VALUES or not all(values.split(","))):
            takes = f"takes no value, as {' and '.join(sorted(WITH_VALUES))} do"
            what = "has an empty value" if name in WITH_VALUES else takes
            raise Unsupported(f"--with {printable(text)}: {name} {what}")
        auto |= name == AUTO
        package_db |= name == PACKAGE_DB
        if name in KIND_NAMES:
            given = tuple(values.split(",")) if equals else ()
            kinds[name] = tuple(dict.fromkeys((*kinds.get(name, ()), *given)))
        if name in RULE_NAMES:
            rules.add(name)
    for name in without:
        _check("--without", name, WITHOUT_NAMES)
    return Asked(auto, kinds, rules, frozenset(without), package_db)


def _check(option: str, name: str, known: Set[str]) -> None:
    if name in known:
        return
    import difflib  # noqa: PLC0415  few names are unknown

    near = difflib.get_close_matches(name, sorted(known), 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
    raise Unsupported(f"{option} {printable(name)} is no kind of run-time data; {hint}")

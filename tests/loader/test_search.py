"""The places where a loader looks, by value."""

from __future__ import annotations

import pytest

from magicpak.elf import Abi, Elf
from magicpak.loader.cache import CacheEntry, select
from magicpak.loader.search import (
    Environment,
    Flavour,
    How,
    Loaded,
    Loader,
    Place,
    elements,
    expand,
    places,
)

GLIBC = Loader("/ld.so", Flavour.GLIBC, ("/lib", "/usr/lib"), "lib/arch", "plat")
MUSL = Loader("/ld-musl.so", Flavour.MUSL, ("/lib",))
NODEFLIB = 0x800


def loaded(path: str, loader: Loaded | None = None, **fields: object) -> Loaded:
    elf = Elf(path, (1, hash(path)), Abi(64, True, "EM_X86_64"), 0, "ET_DYN", **fields)  # type: ignore[arg-type]
    return Loaded(path, elf, loader)


def directories(
    needer: Loaded, library_path: str = "", loader: Loader = GLIBC, name: str = "liba.so"
) -> list[str]:
    found = places(name, needer, loader, Environment(library_path, (), "/work"))
    return [place.directory for place in found]


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$ORIGIN", "/o"), ("${ORIGIN}", "/o"), ("$ORIGIN/../lib", "/o/../lib"),
        ("/x$ORIGIN", "/x/o"), ("$ORIGIN$ORIGIN", "/o/o"), ("${ORIGIN}x", "/ox"),
        ("$LIB/$PLATFORM", "lib/arch/plat"), ("${LIB}", "lib/arch"),
        ("$ORIGINAL", "$ORIGINAL"), ("$ORIGIN_", "$ORIGIN_"), ("${ORIGIN", "${ORIGIN"),
        ("$origin", "$origin"), ("$", "$"), ("$$ORIGIN", "$/o"), ("${}", "${}"), ("", ""),
    ],
)  # fmt: skip
def test_tokens_are_expanded_braced_or_not(text: str, expanded: str) -> None:
    assert expand(text, "/o", GLIBC) == expanded


def test_a_token_that_stands_for_nothing_spoils_its_element_alone() -> None:
    unknown = Loader("/ld.so", Flavour.GLIBC, (), "lib", platform="")
    assert list(elements("/a:/b/$PLATFORM:/c", "/o", unknown)) == ["/a", "/c"]
    assert list(elements("$ORIGIN:/c", "", unknown)) == ["/c"]


@pytest.mark.parametrize(
    ("text", "separators", "expected"),
    [
        ("", ":", []), (":", ":", [".", "."]), ("/a:", ":", ["/a", "."]),
        ("/a//:/", ":", ["/a", "/"]), ("/a;/b:/c", ":;", ["/a", "/b", "/c"]),
        ("/a;/b", ":", ["/a;/b"]),
    ],
)  # fmt: skip
def test_empty_elements_are_the_working_directory(
    text: str, separators: str, expected: list[str]
) -> None:
    assert list(elements(text, "/o", GLIBC, separators)) == expected


def test_rpath_goes_up_the_chain_and_stops_counting_where_there_is_runpath() -> None:
    program = loaded("/bin/p", rpath="/of-program")
    middle = loaded("/lib/m.so", program, rpath="/ignored", runpath="/not-inherited")
    lowest = loaded("/lib/l.so", middle, rpath="$ORIGIN/own")
    assert directories(lowest, "/env") == [
        "/lib/own", "/of-program", "/env", "/lib", "/usr/lib",
    ]  # fmt: skip
    assert directories(middle, "/env") == ["/env", "/not-inherited", "/lib", "/usr/lib"]


def test_an_empty_runpath_still_bars_rpath() -> None:
    program = loaded("/bin/p", rpath="/of-program")
    assert directories(loaded("/lib/m.so", program, runpath="")) == ["/lib", "/usr/lib"]


def test_ld_library_path_takes_the_origin_of_the_program() -> None:
    library = loaded("/lib/m.so", loaded("/bin/p"))
    assert directories(library, "$ORIGIN/x:relative:")[:3] == ["/bin/x", "/work/relative", "/work"]


def test_a_name_with_a_slash_is_looked_for_nowhere_else() -> None:
    program = loaded("/bin/p", rpath="/r")
    assert directories(program, "/env", name="sub/liba.so") == ["/work/sub/liba.so"]
    assert directories(program, "/env", name="/x/liba.so") == ["/x/liba.so"]


def test_the_cache_comes_after_runpath_and_before_the_default_directories() -> None:
    cache = select([CacheEntry("liba.so", "/opt/liba.so", 1)], 1)
    loader = Loader("/ld.so", Flavour.GLIBC, ("/lib",), cache=cache)
    found = list(places("liba.so", loaded("/p", runpath="/r"), loader, Environment()))
    assert [place.how for place in found] == [How.RUNPATH, How.CACHE, How.DEFAULT]
    assert found[1].candidates == ("/opt/liba.so",)


def test_nodeflib_leaves_only_what_is_named() -> None:
    program = loaded("/bin/p", runpath="/r", flags_1=NODEFLIB)
    assert directories(program, "/env") == ["/env", "/r"]


def test_each_directory_is_searched_for_this_processor_first() -> None:
    loader = Loader("/ld.so", Flavour.GLIBC, ("/lib",), hwcaps=("v3", "v2"), legacy=("tls",))
    (place,) = places("liba.so", loaded("/p"), loader, Environment())
    assert place.candidates == (
        "/lib/glibc-hwcaps/v3/liba.so", "/lib/glibc-hwcaps/v2/liba.so", "/lib/tls/liba.so",
        "/lib/liba.so",
    )  # fmt: skip
    (plain,) = places("liba.so", loaded("/p"), loader.plain, Environment())
    assert plain.candidates == ("/lib/liba.so",)


def test_musl_takes_the_environment_first_and_all_paths_up_the_chain() -> None:
    program = loaded("/bin/p", runpath="$ORIGIN/a", rpath="/ignored")
    library = loaded("/lib/m.so", program, rpath="/own\n/second")
    assert directories(library, "/env:", MUSL) == ["/env", "/own", "/second", "/bin/a", "/lib"]


@pytest.mark.parametrize("text", ["$LIB/x", "/a:$PLATFORM", "$ORIGIN/$x"])
def test_musl_uses_no_path_with_another_token(text: str) -> None:
    assert directories(loaded("/bin/p", runpath=text), loader=MUSL) == ["/lib"]


def test_a_place_says_why_it_is_one() -> None:
    assert str(Place(How.RPATH, "/d", "/bin/p")) == "/d (rpath of /bin/p)"
    assert str(Place(How.LIBRARY_PATH, "/d")) == "/d (LD_LIBRARY_PATH)"
    assert str(Place(How.CACHE)) == "the loader's cache"
    assert str(Place(How.SLASH, "/x/liba.so")) == "/x/liba.so"

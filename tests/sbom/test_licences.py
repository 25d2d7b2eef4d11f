"""What packages say of their licences becomes an SPDX expression."""

from __future__ import annotations

import pytest

from magicpak.sbom import copyright as copyright_file
from magicpak.sbom.licences import licence, reference


@pytest.mark.parametrize(("said", "expected"), [
    ("Expat", "MIT"),
    ("GPL-2+", "GPL-2.0-or-later"),
    ("GPL-2", "GPL-2.0-only"),
    ("LGPL-2.1+", "LGPL-2.1-or-later"),
    ("AGPL-3", "AGPL-3.0-only"),
    ("GPLv2+", "GPL-2.0-or-later"),
    ("gpl-3.0-or-later", "GPL-3.0-or-later"),
    ("GFDL-1.3+", "GFDL-1.3-or-later"),
    ("GFDL-NIV-1.2+", "GFDL-1.2-no-invariants-or-later"),
    ("Apache-2", "Apache-2.0"),
    ("BSD-3-clause", "BSD-3-Clause"),
    ("zlib", "Zlib"),
    ("MPL-2", "MPL-2.0"),
    ("GPL-2+ or Artistic", "GPL-2.0-or-later OR Artistic-1.0"),
    ("GPL-1+ or Artistic, and BSD-3-clause",
     "(GPL-1.0-or-later OR Artistic-1.0) AND BSD-3-Clause"),
    ("Expat or ISC and Zlib", "MIT OR (ISC AND Zlib)"),
    ("GPL-2+ with Autoconf exception", "GPL-2.0-or-later WITH Autoconf-exception-2.0"),
    ("GPL-3+ with Bison exception", "GPL-3.0-or-later WITH Bison-exception-2.2"),
    ("(MIT OR Apache-2.0) AND Unicode-3.0", "(MIT OR Apache-2.0) AND Unicode-3.0"),
    ("GPL-2.0-or-later WITH Classpath-exception-2.0",
     "GPL-2.0-or-later WITH Classpath-exception-2.0"),
    ("MIT BSD-2-Clause", "MIT AND BSD-2-Clause"),
    ("ASL 2.0 and MIT", "Apache-2.0 AND MIT"),
    ("", ""),
])  # fmt: skip
def test_a_known_licence_has_its_spdx_name(said: str, expected: str) -> None:
    assert licence([said]) == (expected, ())


@pytest.mark.parametrize("said", [
    "public-domain", "GPL-2+ with OpenSSL exception", "((MIT", "MIT)", "and", "MIT or", "a, b",
    "MIT (C) 1999", "x" * 500, "\udcff",
])  # fmt: skip
def test_another_is_a_reference_with_its_text(said: str) -> None:
    expression, texts = licence([said], {said: "the text"})
    assert [expression] == [ref for ref, _ in texts]
    assert expression.startswith("LicenseRef-")
    assert texts[0][1] == "the text"


def test_two_texts_of_one_name_have_two_references() -> None:
    assert reference("x", "a") != reference("x", "b")
    assert reference("x", "a") == reference("x", "a")


def test_several_are_joined_each_once() -> None:
    assert licence(["Expat or ISC", "MIT", "Expat"]).expression == "(MIT OR ISC) AND MIT"


COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: tool

Files: *
Copyright: 2020 A
License: GPL-2+

Files: lib/*
Copyright: 2020 B
License: custom
 You may
 .
  do it.

Files: data/*
Copyright: C
License: public-domain

License: GPL-2+
 On Debian systems …

License: public-domain
 Nobody owns it.
"""


def test_a_copyright_file_tells_the_licences_of_its_files() -> None:
    expression, texts = copyright_file.read(COPYRIGHT, "tool")
    first, *refs = expression.split(" AND ")
    assert first == "GPL-2.0-or-later"
    assert [ref.rsplit("-", 1)[0] for ref in refs] == [
        "LicenseRef-custom", "LicenseRef-public-domain"
    ]  # fmt: skip
    assert dict(texts) == {refs[0]: "You may\n\n do it.", refs[1]: "Nobody owns it."}


def test_a_copyright_file_of_another_format_is_a_licence_itself() -> None:
    expression, texts = copyright_file.read("This is free.\n", "tool")
    assert texts == ((expression, "This is free.\n"),)
    assert expression.startswith("LicenseRef-tool-copyright-")
    assert copyright_file.read("", "tool") == ("", ())


def test_a_damaged_copyright_file_tells_what_is_in_it() -> None:
    assert copyright_file.read(COPYRIGHT[:140], "tool").texts == ()
    for end in range(0, len(COPYRIGHT), 7):
        copyright_file.read(COPYRIGHT[:end], "tool")
        copyright_file.read(COPYRIGHT[end:], "tool")

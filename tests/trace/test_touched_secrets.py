"""A key or a password that a program reads is left out, and told."""

from __future__ import annotations

from pathlib import Path

import pytest

from magicpak.trace.calls import Kind
from magicpak.trace.strace_log import Access
from magicpak.trace.touched import sift
from support.traces import Touch, files, left_out, needs_strace

PEM = "-----BEGIN {}PRIVATE KEY-----\nabc\n"


@needs_strace
@pytest.mark.parametrize("kind", ["", "RSA ", "OPENSSH ", "ENCRYPTED "])
def test_a_private_key_is_left_out_by_the_name_that_the_program_used(
    touch: Touch, tmp_path: Path, kind: str
) -> None:
    key, link = tmp_path / "id", tmp_path / "link"
    key.write_text(PEM.format(kind))
    link.symlink_to("id")
    found = touch("/bin/cat", str(link))
    assert not {str(key), str(link)} & files(found)
    assert left_out(found) == {str(link): "hold private keys"}


@pytest.mark.parametrize("kind", ["", "PGP {}BLOCK"])
def test_a_key_after_certificates_is_left_out(tmp_path: Path, kind: str) -> None:
    lines = 50 * f"{64 * chr(65)}\n"
    certificate = f"-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n"
    key = PEM.format("") if not kind else "-----BEGIN PGP PRIVATE KEY BLOCK-----\n"
    for name, text in (("chain", 3 * certificate), ("combined", 3 * certificate + key)):
        (tmp_path / name).write_text(text)
    found = sift([Access(str(tmp_path / name), Kind.USED) for name in ("chain", "combined")])
    assert files(found) == {str(tmp_path / "chain")}
    assert set(left_out(found)) == {str(tmp_path / "combined")}


@needs_strace
def test_a_text_that_speaks_of_private_keys_is_taken(touch: Touch, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text('MARK = "-----BEGIN PRIVATE KEY-----"\n')
    assert str(tmp_path / "code.py") in files(touch("/bin/cat", str(tmp_path / "code.py")))


def test_a_key_by_name_is_left_out_only_where_nobody_else_may_read_it(tmp_path: Path) -> None:
    for name, mode in (("a.key", 0o600), ("b.key", 0o644)):
        (tmp_path / name).write_bytes(b"\0")
        (tmp_path / name).chmod(mode)
    accesses = [Access(str(tmp_path / name), Kind.USED) for name in ("a.key", "b.key")]
    assert files(sift(accesses)) == {str(tmp_path / "b.key")}

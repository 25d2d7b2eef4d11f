"""What is brought for the libraries of a bundle lies where these look for it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from magicpak.host import Host
from magicpak.plan import Bundle, Link, Origin, Why
from magicpak.runtime.bring import BRING
from magicpak.runtime.request import DataNotFound, Request
from magicpak.runtime.subject import Reader, Subject
from support.packages import look_at
from support.programs import compile_c

STORE = "/etc/ssl/certs/ca-certificates.crt"
LIB = "/usr/lib/x86_64-linux-gnu"


def brought(
    root: Path, kind: str, *values: str, objects: dict[str, str], files: Iterable[str]
) -> dict[str, str]:
    """Bring a kind for objects with a text in each; return paths, and where links lead to."""
    look_at(root, {path[1:]: "" for path in files})
    host = Host(str(root))
    subjects = []
    for path, text in objects.items():
        compile_c(root / path[1:], f'const char *const x = "{text}";', "-shared", "-nostdlib")
        subjects.append(Subject(path, path, host.read(path), path, near=True))
    origin = Origin(Why.DATA, kind)
    request = Request(kind, values, origin, host, Bundle(), subjects, Reader(host), "busybox")
    placed = BRING[kind](request)
    return {
        path: entry.text if isinstance(entry, Link) else "" for path, entry, _ in placed
    }


def test_openssl_finds_the_certificates_in_its_own_directory(tmp_path: Path) -> None:
    objects = {f"{LIB}/libcrypto.so.3": r'OPENSSLDIR: \"/opt/ssl\"'}
    found = brought(tmp_path / "r", "certs", objects=objects, files=[STORE])
    assert found == {STORE: "", "/opt/ssl/cert.pem": STORE}


def test_gnutls_finds_them_where_it_was_built_to_look(tmp_path: Path) -> None:
    objects = {f"{LIB}/libgnutls.so.30": "/etc/pki/tls/certs/ca-bundle.crt"}
    found = brought(tmp_path / "r", "certs", objects=objects, files=[STORE])
    assert found == {STORE: "", "/etc/pki/tls/certs/ca-bundle.crt": STORE}


def test_p11_kit_has_its_trust_module_and_what_that_reads(tmp_path: Path) -> None:
    module = f"{LIB}/pkcs11/p11-kit-trust.so"
    source, settings = "/usr/share/pki/ca-trust-source/x.p11-kit", "/usr/share/p11-kit/modules/x"
    found = brought(
        tmp_path / "r", "certs", objects={f"{LIB}/libp11-kit.so.0": ""},
        files=[STORE, module, source, settings],
    )  # fmt: skip
    assert {STORE, module, source, settings} <= found.keys()


@pytest.mark.parametrize("place", ["libnssckbi.so", "nss/libnssckbi.so"])
def test_nss_has_its_module_of_authorities(tmp_path: Path, place: str) -> None:
    found = brought(
        tmp_path / "r", "certs", objects={f"{LIB}/libnss3.so": ""}, files=[STORE, f"{LIB}/{place}"]
    )
    assert f"{LIB}/{place}" in found


def test_a_static_program_finds_them_where_it_tries_first(tmp_path: Path) -> None:
    objects = {"/usr/bin/app": "/etc/ssl/ca-bundle.pem"}
    found = brought(tmp_path / "r", "certs", objects=objects, files=[STORE])
    assert found["/etc/ssl/ca-bundle.pem"] == STORE


def test_the_store_of_another_distribution_serves_too(tmp_path: Path) -> None:
    other = "/etc/pki/tls/certs/ca-bundle.crt"
    objects = {f"{LIB}/libgnutls.so.30": STORE}
    found = brought(tmp_path / "r", "certs", objects=objects, files=[other])
    assert found == {other: "", STORE: other}


def test_without_certificates_the_package_to_install_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="install ca-certificates"):
        brought(tmp_path / "r", "certs", objects={}, files=["/etc/x"])


def test_a_terminal_comes_from_the_first_place_that_has_it(tmp_path: Path) -> None:
    places = ["/lib/terminfo/x/xterm", "/usr/share/terminfo/x/xterm", "/usr/share/terminfo/v/vt100"]
    found = brought(tmp_path / "r", "terminfo", "xterm", objects={}, files=places)
    assert set(found) == {places[0]}


def test_of_the_modules_of_names_those_that_are_configured_come(tmp_path: Path) -> None:
    modules = [f"{LIB}/libnss_files.so.2", f"{LIB}/libnss_dns.so.2", f"{LIB}/libnss_ldap.so.2"]
    found = brought(
        tmp_path / "r", "nss", objects={f"{LIB}/libc.so.6": ""},
        files=[*modules, "/etc/services", "/etc/passwd"],
    )  # fmt: skip
    assert set(found) == {"/etc/nsswitch.conf", "/etc/services", *modules[:2]}

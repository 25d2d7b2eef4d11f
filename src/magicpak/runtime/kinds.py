"""The kinds of run-time data, and what in an object is evidence that it uses one. Data."""

import re
from enum import Enum
from typing import NamedTuple


class Says(Enum):
    """What a program without the data meets."""

    FAILS = "a function of it fails: a warning"
    FALLS_BACK = "a default that is mostly fine: told at level Info"


class Kind(NamedTuple):
    """A kind of data, as ``--with`` names it, with the signs of its use; one is enough."""

    name: str
    does: str
    """What a program does with it, after the program's name."""
    says: Says
    imports: frozenset[str] = frozenset()
    """Functions that a near object imports."""
    own_imports: frozenset[str] = frozenset()
    """Functions that count only where the program itself imports them."""
    own_needs: str = ""
    """The start of the name of a library that counts where the program itself needs it."""
    words: frozenset[str] = frozenset()
    """Texts among the constants of a program that has imports."""
    beside: frozenset[str] = frozenset()
    """Functions: a program that imports one is searched for ``words`` even for a hint."""
    static_words: frozenset[str] = frozenset()
    """Texts, and paths, among the constants of a program that has none."""
    paths: tuple[str, ...] = ()
    """The starts of paths that count in a static program, and beside ``readers``."""
    readers: tuple[str, ...] = ()
    """The starts of names of libraries whose users are searched for ``paths``."""
    there: str = "(?!)"
    """A regular expression of paths: with one of them in the bundle, the data is there."""
    automatic: bool = True
    """Whether ``auto`` brings it."""


def names(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


_NSS = "/etc/nsswitch.conf"
CERTIFICATE_PATHS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
    "/etc/certs/ca-certificates.crt",
)
"""Where distributions keep the certificates of all authorities in one file; programs try these."""

TLS = ("libssl.so", "libgnutls.so", "libmbedtls.so", "libwolfssl.so", "libnss3.so")

KINDS = (
    Kind(
        "nss", "looks up host names", Says.FAILS,
        imports=names("getaddrinfo gethostbyname gethostbyname2 gethostbyname_r gethostbyname2_r"
                       " gethostbyaddr gethostbyaddr_r getaddrinfo_a"),
        there=_NSS,
    ),
    Kind(
        "nss", "looks up names by itself", Says.FALLS_BACK,
        paths=("/etc/nsswitch.conf", "/etc/services"),
        there=_NSS,
    ),
    Kind(
        "certs", "checks certificates", Says.FAILS,
        imports=names("SSL_CTX_set_default_verify_paths SSL_CTX_set_default_verify_dir"
                       " SSL_CTX_set_default_verify_file X509_STORE_set_default_paths"
                       " gnutls_certificate_set_x509_system_trust"
                       " gnutls_x509_trust_list_add_system_trust"),
        paths=("/etc/ssl/cert", "/etc/ssl/ca-", "/etc/pki/tls", "/etc/pki/ca-trust"),
        readers=TLS,
        there="|".join(map(re.escape, CERTIFICATE_PATHS)),
    ),
    Kind(
        "users", "takes on the identity of a user", Says.FAILS,
        own_imports=names("initgroups getgrouplist"),
        there="/etc/passwd",
    ),
    Kind(
        "users", "looks up users", Says.FALLS_BACK,
        imports=names("getpwnam getpwnam_r getpwuid getpwuid_r getgrnam getgrnam_r getgrgid"
                           " getgrgid_r getpwent getgrent getlogin getlogin_r"),
        paths=("/etc/passwd",),
        there="/etc/passwd",
    ),
    Kind(
        "zones", "reads time zones", Says.FAILS,
        words=names('TZ="'),
        beside=names("localtime localtime_r mktime"),
        there="/usr/share/zoneinfo/.*",
    ),
    Kind(
        "zones", "reads time zones", Says.FALLS_BACK,
        words=names("zoneinfo"),
        static_words=names("time.LoadLocation"),
        there="/usr/share/zoneinfo/.*",
    ),
    Kind(
        "gconv", "converts character sets", Says.FALLS_BACK,
        own_imports=names("iconv_open u8_conv_from_encoding u8_strconv_from_encoding"
                          " u32_conv_from_encoding u32_strconv_from_encoding"),
        there=".*/gconv/.*",
    ),
    Kind(
        "terminfo", "draws on the terminal", Says.FAILS,
        own_imports=names("initscr newterm setupterm"),
        there=".*/terminfo/.*",
    ),
    Kind(
        "terminfo", "asks what the terminal can do", Says.FALLS_BACK,
        imports=names("initscr newterm setupterm tgetent"),
        own_needs="libtinfo",
        there=".*/terminfo/.*",
    ),
    Kind(
        "locale", "sets the locale C.UTF-8", Says.FALLS_BACK,
        words=names("C.UTF-8"),
        there=".*/lib/locale/.*",
    ),
    Kind(
        "tmp", "writes temporary files", Says.FALLS_BACK,
        own_imports=names("mkstemp mkstemp64 mkstemps mkostemp mkostemp64 mkdtemp tmpfile"
                           " tmpfile64 tempnam tmpnam tmpnam_r"),
        words=names("/tmp"),  # noqa: S108  of the bundle
        there="/tmp",  # noqa: S108
    ),
    Kind(
        "shell", "starts a shell", Says.FAILS,
        own_imports=names("system popen wordexp"),
        words=frozenset({"/bin/sh\0"}),
        beside=names("execl execle execlp execv execve execvp execvpe posix_spawn posix_spawnp"),
        there="(/usr)?/bin/sh",
        automatic=False,
    ),
    Kind("busybox", "", Says.FALLS_BACK, automatic=False),
)  # fmt: skip
"""In the order in which they are told. Of two with one name, the second is weaker evidence."""

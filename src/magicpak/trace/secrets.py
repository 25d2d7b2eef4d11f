"""Which files hold secrets of the machine that builds, by their names and by what is in them."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from typing import BinaryIO

PASSWORDS = "passwords or tokens"
KEYS = "private keys"
HISTORIES = "histories of what was typed"

NAMES = {
    PASSWORDS: """
        /etc/shadow /etc/shadow- /etc/gshadow /etc/gshadow- /etc/security/opasswd /run/secrets/
        .netrc _netrc .authinfo .authinfo.gpg .git-credentials git/credentials .gitcookies
        .npmrc .yarnrc.yml .pypirc .gem/credentials .cargo/credentials .cargo/credentials.toml
        composer/auth.json .composer/auth.json .m2/settings.xml .m2/settings-security.xml
        .gradle/gradle.properties NuGet/NuGet.Config .nuget/NuGet.Config
        .pgpass .my.cnf .mylogin.cnf .rediscli_auth .htpasswd .smbcredentials
        .aws/ .azure/ .oci/ .config/gcloud/ application_default_credentials.json .boto .s3cfg
        .rclone.conf rclone/rclone.conf .terraformrc credentials.tfrc.json
        .vault-token .vault_pass .vault_pass.txt .password-store/ *.kdbx *.keytab krb5cc_*
        .docker/config.json .dockercfg .dockerconfigjson containers/auth.json
        .kube/ kubeconfig kubeconfig.yaml kubeconfig.yml *.kubeconfig
        gh/hosts.yml glab-cli/config.yml .config/hub .msmtprc .mbsyncrc .fetchmailrc
        .env .env.* .envrc""",
    KEYS: """
        .ssh/ .gnupg/ .putty/ private-keys-v1.d/ secring.gpg
        id_rsa id_dsa id_ecdsa id_ecdsa_sk id_ed25519 id_ed25519_sk ssh_host_*_key
        *.p8 *.pk8 *.p12 *.pfx *.jks *.jceks *.bcfks *.keystore *.ppk""",
    HISTORIES: """
        .*_history .history .histfile .viminfo .lesshst fish/fish_history""",
}
"""Files by their names, ends of paths or whole paths, and directories, which end in a slash."""

HARMLESS = frozenset((".env.example", ".env.sample", ".env.template", ".env.dist"))

_ROWS = [(name, kind) for kind, names in NAMES.items() for name in names.split()]
_DIRECTORIES = [(f"/{name.lstrip('/')}", kind) for name, kind in _ROWS if name.endswith("/")]
_ENDS = {name: kind for name, kind in _ROWS if "*" not in name and not name.endswith("/")}
_PATTERNS = [
    (re.compile(fnmatch.translate(name), re.IGNORECASE), kind)
    for name, kind in _ROWS
    if "*" in name
]

CONTENTS = (
    # RFC 7468, RFC 4880
    (b"PRIVATE KEY", rb"^-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\s*$", KEYS),
    (b'"private_key"', rb'"private_key": *"-----BEGIN ', KEYS),  # of a service account, in JSON
    (b"PuTTY-User-Key-File", rb"^PuTTY-User-Key-File-\d: ", KEYS),
    (b"AGE-SECRET-KEY", rb"^AGE-SECRET-KEY-1", KEYS),
    (b"machine", rb"^machine\s+\S+\s+login\s+\S+\s+password\s", PASSWORDS),  # .netrc
    (b"://", rb"^https?://[^\s/:@]+:[^\s/@]+@[^\s/]+$", PASSWORDS),  # .git-credentials
    (b":_", rb"^//\S+:_(?:authToken|password) *=", PASSWORDS),  # .npmrc
    (b"aws_secret_access_key", rb"^aws_secret_access_key *=", PASSWORDS),
    (b"clusters:", rb"\A(?:---\n)?apiVersion: v1\nclusters:", PASSWORDS),  # kubeconfig
    (b'"auths"', rb'\A\{\s*"auths": *\{', PASSWORDS),  # .docker/config.json
)
"""How files with secrets look under whatever name: what is in each, and then exactly how."""

_LOOKS = [(mark, re.compile(look, re.MULTILINE), kind) for mark, look, kind in CONTENTS]
_PEM = b"-----BEGIN "
_PEM_SIZE = 1 << 20


def by_name(path: str) -> str | None:
    """Return what an absolute path holds by the names in it, where that is secret."""
    for name, kind in _DIRECTORIES:
        if name in f"{path}/":
            return kind
    *_, directory, name = path.split("/")
    for end in (path, f"{directory}/{name}", name):
        if end in _ENDS:
            return _ENDS[end]
    if name in HARMLESS:
        return None
    return next((kind for pattern, kind in _PATTERNS if pattern.match(name)), None)


def by_content(path: str, file: BinaryIO) -> str | None:
    """Return what an open file holds, where that is secret. Raises OSError."""
    if path.endswith(".key") and not stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
        return KEYS
    text = file.read(1024)
    if _PEM in text:  # a key may follow after certificates
        text += file.read(_PEM_SIZE)
    # To look for a few bytes is much faster than to look for a pattern.
    return next((kind for mark, look, kind in _LOOKS if mark in text and look.search(text)), None)

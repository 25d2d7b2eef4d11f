"""Which names, places and contents of files are secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from magicpak.trace import secrets
from magicpak.trace.calls import Kind
from magicpak.trace.strace_log import Access
from magicpak.trace.touched import sift
from support.traces import directories, files, left_out

HIDDEN = """
    /root/.netrc /root/.git-credentials /root/.config/git/credentials /app/.npmrc /root/.pypirc
    /root/.pgpass /root/.aws/credentials /root/.aws/sso/cache/1.json /root/.docker/config.json
    /root/.vault-token /app/.env /app/.env.production /root/.kube/config /app/kubeconfig
    /app/dev.kubeconfig /root/.cargo/credentials.toml /root/.m2/settings.xml /root/.my.cnf
    /app/server.p12 /app/server.PFX /app/trust.jks /root/.bash_history /root/.python_history
    /root/.zsh_history /root/.local/share/fish/fish_history /root/.node_repl_history
    /root/.gnupg/pubring.kbx /root/.ssh/known_hosts /root/.ssh/config /home/u/.ssh/id_ed25519
    /run/secrets/token /run/secrets/kubernetes.io/serviceaccount/token /etc/shadow /etc/gshadow-
    /root/.config/gcloud/access_tokens.db /root/.config/gh/hosts.yml /etc/krb5.keytab
    /etc/ssh/ssh_host_rsa_key
"""

PLAIN = """
    /etc/passwd /app/netrc /app/config.json /usr/share/doc/shadow /app/environment /app/.envoy
    /app/.env.example /app/credentials /usr/lib/python3/secrets.py /app/ssh/config
    /root/.gitconfig /app/history /run/app /etc/ssh/ssh_config
    /etc/ssl/certs/ca-certificates.crt /app/p12 /usr/lib/python3/dist-packages/dotenv/main.py
    /app/.dockerignore /root/.sshrc
"""


@pytest.mark.parametrize("path", HIDDEN.split())
def test_a_secret_is_known_by_its_name_or_place(path: str) -> None:
    assert secrets.by_name(path) is not None


def by_content(path: Path) -> str | None:
    with path.open("rb") as file:
        return secrets.by_content(str(path), file)


@pytest.mark.parametrize("path", PLAIN.split())
def test_other_names_are_none(path: str) -> None:
    assert secrets.by_name(path) is None


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n",
        "Bag Attributes\n-----BEGIN ENCRYPTED PRIVATE KEY-----\r\nx\n",
        '{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\\nx"}',
        "PuTTY-User-Key-File-3: ssh-ed25519\n",
        "# created: 2024\nAGE-SECRET-KEY-1QQQ\n",
    ],
)
def test_a_key_is_known_by_its_content(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    assert by_content(tmp_path / "file") == secrets.KEYS


@pytest.mark.parametrize(
    "text",
    [
        "machine example.org login me password x\n",
        "# a comment\nmachine example.org\n  login me\n  password x\n",
        "https://me:x@example.org\n",
        "registry=https://example.org\n//example.org/:_authToken=x\n",
        "[default]\naws_access_key_id = A\naws_secret_access_key = x\n",
        "apiVersion: v1\nclusters:\n- cluster:\n    server: https://example.org\n",
        '{\n\t"auths": {\n\t\t"example.org": {"auth": "x"}\n\t}\n}\n',
    ],
)
def test_a_password_is_known_by_the_form_of_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    assert by_content(tmp_path / "file") == secrets.PASSWORDS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN CERTIFICATE-----\nx\n",
        'MARK = "-----BEGIN PRIVATE KEY-----"\n',
        "See https://me:x@example.org for more.\nhttps://example.org:80/\n",
        "machine: x86_64\n",
        "apiVersion: v1\nkind: Service\n",
    ],
)
def test_other_contents_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    assert by_content(tmp_path / "file") is None


def test_a_secret_is_left_out_by_the_name_of_the_link_or_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    for name in (".ssh/config", "plain", ".npmrc"):
        (tmp_path / name).write_text("x")
    (tmp_path / ".netrc").symlink_to("plain")
    (tmp_path / "link").symlink_to(".npmrc")
    (tmp_path / "keys").symlink_to(".ssh")
    names = (".netrc", "link", "plain", "keys/config", ".ssh")
    found = sift([Access(str(tmp_path / name), Kind.USED) for name in names])
    assert files(found) == {str(tmp_path / "plain")}
    assert directories(found) == set()
    expected = {str(tmp_path / name) for name in (".netrc", "link", "keys/config", ".ssh")}
    assert set(left_out(found)) == expected

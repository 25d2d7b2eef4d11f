"""Programs that use data of their own print the same in their bundles as outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.docker_engine import Engine

pytestmark = [pytest.mark.docker, pytest.mark.needs("docker")]

PACKAGES = (
    "busybox-static ca-certificates python3 python3-yaml flake8 perl libjson-perl ruby lua5.4"
    " lua-lpeg tcl gawk imagemagick librsvg2-bin graphviz file gstreamer1.0-tools xsltproc"
    " libxml2-utils docbook-xml aspell-en groff-base cowsay units espeak-ng sox fish zsh vim-nox"
    " locales rsyslog haproxy lighttpd cron iptables boxes tzdata sqlite3 jq gettext-base"
)
DOCBOOK = "-//OASIS//DTD DocBook XML V4.5//EN"
PYTHON = """\
#!/usr/bin/python3
import json, ssl, sqlite3, yaml, zoneinfo, datetime
zone = zoneinfo.ZoneInfo("Europe/Berlin")
print(yaml.safe_load("a: [1]"), datetime.datetime(2024, 7, 1, tzinfo=zone).utcoffset())
"""
PERL = "#!/usr/bin/perl\nuse JSON;\nuse POSIX;\nprint encode_json({a => [floor(2.5)]});\n"
LUA = "#!/usr/bin/lua5.4\nlocal re = require 're'\nprint(re.match('abc', '[a-z]+'))\n"
TCL = "puts [clock format 0 -format %Y -timezone :Europe/Berlin]\n"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><circle r="2"/></svg>'
FILES = {
    "s.py": PYTHON, "s.pl": PERL, "s.lua": LUA, "s.tcl": TCL, "a.svg": SVG,
    "book.xml": f'<!DOCTYPE book PUBLIC "{DOCBOOK}" "x.dtd"><book><chapter><title>y</title>'
                "<para>z</para></chapter></book>",
}  # fmt: skip
"""What lies below /job, outside and in each bundle."""

JOBS: dict[str, tuple[str, ...]] = {
    "python": ("/job/s.py",),
    "flake8": ("flake8", "--version"),
    "perl": ("/job/s.pl",),
    "ruby": ("ruby", "-rjson", "-rset", "-e", "puts JSON.generate(Set[1].to_a)"),
    "lua": ("/job/s.lua",),
    "tcl": ("tclsh", "/job/s.tcl"),
    "gawk": ("gawk", "-l", "time", "BEGIN { print (gettimeofday() > 0) }"),
    "imagemagick": ("convert", "-size", "2x2", "xc:red", "-resize", "1x1", "png:-"),
    "rsvg": ("rsvg-convert", "-w", "3", "/job/a.svg"),
    "graphviz": ("dot", "-Tsvg", "/dev/null"),
    "libmagic": ("file", "/job/a.svg", "/job/s.pl"),
    "gstreamer": ("gst-launch-1.0", "-q", "fakesrc", "num-buffers=1", "!", "fakesink"),
    "xml catalog": ("xmllint", "--nonet", "--noout", "--valid", "/job/book.xml"),
    "xslt": ("xsltproc", "--version"),
    "aspell": ("aspell", "-d", "en_US", "dump", "config"),
    "groff": ("groff", "-Tascii", "-man", "/dev/null"),
    "cowsay": ("/usr/games/cowsay", "-f", "tux", "hi"),
    "units": ("units", "1 mile", "km"),
    "espeak": ("espeak-ng", "-q", "-x", "hello"),
    "sox": ("sox", "-n", "-r", "8000", "-t", "flac", "-", "trim", "0", "0"),
    "fish": ("fish", "-c", "string upper abc; type -t fish_prompt"),
    "zsh": ("zsh", "-fc", "autoload -U colors; colors; zmodload zsh/mathfunc; echo $((sqrt(4)))"),
    "vim": ("vim", "-es", "-u", "NONE", "-c", "syntax on", "-c", "q"),
    "zones": ("date", "-d", 'TZ="America/New_York" 2024-07-01 12:00', "+%s"),
    "charsets": ("iconv", "-f", "utf-8", "-t", "iso-2022-jp", "/job/s.pl"),
    "services": ("getent", "services", "https"),
    "accounts": ("getent", "passwd", "nobody"),
    "locale": ("locale", "charmap"),
    "rsyslog": ("rsyslogd", "-N1"),
    "haproxy": ("haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg"),
    "iptables": ("iptables-translate", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT"),
    "boxes": ("boxes", "-d", "cat", "/job/s.pl"),
    "sqlite": ("sqlite3", ":memory:", "select date(0, 'unixepoch')"),
    "jq": ("jq", "-n", "now > 0"),
}
"""Programs that rules name, and programs that none names, with arguments that use their data."""

RUN = """\
import concurrent.futures, json, os, shutil, subprocess, sys
def differs(name, program, *arguments):
    path, bundle = shutil.which(program), f"/bundles/{name}"
    pack = subprocess.run(
        ["magicpak", "--with", "auto", path, bundle], stderr=subprocess.PIPE, text=True)
    for directory in ("dev", "job"):
        os.makedirs(f"{bundle}/{directory}", exist_ok=True)
    subprocess.run(["cp", "-a", "/dev/null", "/dev/urandom", f"{bundle}/dev/"])
    subprocess.run(["cp", "-a", "/job/.", f"{bundle}/job/"])
    def told(*before):
        run = subprocess.run(
            [*before, path, *arguments], stdin=subprocess.DEVNULL, cwd="/", timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"]})
        return run.returncode, run.stdout, run.stderr
    outside, inside = told(), told("chroot", bundle)
    differ = outside[:2] != inside[:2] or outside[0] or pack.returncode
    if differ:
        print("DIFFERENT", name, outside, inside, pack.stderr, sep="\\n  ")
    shutil.rmtree(bundle)
    return differ
jobs = json.load(open("/job/jobs.json"))
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    sys.exit(any(list(pool.map(lambda name: differs(name, *jobs[name]), jobs))))
"""


@pytest.mark.parametrize("suite", ["trixie"])
def test_programs_print_the_same_in_their_bundles(
    engine: Engine, single: str, suite: str, tmp_path: Path
) -> None:
    assert single
    engine.base(suite)
    for name, text in {**FILES, "jobs.json": json.dumps(JOBS), "run.py": RUN}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "Dockerfile").write_text(
        f"FROM debian:{suite}\n"
        f"RUN apt-get update && apt-get install -y --no-install-recommends {PACKAGES}\n"
        "COPY --from=magicpak /magicpak /usr/bin/magicpak\n"
        "COPY . /job\n"
        "RUN python3 /job/run.py\n"
    )
    image = f"magicpak-test/jobs:{suite}"
    engine.build(tmp_path, image)
    engine.docker("rmi", image)

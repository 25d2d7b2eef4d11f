"""Each rule finds its files where distributions have them, and leaves out what is not for it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from magicpak.host import Host
from magicpak.runtime import ruled
from magicpak.runtime.request import found
from magicpak.runtime.rules import RULES, Rule
from magicpak.runtime.subject import Subject
from support.programs import compile_c

LIB = "/usr/lib/x86_64-linux-gnu"


class Row(NamedTuple):
    """An object, as distributions name it, and files that are there with it."""

    path: str
    brings: str = ""
    """A last ``/`` makes a directory. All patterns of the rule match some of these."""
    leaves: str = ""
    """Files that are there too, and are not brought."""


JVM = "/usr/lib/jvm/java-17-openjdk-amd64"
ROWS = {
    "openssl": Row(
        f"{LIB}/libcrypto.so.3",
        f"{LIB}/ossl-modules/legacy.so {LIB}/engines-3/afalg.so /usr/lib/ssl/openssl.cnf"
        " /etc/ssl/openssl.cnf /etc/pki/tls/openssl.cnf /etc/pki/tls/openssl.d/x.conf"
        " /etc/crypto-policies/back-ends/opensslcnf.config",
        "/etc/ssl/private/key.pem /usr/lib/ssl/misc/tsget.pl",
    ),
    "gnutls": Row(
        f"{LIB}/libgnutls.so.30.34.3",
        "/etc/gnutls/config /etc/crypto-policies/back-ends/gnutls.config",
    ),
    "sasl": Row(
        f"{LIB}/libsasl2.so.2.0.25",
        f"{LIB}/sasl2/libplain.so /usr/lib/sasl2/berkeley_db.txt /etc/sasl2/smtpd.conf",
    ),
    "pam": Row(
        f"{LIB}/libpam.so.0.85.1",
        f"{LIB}/security/pam_unix.so /etc/pam.d/su /etc/pam.conf /etc/security/limits.conf"
        " /etc/login.defs",
        "/etc/shadow",
    ),
    "kerberos": Row(
        f"{LIB}/libkrb5.so.3.3",
        f"/etc/krb5.conf /etc/krb5.conf.d/x {LIB}/krb5/plugins/preauth/spake.so"
        " /usr/share/krb5/x",
        "/etc/krb5.keytab",
    ),
    "ldap": Row(
        f"{LIB}/libldap-2.5.so.0.1.8", "/etc/ldap/ldap.conf /etc/openldap/ldap.conf",
        "/etc/ldap/slapd.conf",
    ),
    "nss-softokn": Row(
        f"{LIB}/libnss3.so",
        f"{LIB}/nss/libsoftokn3.so {LIB}/libsoftokn3.so {LIB}/libsoftokn3.chk {LIB}/libfreebl3.so"
        f" {LIB}/libfreeblpriv3.so {LIB}/libnssdbm3.so {LIB}/libnssckbi.so",
    ),
    "libmagic": Row(
        f"{LIB}/libmagic.so.1.0.0",
        "/usr/lib/file/magic.mgc /usr/share/misc/magic.mgc /usr/share/file/magic/x /etc/magic",
    ),
    "gio": Row(
        f"{LIB}/libgio-2.0.so.0.7400.6",
        f"{LIB}/gio/modules/libgiognutls.so /usr/share/glib-2.0/schemas/gschemas.compiled"
        " /usr/share/mime/mime.cache",
        "/usr/share/glib-2.0/schemas/org.gtk.xml /usr/share/mime/packages/x.xml",
    ),
    "gdk-pixbuf": Row(
        f"{LIB}/libgdk_pixbuf-2.0.so.0.4200.10",
        f"{LIB}/gdk-pixbuf-2.0/2.10.0/loaders.cache"
        f" {LIB}/gdk-pixbuf-2.0/2.10.0/loaders/libpixbufloader-svg.so",
        f"{LIB}/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders",
    ),
    "gtk": Row(
        f"{LIB}/libgtk-3.so.0.2406.32",
        f"{LIB}/gtk-3.0/3.0.0/immodules.cache /etc/gtk-3.0/settings.ini"
        " /usr/share/icons/hicolor/index.theme /usr/share/icons/Adwaita/index.theme",
        f"{LIB}/gtk-4.0/x.so",
    ),
    "qt": Row(
        f"{LIB}/libQt6Gui.so.6.4.2",
        f"{LIB}/qt6/plugins/platforms/libqxcb.so {LIB}/qt-6/plugins/x.so"
        " /usr/lib/qt6/plugins/x.so",
        f"{LIB}/qt6/bin/moc {LIB}/qt5/plugins/platforms/libqxcb.so",
    ),
    "gstreamer": Row(
        f"{LIB}/libgstreamer-1.0.so.0.2200.0",
        f"{LIB}/gstreamer-1.0/libgstcoreelements.so"
        f" {LIB}/gstreamer1.0/gstreamer-1.0/gst-plugin-scanner"
        " /usr/libexec/gstreamer-1.0/gst-plugin-scanner",
    ),
    "imagemagick": Row(
        f"{LIB}/libMagickCore-7.Q16.so.10.0.2",
        f"{LIB}/ImageMagick-7.1.1/modules-Q16/coders/png.so"
        f" {LIB}/ImageMagick-7.1.1/modules-Q16/coders/png.la /etc/ImageMagick-7/policy.xml"
        " /usr/share/ImageMagick-7/english.xml",
    ),
    "graphicsmagick": Row(
        "/usr/lib/libGraphicsMagick-Q16.so.3.24.2",
        "/usr/lib/GraphicsMagick-1.3.40/config/delegates.mgk /etc/GraphicsMagick/x.mgk"
        " /usr/share/GraphicsMagick-1.3.40/config/locale.mgk",
    ),
    "fontconfig": Row(
        f"{LIB}/libfontconfig.so.1.12.0",
        "/etc/fonts/fonts.conf /usr/share/fontconfig/conf.avail/x.conf"
        " /usr/share/xml/fontconfig/fonts.dtd /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf"
        " /usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf"
        " /usr/share/fonts/opentype/NotoSans-Regular.otf /usr/share/fonts/X11/Type1/x.pfb",
    ),
    "xml-catalogs": Row(
        "/usr/bin/xmllint",
        "/etc/xml/catalog /etc/sgml/catalog /usr/share/xml/docbook/schema/dtd/4.5/docbookx.dtd"
        " /usr/share/sgml/x.dtd",
    ),
    "icu": Row(
        f"{LIB}/libicuuc.so.72.1", f"/usr/share/icu/72.1/icudt72l.dat {LIB}/icu/72.1/x.dat",
        f"{LIB}/icu/pkgdata.inc",
    ),
    "poppler": Row(f"{LIB}/libpoppler.so.126.0.0", "/usr/share/poppler/cMap/Adobe-Japan1/H"),
    "tesseract": Row(
        f"{LIB}/libtesseract.so.5.0.3",
        "/usr/share/tesseract-ocr/5/tessdata/eng.traineddata /usr/share/tessdata/eng.traineddata",
    ),
    "graphviz": Row(
        f"{LIB}/libgvc.so.6.0.0",
        f"{LIB}/graphviz/config6a {LIB}/graphviz/libgvplugin_core.so.6"
        " /usr/share/graphviz/x",
        f"{LIB}/graphviz/tcl/libtcldot.tcl",
    ),
    "ghostscript": Row(
        f"{LIB}/libgs.so.10.00",
        "/usr/share/ghostscript/10.00.0/Resource/Init/gs_init.ps"
        " /var/lib/ghostscript/fonts/Fontmap /etc/ghostscript/cidfmap.d/x.conf"
        " /usr/share/fonts/type1/gsfonts/x.pfb /usr/share/fonts/type1/urw-base35/C059-Roman.t1"
        " /usr/share/fonts/X11/Type1/C059-Roman.pfb /usr/share/fonts/urw-base35/x.t1"
        " /usr/share/color/icc/ghostscript/srgb.icc",
    ),
    "sox": Row(f"{LIB}/libsox.so.3.0.0", f"{LIB}/sox/libsox_fmt_vorbis.so"),
    "aspell": Row(
        f"{LIB}/libaspell.so.15.3.1",
        f"{LIB}/aspell-0.60/x.cset /usr/lib/aspell/en_US.multi /usr/share/aspell/x"
        " /var/lib/aspell/en-common.rws /etc/aspell.conf",
    ),
    "hunspell": Row(
        f"{LIB}/libhunspell-1.7.so.0.0.1",
        "/usr/share/hunspell/en_US.dic /usr/share/myspell/dicts/de_DE.dic",
    ),
    "enchant": Row(
        f"{LIB}/libenchant-2.so.2.3.3",
        f"{LIB}/enchant-2/enchant_hunspell.so /usr/share/enchant-2/enchant.ordering",
    ),
    "sudo": Row(
        "/usr/bin/sudo",
        "/etc/sudo.conf /etc/sudoers /etc/sudoers.d/x /usr/libexec/sudo/sudoers.so /etc/pam.d/sudo"
        " /etc/security/limits.conf /etc/login.defs",
    ),
    "groff": Row(
        "/usr/bin/groff",
        "/usr/share/groff/1.22.4/tmac/troffrc /etc/groff/man.local /usr/bin/troff /usr/bin/grotty"
        " /usr/bin/grops /usr/bin/preconv /usr/bin/tbl /usr/bin/eqn /usr/bin/pic"
        " /usr/bin/soelim",
        "/usr/bin/ls",
    ),
    "x11": Row(
        f"{LIB}/libX11.so.6.4.0",
        "/usr/share/X11/locale/locale.alias /usr/share/X11/XErrorDB /usr/share/X11/rgb.txt",
    ),
    "xkb": Row(f"{LIB}/libxkbcommon.so.0.0.0", "/usr/share/X11/xkb/rules/evdev"),
    "alsa": Row(
        f"{LIB}/libasound.so.2.0.0",
        f"/usr/share/alsa/alsa.conf /etc/alsa/conf.d/x.conf {LIB}/alsa-lib/libasound_x.so",
    ),
    "opencl": Row(f"{LIB}/libOpenCL.so.1.0.0", "/etc/OpenCL/vendors/pocl.icd"),
    "vulkan": Row(
        f"{LIB}/libvulkan.so.1.3.239",
        "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json /etc/vulkan/icd.d/x.json",
    ),
    "snmp": Row(
        f"{LIB}/libnetsnmp.so.40.2.0",
        "/usr/share/snmp/mibs/SNMPv2-MIB.txt /etc/snmp/snmp.conf /usr/share/mibs/ietf/IF-MIB",
    ),
    "python": Row(
        "/usr/bin/python3.11",
        "/usr/lib/python3.11/os.py /usr/lib64/python3.11/os.py /usr/lib/python3.11t/os.py"
        " /usr/lib/python3.11/lib-dynload/_ssl.so /usr/lib/python3.11/unittest/case.py"
        " /etc/python3.11/sitecustomize.py",
        "/usr/lib/python3.11/test/test_os.py /usr/lib/python3.11/idlelib/x.py"
        " /usr/lib/python3.11/config-3.11-x86_64-linux-gnu/libpython3.11.a"
        " /usr/lib64/python3.11/site-packages/x.py /usr/lib/python3/dist-packages/x.py",
    ),
    "perl": Row(
        "/usr/bin/perl5.36.0",
        f"/etc/perl/x.pm /usr/share/perl/5.36.0/strict.pm {LIB}/perl/5.36.0/auto/POSIX/POSIX.so"
        f" {LIB}/perl-base/strict.pm /usr/lib64/perl5/x.pm /usr/lib/perl5/core_perl/x.pm"
        " /usr/share/perl5/core_perl/x.pm",
        f"/usr/share/perl/5.36.0/pod/perl.pod {LIB}/perl/5.36.0/CORE/perl.h",
    ),
    "ruby": Row(
        f"{LIB}/libruby-3.1.so.3.1.2",
        f"/usr/lib/ruby/3.1.0/json.rb {LIB}/ruby/3.1.0/stringio.so /var/lib/gems/3.1.0/x.rb"
        " /usr/share/rubygems-integration/all/x.gemspec /usr/share/ruby/x.rb"
        " /usr/lib64/ruby/x.so",
    ),
    "php": Row(
        "/usr/bin/php8.2",
        "/etc/php/8.2/cli/php.ini /usr/lib/php/20220829/mbstring.so /etc/php.ini /etc/php.d/x.ini"
        " /usr/lib64/php/modules/x.so /usr/local/etc/php/conf.d/x.ini /usr/share/php/x.php",
        "/etc/php/7.4/cli/php.ini",
    ),
    "node": Row(
        "/usr/bin/node",
        " ".join(f"/usr/share/nodejs/{name}/x.js" for name in (
            "acorn", "cjs-module-lexer", "undici", "busboy", "streamsearch", "minimatch",
            "balanced-match", "brace-expansion", "llhttp", "amaro", "xterm")),
        "/usr/share/nodejs/npm/x.js",
    ),
    "java": Row(
        f"{JVM}/bin/java",
        f"{JVM}/lib/modules {JVM}/lib/jvm.cfg {JVM}/lib/server/libjvm.so {JVM}/release"
        f" {JVM}/conf/security/java.security /etc/java-17-openjdk/jvm-amd64.cfg"
        " /etc/ssl/certs/java/cacerts /usr/lib/jvm/lib/jvm.cfg",
        f"{JVM}/lib/src.zip {JVM}/lib/libawt_xawt.so {JVM}/bin/jshell {JVM}/jmods/java.base.jmod",
    ),
    "iconv": Row("/usr/bin/iconv"),
    "lua": Row(
        "/usr/bin/lua5.4",
        f"/usr/share/lua/5.4/socket.lua {LIB}/lua/5.4/socket.so /usr/lib/lua/5.4/x.so",
    ),
    "guile": Row(
        f"{LIB}/libguile-3.0.so.1.6.0",
        f"/usr/share/guile/3.0/ice-9/boot-9.scm {LIB}/guile/3.0/ccache/ice-9/boot-9.go"
        " /usr/lib/guile/3.0/x.go",
        "/usr/share/guile/2.2/x.scm",
    ),
    "erlang": Row(
        "/usr/lib/erlang/erts-13.1.5/bin/erlexec",
        "/usr/lib/erlang/bin/start.boot /usr/lib/erlang/erts-13.1.5/lib/erlang/x"
        " /usr/lib/erlang/lib/kernel-8.5.3/ebin/kernel.app",
        "/usr/lib/erlang/lib/kernel-8.5.3/src/kernel.erl /usr/lib/erlang/man/man1/erl.1",
    ),
    "tcl": Row(
        f"{LIB}/libtcl8.6.so",
        "/usr/share/tcltk/tcl8.6/init.tcl /usr/lib/tcl8/x.tm /usr/lib/tcltk/x86_64-linux-gnu/x.so"
        f" {LIB}/tcl8.6/x.so {LIB}/tcltk/x",
    ),
    "r": Row(
        "/usr/lib/R/lib/libR.so",
        "/usr/lib/R/library/base/R/base.rdb /usr/share/R/share/x /etc/R/Renviron",
        "/usr/lib/R/library/base/help/x.rdb /usr/lib/R/library/base/html/x.html",
    ),
    "emacs": Row(
        "/usr/bin/emacs-nox",
        "/usr/share/emacs/28.2/lisp/loadup.el /usr/lib/emacs/28.2/native-lisp/x.eln"
        " /usr/libexec/emacs/28.2/x86_64-linux-gnu/emacs.pdmp /usr/bin/emacs"
        " /etc/emacs/site-start.d/x.el",
    ),
    "vim": Row(
        "/usr/bin/vim.nox", "/usr/share/vim/vim90/syntax/c.vim /etc/vim/vimrc",
        "/usr/share/vim/vim90/doc/help.txt /usr/share/vim/vim90/tutor/x",
    ),
    "gcc": Row(
        "/usr/bin/x86_64-linux-gnu-gcc-12",
        "/usr/lib/gcc/x86_64-linux-gnu/12/cc1 /usr/libexec/gcc/x86_64-linux-gnu/12/cc1"
        f" /usr/include/stdio.h {LIB}/libc_nonshared.a /usr/lib64/libc_nonshared.a"
        " /lib/x86_64-linux-gnu/libmvec.so.1 /lib64/libmvec.so.1",
    ),
    "go": Row(
        "/usr/lib/go-1.19/bin/go",
        "/usr/lib/go-1.19/VERSION /usr/lib/go-1.19/go.env /usr/lib/go-1.19/pkg/tool/compile"
        " /usr/lib/go-1.19/src/fmt/print.go /usr/lib/go-1.19/lib/time/zoneinfo.zip",
        "/usr/lib/go-1.19/src/fmt/print_test.go /usr/lib/go-1.19/test/x.go"
        " /usr/lib/go-1.19/src/go/testdata/x.go",
    ),
    "git": Row(
        "/usr/bin/git",
        "/usr/lib/git-core/git-remote-https /usr/libexec/git-core/git-remote-https"
        " /usr/share/git-core/templates/description",
    ),
    "gawk": Row(
        "/usr/bin/gawk",
        f"{LIB}/gawk/time.so /usr/share/awk/getopt.awk /usr/libexec/awk/pwcat",
    ),
    "gdb": Row("/usr/bin/gdb", "/usr/share/gdb/python/gdb/__init__.py /etc/gdb/gdbinit"),
    "nginx": Row(
        "/usr/sbin/nginx",
        "/etc/nginx/nginx.conf /usr/share/nginx/modules-available/x.conf"
        " /usr/lib/nginx/modules/ngx_http_xslt_filter_module.so /var/lib/nginx/"
        " /var/log/nginx/ /run/ /var/www/html/index.html",
        "/var/log/nginx/access.log /run/secrets/token /var/lib/nginx/body/x",
    ),
    "postgres": Row(
        "/usr/lib/postgresql/15/bin/initdb",
        "/usr/lib/postgresql/15/bin/postgres /usr/lib/postgresql/15/lib/plpgsql.so"
        " /usr/lib/postgresql/15/share/x /usr/share/postgresql/15/postgres.bki"
        " /etc/postgresql-common/x.conf /var/run/postgresql/ /var/lib/postgresql/",
        "/usr/lib/postgresql/15/lib/bitcode/x.bc /var/lib/postgresql/15/main/PG_VERSION",
    ),
    "mariadb": Row(
        "/usr/sbin/mariadbd",
        "/usr/share/mysql/english/errmsg.sys /usr/share/mariadb/mysql_system_tables.sql"
        " /usr/lib/mysql/plugin/auth_pam.so /etc/mysql/my.cnf /usr/sbin/mysql/x"
        " /var/lib/mysql/ /var/run/mysqld/ /var/log/mysql/",
        "/var/lib/mysql/ibdata1 /var/log/mysql/error.log",
    ),
}


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A program and a library, whatever their names."""
    directory = tmp_path_factory.mktemp("objects")
    program = compile_c(directory / "program", "int main(void) { return 0; }")
    library = compile_c(directory / "library", "int x;", "-shared", "-fPIC", "-nostdlib")
    return program.read_bytes(), library.read_bytes()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_finds_its_files(
    rule: Rule, tmp_path: Path, objects: tuple[bytes, bytes]
) -> None:
    row = ROWS[rule.name]
    for path in (*row.brings.split(), *row.leaves.split()):
        place = tmp_path / path.strip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(exist_ok=True) if path.endswith("/") else place.touch()
    itself = tmp_path / row.path[1:]
    itself.parent.mkdir(parents=True, exist_ok=True)
    itself.write_bytes(objects[".so" in row.path])
    host = Host(str(tmp_path))
    subject = Subject(row.path, row.path, host.read(row.path), row.path, near=True)
    (match,) = (each for each in ruled.matches([subject]) if each.rule is rule)
    patterns = f"{rule.files} {rule.empty}"
    assert [p for p in match.patterns(patterns) if not found(host, [p])] == []
    brought = {placed.path for placed in ruled.files(match, host)}
    assert {path.rstrip("/") for path in row.brings.split()} <= brought
    assert brought.isdisjoint(row.leaves.split())


def test_only_the_first_font_is_brought(tmp_path: Path) -> None:
    rule = next(each for each in RULES if each.name == "fontconfig")
    fonts = tmp_path / "usr/share/fonts/x"
    fonts.mkdir(parents=True)
    names = ("x.pfb", "A.ttf", "NotoSans-Regular.otf", "LiberationSans-Regular.ttf")
    for name in (*names, "DejaVuSans.ttf"):
        (fonts / name).touch()
    for name in ("DejaVuSans.ttf", *reversed(names)):
        match = ruled.Match(rule, ruled.NOWHERE, "")
        brought = [placed.path for placed in ruled.files(match, Host(str(tmp_path)))]
        assert brought == [f"/usr/share/fonts/x/{name}"]
        (fonts / name).unlink()


def test_what_looks_beside_itself_finds_its_files_where_it_is_loaded_from(tmp_path: Path) -> None:
    rule = next(each for each in RULES if each.name == "gstreamer")
    plugins = tmp_path / "usr/lib/gstreamer-1.0"
    plugins.mkdir(parents=True)
    (plugins / "libgstapp.so").touch()
    (tmp_path / "lib").symlink_to("usr/lib")
    host, name = Host(str(tmp_path)), "libgstreamer-1.0.so.0"
    compile_c(tmp_path / "usr/lib" / name, "int x;", "-shared", "-nostdlib")
    elf = host.read(f"/lib/{name}")
    subject = Subject(f"/lib/{name}", f"/usr/lib/{name}", elf, f"/lib/{name}", near=True)
    match = ruled.Match(rule, subject.real, "", subject)
    brought = {placed.path for placed in ruled.files(match, host)}
    assert "/lib/gstreamer-1.0/libgstapp.so" in brought

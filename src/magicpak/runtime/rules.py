"""The table of rules: which files a program or library opens by itself. Data.

A rule matches the name of a program (that of its file, links followed) or of a library, each a
regular expression. In ``files``, patterns as those of ``--include``: ``{dir}`` is the directory of
what matched, ``{loaded}`` the one that it is loaded from (/lib for /usr/lib), for what looks beside
itself, ``{prefix}`` the directory above its bin or lib, ``{1}`` the first group of the match.
What is not there is no error: distributions differ.
"""

from typing import NamedTuple


class Rule(NamedTuple):
    """What one program or library opens by itself."""

    name: str
    """As ``--with`` takes it."""
    program: str = ""
    library: str = ""
    files: str = ""
    """Patterns, separated by white space."""
    first: str = ""
    """Patterns, of whose matches only the first is brought."""
    empty: str = ""
    """Patterns of directories to write to, which are brought without what is in them."""
    but: str = ""
    """A regular expression of paths that are left out of ``files``."""
    packages: str = ""
    """Packages of the distribution, whose run-time files are brought; each may be absent."""
    kinds: str = ""
    """Kinds of run-time data that it uses, without other evidence; as ``--with`` takes them."""
    instead: str = ""
    """Rules that do not count for the libraries of this program: it loads them on request."""
    does: str = ""
    """What a program cannot do without; a rule without one is only a matter of defaults."""


RULES = (
    # Libraries for security and accounts
    Rule("openssl", library=r"libcrypto\.so.*",
         files="{dir}/ossl-modules {dir}/engines-* /usr/lib/ssl/openssl.cnf /etc/ssl/openssl.cnf"
               " /etc/pki/tls/openssl.cnf /etc/pki/tls/openssl.d"
               " /etc/crypto-policies/back-ends/openssl*"),
    Rule("gnutls", library=r"libgnutls\.so.*",
         files="/etc/gnutls /etc/crypto-policies/back-ends/gnutls.config"),
    Rule("sasl", library=r"libsasl2\.so.*", files="{dir}/sasl2 /usr/lib/sasl2 /etc/sasl2"),
    Rule("pam", library=r"libpam\.so.*", kinds="users", does="asks PAM for permission",
         files="{dir}/security /etc/pam.d /etc/pam.conf /etc/security /etc/login.defs"),
    Rule("kerberos", library=r"libkrb5\.so.*",
         files="/etc/krb5.conf /etc/krb5.conf.d {dir}/krb5 /usr/share/krb5"),
    Rule("ldap", library=r"libldap(_r)?[-.].*so.*",
         files="/etc/ldap/ldap.conf /etc/openldap/ldap.conf"),
    Rule("nss-softokn", library=r"libnss3\.so",
         files="{dir}/nss {dir}/libsoftokn3.* {dir}/libfreebl* {dir}/libnssdbm3.*"
               " {dir}/libnssckbi.so"),
    # Libraries for files and pictures
    Rule("libmagic", library=r"libmagic\.so.*", does="knows the types of files from a table",
         files="/usr/lib/file/magic.mgc /usr/share/misc/magic* /usr/share/file /etc/magic"),
    Rule("gio", library=r"libgio-2\.0\.so.*",
         files="{dir}/gio/modules /usr/share/glib-2.0/schemas/gschemas.compiled"
               " /usr/share/mime/mime.cache"),
    Rule("gdk-pixbuf", library=r"libgdk_pixbuf-2\.0\.so.*", does="loads pictures by plugins",
         files="{dir}/gdk-pixbuf-2.0/2*"),
    Rule("gtk", library=r"libgtk-([34])\.so.*",
         files="{dir}/gtk-{1}.0 /etc/gtk-{1}.0 /usr/share/icons/hicolor/index.theme"
               " /usr/share/icons/Adwaita"),
    Rule("qt", library=r"libQt([56])Gui\.so.*", does="opens windows by platform plugins",
         files="{dir}/qt{1}/plugins {loaded}/qt{1}/plugins {dir}/qt-{1}/plugins"
               " /usr/lib/qt{1}/plugins"),
    Rule("gstreamer", library=r"libgstreamer-1\.0\.so.*", does="plays media by plugins",
         files="{loaded}/gstreamer-1.0 {dir}/gstreamer1.0 /usr/libexec/gstreamer-1.0"),
    Rule("imagemagick", library=r"libMagickCore-(\d+).*\.so.*", does="reads pictures by its coders",
         files="{dir}/ImageMagick-* /etc/ImageMagick-* /usr/share/ImageMagick-*",
         but=r".*\.a", kinds="tmp"),
    Rule("graphicsmagick", library=r"libGraphicsMagick.*\.so.*", kinds="tmp",
         files="{dir}/GraphicsMagick-* /usr/lib/GraphicsMagick-* /usr/share/GraphicsMagick-*"
               " /etc/GraphicsMagick*"),
    Rule("fontconfig", library=r"libfontconfig\.so.*", does="looks for fonts",
         files="/etc/fonts /usr/share/fontconfig /usr/share/xml/fontconfig",
         first="/usr/share/fonts/**/DejaVuSans.ttf /usr/share/fonts/**/LiberationSans-Regular.ttf"
               " /usr/share/fonts/**/*Sans*Regular*.?tf /usr/share/fonts/**/*.?tf"
               " /usr/share/fonts/**/*.pf[ab]"),
    Rule("xml-catalogs", program=r"xmllint|xsltproc|xmlcatalog",
         files="/etc/xml /etc/sgml /usr/share/xml /usr/share/sgml"),
    Rule("icu", library=r"libicuuc\.so.*", files="/usr/share/icu {dir}/icu", but=r".*\.(inc|mk)"),
    Rule("poppler", library=r"libpoppler\.so.*", files="/usr/share/poppler"),
    Rule("tesseract", library=r"libtesseract\.so.*", does="reads languages from trained data",
         files="/usr/share/tesseract-ocr /usr/share/tessdata {prefix}/share/tessdata"),
    Rule("graphviz", library=r"libgvc\.so.*", files="{dir}/graphviz /usr/share/graphviz",
         but=r".*\.(tcl|la|pl|py)", does="lays out and draws by plugins"),
    Rule("ghostscript", library=r"libgs\.so.*", does="reads its start-up files and fonts",
         files="/usr/share/ghostscript /var/lib/ghostscript /etc/ghostscript"
               " /usr/share/fonts/type1/gsfonts /usr/share/fonts/type1/urw-base35"
               " /usr/share/fonts/X11/Type1 /usr/share/fonts/urw-base35"
               " /usr/share/color/icc/ghostscript", kinds="tmp"),
    Rule("sox", library=r"libsox\.so.*", files="{dir}/sox", does="reads sound formats by plugins"),
    Rule("aspell", library=r"libaspell\.so.*", does="checks with dictionaries",
         files="{dir}/aspell* /usr/lib/aspell* /usr/share/aspell /var/lib/aspell /etc/aspell.conf"),
    Rule("hunspell", library=r"libhunspell.*\.so.*", does="checks with dictionaries",
         files="/usr/share/hunspell /usr/share/myspell"),
    Rule("enchant", library=r"libenchant-2\.so.*", files="{dir}/enchant-2 /usr/share/enchant-2"),
    Rule("sudo", program=r"sudo|sudoedit", files="/etc/sudo.conf /etc/sudoers /etc/sudoers.d"
         " /usr/libexec/sudo /etc/pam.d /etc/security /etc/login.defs", kinds="users"),
    Rule("groff", program=r"groff|troff|grotty|grops|grog|preconv|eqn|tbl|pic|soelim|nroff",
         files="/usr/share/groff /etc/groff {dir}/troff {dir}/grotty {dir}/grops {dir}/preconv"
               " {dir}/tbl {dir}/eqn {dir}/pic {dir}/soelim", does="reads macros and fonts"),
    # Libraries for devices and screens
    Rule("x11", library=r"libX11\.so.*",
         files="/usr/share/X11/locale /usr/share/X11/XErrorDB /usr/share/X11/rgb.txt"),
    Rule("xkb", library=r"libxkbcommon\.so.*", files="/usr/share/X11/xkb"),
    Rule("alsa", library=r"libasound\.so.*", files="/usr/share/alsa /etc/alsa {dir}/alsa-lib"),
    Rule("opencl", library=r"libOpenCL\.so.*", files="/etc/OpenCL/vendors"),
    Rule("vulkan", library=r"libvulkan\.so.*", files="/usr/share/vulkan /etc/vulkan"),
    Rule("snmp", library=r"libnetsnmp\.so.*", files="/usr/share/snmp /etc/snmp /usr/share/mibs"),
    # Interpreters
    Rule("python", program=r"python(3\.\d+)[dt]?", library=r"libpython(3\.\d+)[dt]?\.so.*",
         files="{prefix}/lib/python{1} {prefix}/lib64/python{1} {prefix}/lib/python{1}t"
               " /etc/python{1}",
         but=r".*/python3[^/]*/(test|tests|idlelib|lib2to3/tests|ensurepip|turtledemo|config-[^/]*"
             r"|site-packages|dist-packages)(/.*)?|.*/tests?/.*|.*\.a",
         kinds="zones tmp users", does="reads its standard library"),
    Rule("perl", program=r"perl(5.*)?", library=r"libperl\.so.*",
         files="/etc/perl /usr/share/perl /usr/lib/*/perl /usr/lib/*/perl-base /usr/lib64/perl5"
               " {prefix}/lib/perl5 /usr/share/perl5/core_perl", but=r".*\.(pod|h|a)",
         does="reads its modules"),
    Rule("ruby", program=r"ruby(\d\.\d)?", library=r"libruby-?(\d\.\d)?\.so.*",
         files="{prefix}/lib/ruby {dir}/ruby /usr/lib/*/ruby /var/lib/gems"
               " /usr/share/rubygems-integration /usr/share/ruby /usr/lib64/ruby",
         but=r".*\.(a|ri)|.*/(doc|ri|rdoc)/.*",
         does="reads its standard library"),
    Rule("php", program=r"php(?:-cgi|-fpm)?(\d\.\d)?", library=r"libphp(\d\.\d)?\.so.*",
         files="/etc/php/{1} /usr/lib/php /etc/php.ini /etc/php.d /usr/lib64/php"
               " {prefix}/lib/php /usr/local/etc/php /usr/share/php", kinds="tmp",
         does="reads its settings and extensions"),
    Rule("node", program=r"node(js)?", library=r"libnode\.so.*",
         files="/usr/share/nodejs/acorn* /usr/share/nodejs/cjs-module-lexer"
               " /usr/share/nodejs/undici /usr/share/nodejs/busboy /usr/share/nodejs/streamsearch"
               " /usr/share/nodejs/minimatch /usr/share/nodejs/balanced-match"
               " /usr/share/nodejs/brace-expansion /usr/share/nodejs/llhttp"
               " /usr/share/nodejs/amaro /usr/share/nodejs/xterm"),
    Rule("java", program=r"java", library=r"libjvm\.so",
         files="{prefix}/lib {prefix}/conf {prefix}/release /etc/java-*-openjdk"
               " /etc/ssl/certs/java/cacerts {prefix}/../lib/jvm.cfg",
         but=r".*/(src\.zip|ct\.sym|libawt_xawt.*)|.*\.a", kinds="tmp",
         does="reads its runtime image"),
    Rule("iconv", program=r"iconv|recode|enca", kinds="gconv", does="converts character sets"),
    Rule("lua", program=r"lua(jit)?(?:-?\d.*)?", library=r"liblua(\d\.\d).*\.so.*",
         files="/usr/share/lua /usr/lib/*/lua {prefix}/share/lua {prefix}/lib/lua"),
    Rule("guile", program=r"guile(?:-(\d\.\d))?", library=r"libguile-(\d\.\d)\.so.*",
         files="/usr/share/guile/{1} {dir}/guile/{1} /usr/lib/*/guile/{1} /usr/lib/guile",
         kinds="gconv=ISO-8859-1", does="reads its modules"),
    Rule("erlang", program=r"erlexec|beam(\.smp)?|erl|escript|erlc",
         files="/usr/lib/erlang {prefix}/lib/erlang", but=r".*/(doc|man|src|include|examples)/.*",
         does="reads its libraries"),
    Rule("tcl", program=r"tclsh(\d\.\d)?|wish(\d\.\d)?|expect",
         library=r"lib(?:tcl|tk)(\d\.\d).*\.so.*",
         files="/usr/share/tcltk {prefix}/lib/tcl* {dir}/tcl* /usr/lib/tcltk {dir}/tcltk",
         does="reads its library", kinds="zones"),
    Rule("r", program=r"R|Rscript", library=r"libR\.so", files="/usr/lib/R /usr/share/R /etc/R",
         but=r".*/(doc|help|html|man)/.*", kinds="tmp", does="reads its library"),
    Rule("emacs", program=r"emacs.*", kinds="terminfo tmp", does="reads its lisp files",
         files="/usr/share/emacs /usr/lib/emacs /usr/libexec/emacs {dir}/emacs /etc/emacs"),
    Rule("vim", program=r"vim?(\..*)?|vim(diff)?|view|ex",
         files="/usr/share/vim /etc/vim", kinds="terminfo",
         instead="python perl ruby tcl lua", but=r".*/(doc|tutor|lang)/.*"),
    # Programs with programs of their own
    Rule("gcc", program=r"(?:.*-)?(?:gcc|g\+\+|cc|c\+\+|cpp|gfortran)(?:-\d+)?",
         files="{prefix}/lib/gcc {prefix}/libexec/gcc /usr/include"
               " {prefix}/lib/*/*_nonshared.a {prefix}/lib64/*_nonshared.a"
               " /lib/*/libmvec.so.1 /lib64/libmvec.so.1",  # libm.so, a script of ld(1), names it
         packages="gcc cpp g++ binutils libc6-dev linux-libc-dev gcc-12 gcc-13 gcc-14 cpp-12 cpp-13"
                  " cpp-14 g++-12 g++-13 g++-14 libgcc-12-dev libgcc-13-dev libgcc-14-dev"
                  " libstdc++-12-dev libstdc++-13-dev libstdc++-14-dev", kinds="tmp",
         does="starts the programs of the compiler"),
    Rule("go", program=r"go|gofmt", kinds="tmp", does="reads the standard library of Go",
         files="{prefix}/VERSION {prefix}/go.env {prefix}/pkg {prefix}/src {prefix}/lib/time",
         but=r".*/testdata/.*|.*_test\.go"),
    Rule("git", program=r"git", packages="git git-core", kinds="nss certs tmp",
         files="{prefix}/lib*/git-core {prefix}/libexec/git-core {prefix}/share/git-core",
         does="starts its own programs, git-remote-https for one"),
    Rule("gawk", program=r"gawk",
         files="{prefix}/lib/*/gawk {prefix}/share/awk {prefix}/libexec/awk"),
    Rule("gdb", program=r"gdb", files="/usr/share/gdb /etc/gdb", kinds="terminfo"),
    Rule("nginx", program=r"nginx",
         files="/etc/nginx /usr/share/nginx /usr/lib/nginx /var/www/html",
         empty="/var/lib/nginx /var/log/nginx /run", kinds="users",
         does="reads its configuration and modules"),
    Rule("postgres", program=r"postgres|initdb|pg_ctl", kinds="users tmp zones",
         files="{dir} {prefix}/lib {prefix}/share /usr/share/postgresql/* /etc/postgresql-common",
         but=r".*/(man|doc|bitcode|pgxs)/.*|.*/llvmjit.*", does="reads its templates",
         empty="/var/run/postgresql /var/lib/postgresql"),
    Rule("mariadb", program=r"mariadbd|mysqld|mariadb-install-db", kinds="users tmp",
         files="/usr/share/mysql /usr/share/mariadb /usr/lib/mysql /etc/mysql {dir}/mysql",
         empty="/var/lib/mysql /var/run/mysqld /var/log/mysql",
         does="reads its messages and tables"),
)  # fmt: skip
"""In the order in which they are told."""

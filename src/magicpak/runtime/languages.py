"""How scripts of each language name the modules that they use, and where those are. Data."""

import re
from typing import NamedTuple


class Language(NamedTuple):
    """A language of scripts; the modules that a rule brings with the interpreter are left out."""

    name: str
    program: re.Pattern[str]
    """The name of the interpreter, links followed; its group is the version."""
    statement: re.Pattern[str]
    """A statement that names modules, in its first group that matches."""
    directories: str
    """Where modules are: patterns as in the rules, and ``{script}``, the script's directory."""
    core: re.Pattern[str]
    """Paths that come with the interpreter."""
    files: tuple[str, ...]
    """The files that a module can be, by its name ``{m}`` with slashes."""
    packages: re.Pattern[str]
    """Packages of the distribution that have modules: dependencies of such are brought too."""
    separator: str = "/"
    """What stands for the slash in the name of a module."""
    whole: bool = False
    """Whether the first part of the name is a package, which is brought whole."""


def _language(  # noqa: PLR0917  a row of the table
    name: str, program: str, statement: str, directories: str, core: str, files: str,
    packages: str, separator: str = "/", *, whole: bool = False,
) -> Language:  # fmt: skip
    return Language(
        name, re.compile(program), re.compile(statement, re.MULTILINE),
        directories, re.compile(core),
        tuple(files.split()), re.compile(packages), separator, whole,
    )  # fmt: skip


_PYTHON = r"from\s+([\w.]+)\s+import\b|import\s+([\w., \t]+)"

LANGUAGES = (
    _language(
        "python", r"python(3\.\d+)[dt]?", rf"^[ \t]*(?:{_PYTHON})",
        "{script} /usr/local/lib/python{1}/dist-packages /usr/lib/python3/dist-packages"
        " {prefix}/lib/python{1}/site-packages {prefix}/lib64/python{1}/site-packages"
        " {prefix}/lib/python{1} {prefix}/lib64/python{1}",
        r".*/python3[^/]*/(?!(?:site|dist)-packages/).*",
        "{m}/__init__.py {m}.py {m}.cpython-*.so {m}.abi3.so {m}.so {m}", "python3?-.*|py3-.*", ".",
        whole=True,
    ),
    _language(
        "perl", r"perl(5.*)?", r"(?:^|;)[ \t]*(?:use|require)[ \t]+([A-Z]\w*(?:::\w+)*)",
        "/etc/perl /usr/local/lib/*/perl/5* /usr/local/share/perl/5* /usr/lib/*/perl5/5*"
        " /usr/share/perl5 /usr/lib64/perl5/vendor_perl /usr/share/perl5/vendor_perl"
        " /usr/lib/*/perl-base /usr/lib/*/perl/5* /usr/share/perl/5* /usr/lib64/perl5"
        " {prefix}/lib/perl5/site_perl/5* {prefix}/lib/perl5/5* {prefix}/lib/perl5",
        r".*/(perl-base|perl/5[^/]*)/.*", "{m}.pm", "lib.*-perl|perl-.*", "::",
    ),
    _language(
        "ruby", r"ruby(\d\.\d)?", r"^[ \t]*require(?:_relative)?[ \t(]*['\"]([\w./-]+)",
        "{script} /usr/lib/ruby/vendor_ruby", r".*/ruby/.*", "{m}.rb {m}", "ruby.*",
    ),
    _language(
        "node", r"node(?:js)?",
        r"(?:\brequire\(|\bfrom|^\s*import)\s*['\"]((?!node:)[\w@./-]+)['\"]",
        "{script} {script}/node_modules {script}/../node_modules {script}/../../node_modules"
        " /usr/local/lib/node_modules /usr/share/nodejs /usr/lib/nodejs /usr/lib/*/nodejs",
        "(?!)", "{m}/package.json {m} {m}.js {m}.mjs {m}.cjs {m}.json {m}.node {m}/index.js",
        "node-.*",
    ),
    _language(
        "lua", r"lua(?:jit)?(?:-?(\d\.\d))?.*", r"\brequire[ \t(]*['\"]([\w./-]+)",
        "{script} /usr/local/share/lua/{1} /usr/share/lua/{1} /usr/lib/*/lua/{1}", "(?!)",
        "{m}.lua {m}/init.lua {m}.so", "lua.*", ".",
    ),
    _language(
        "php", r"php.*",
        r"\b(?:require|include)(?:_once)?[ \t(]*(?:__DIR__[ \t]*\.[ \t]*)?['\"]/?([\w./-]+)['\"]",
        "{script} /usr/share/php", "(?!)", "{m}", "php.*",
    ),
    _language(
        "tcl", r"(?:tclsh|wish|expect)(\d\.\d)?",
        r"^[ \t]*source[ \t]+(?:\[file join \[file dirname [^\]]*\][ \t]+)?([\w./-]+)",
        "{script}", "(?!)", "{m}", "tcl.*",
    ),
    _language(
        "shell", r"(?:ba|da|k|mk|z|a|ya|po)?sh", r"^[ \t]*(?:\.|source)[ \t]+['\"]?(/?[\w./-]+)",
        "{script} /", "(?!)", "{m}", "(?!)",
    ),
)  # fmt: skip

"""What a shell script names: read as a shell reads it, and never run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicpak import Options, pack
from magicpak.host import Host
from magicpak.host.programs import programs
from magicpak.host.script import ScriptFailed
from magicpak.host.shell import commands, handover

# Commands: each text, and the names that a shell would look for


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sed -n p file\n", "sed"),
        ("a; b & c && d || e | f |& g\nh", "a b c d e f g h"),
        ("echo a; printf %s; cd /; . lib; [ x ]; test y; :; true; exit 1", ""),
        ("A=1 B='x y' a; C=2; D=$(b) E=`c` d", "a b c d"),
        ("'a' \"b\" c\\ d", "a"),
        ("\"a\"'b'\\c", "abc"),
        ("/usr/bin/a; ./b; ../c", "../c ./b /usr/bin/a"),
        ("$a b; ${a} b; \"$a/bin\" b; ~/a; a*; a?b; {a,b}", ""),
        ("a # b; c\n# d\ne f#g", "a e"),
        ("echo a#b $# ${#a} ${a#b} ${a%%' '} x; b", "b"),
        ("if a; then b; elif ! c; then d; else e; fi", "a b c d e"),
        ("while a; do b; done; until c; do d; done", "a b c d"),
        ("for a in b c; do d; done; for ((i=0; i<3; i++)); do e; done; select f in g; do h; done",
         "d e h"),
        ("{ a; }; (b; (c)); ! d", "a b c d"),
        ("case $x in a) b ;; c|d) e ;& (f) g ;;& *) h; esac; i", "b e g h i"),
        ("case x in\n a)\n  case y in b) c ;; esac\n  ;;\n # it's\n 'd e'|f) g\nesac | h", "c g h"),
        ("x=$(case y in a) b ;; esac)", "b"),
        ("a() { b; }\nfunction c { d; }\nfunction e() { f; }\ng () (h)\na; c; e; g", "b d f h"),
        ("[[ $a == b && c < d || ( e =~ ^(f|g)$ ) ]] && h", "h"),
        ("(( a && b )); x=$(( $(c) + (d) )); e", "c e"),
        ("a=(b $(c) 'd' # it's\n e); f+=(g); declare -A h=([i]=j); k", "c k"),
        ("a >b 2>c <d 2>&1 >>e &>f >|g <>h; >i j", "a j"),
        ("a <<<b; c <<E\nd $(e)\nE\nf <<-'E F' <<G\n\tg\n\tE F\nh\nG\ni", "a c f i"),
        ("a <(b) >(c | d)", "a b c d"),
        ("a \"$(b \"$(c \"x\")\")\" \"`d`\" '$(e)' \"\\$(f)\"", "a b c d"),
        ("echo \"it's\" 'a \"' b; c", "c"),
        ("echo $'it\\'s' $\"a\"; b", "b"),
        ("echo ${a:-$(b)} \"${c:-it's \"d\"}\" ${e:-'}'}; f", "b f"),
        ("a \\\n  b; c", "a c"),
        ("a\r\nb\r\n", "a b"),
        ("a", "a"),
    ],
)  # fmt: skip
def test_the_first_word_of_a_simple_command_is_its_name(text: str, names: str) -> None:
    assert commands(text) == tuple(names.split())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("exec a b", "a"),
        ("exec -a x b", "b"),
        ("exec 3>&1", ""),
        ("command a; command -v b; command -p c", "a c"),
        ("env -i -u X A=b c; env", "c env"),
        ("nohup nice -n 5 timeout -k 5 10 a", "a nice nohup timeout"),
        ("xargs -0 -n 1 a <b", "a xargs"),
        ("exec gosu user a", "a gosu"),
        ("time a", "a"),
        ("trap 'a; b' EXIT; eval \"c $x\" d; sh -c 'e | f'; bash -ec 'g'", "a b bash c e f sh"),
        ("exec $a b; env $c d", "env"),
    ],
)
def test_what_a_command_runs_by_its_arguments_counts(text: str, names: str) -> None:
    assert commands(text) == tuple(names.split())


@pytest.mark.parametrize("text", ["a; ) b", "a; (b", "a 'b", "a \"b", "a; x y(z) b", "a $(b"])
def test_what_is_no_shell_script_is_read_as_far_as_it_is_one(text: str) -> None:
    assert "a" in commands(f"a\n{text}")


PIECES = [
    "$(", ")", "`", '"', "'", "${", "}", "$((", "((", "(", "case x in ", "a)", ";;", "esac", "\n",
    "<<E", "E\n", "[[", "]]", "if ", "fi", "f()", "{", "#", " ", "\\", "<(", "&&", "|", "a=", "$0",
    "exec ", "-a ", "env ", "$x", "$'", "eval ", "trap ", "sh -c ", "1>", "&>", "for ", "\t",
    "function f ",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_no_text_is_too_odd(text: str) -> None:
    commands(text)
    handover(text, "/")


@pytest.mark.parametrize("piece", [*PIECES, '"$(', "\"a\" ", "<<a ", "$'\\'", "a;", "[[ "])
def test_time_grows_with_the_text_only(piece: str) -> None:
    begin = time.monotonic()
    commands(piece * (50_000 // len(piece)))
    assert time.monotonic() - begin < 5


REAL = r"""
set -u
dir=$(mktemp -d) || dir=.
count() { wc -l "$@"; }
for f in "$dir"/*; do
  case $f in
    *.txt) count "$f" | sed s/a/b/ ;;
    *) rm -f "$f" ;;
  esac
done
test -z "`uname -s`" && touch "$dir/x"
cat <<E || sort
none of tr and wc
E
ls > /dev/null || id -u
"""


def test_the_commands_of_a_script_are_those_that_a_shell_looks_for(tmp_path: Path) -> None:
    """A shell that finds none says which it misses, but for what is not reached."""
    (tmp_path / "a").touch()
    run = subprocess.run(
        ["/bin/sh", "-c", REAL], env={"PATH": "/nonexistent"}, cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    missed = set(re.findall(r": ([\w-]+): (?:command )?not found", run.stderr))
    assert missed == {"mktemp", "rm", "uname", "touch", "cat", "sort", "ls", "id"}
    assert set(commands(REAL)) == missed | {"wc", "sed"}


# Handing over


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("'''exec' \"/a b/python\" \"$0\" \"$@\"\n' '''\nimport re\n", ["/a b/python"]),
        ("'''exec' /a/python \"$0\" \"$@\"\n' '''\n", ["/a/python"]),
        ("'''exec' /a/python \"$0\" \"$@\" #'''\n", ["/a/python"]),
        ("# next \\\nexec tclsh \"$0\" ${1+\"$@\"}\n", ["tclsh"]),
        ("eval 'exec perl -x -wS $0 ${1+\"$@\"}'\n if 0;\n", ["perl"]),
        ("eval '(exit $?0)' && eval 'exec perl -S \"$0\" ${1+\"$@\"}'\n", ["perl"]),
        ("exec guile -e main -s \"$0\" \"$@\"\n!#\n", ["guile"]),
        ("':' //; exec node \"$0\" \"$@\"\nvar x = 'it`s';\n", ["node"]),
        ("\":\" //# x; exec /usr/bin/env node -x \"$0\"\n", ["/usr/bin/env", "node"]),
        ("#|\nexec sbcl --script \"${0}\" \"$@\"\n|#\n", ["sbcl"]),
        ("set -e\nexport A=b\nB=c\nexec -a x -- ruby -x \"$0\"\n", ["ruby"]),
        ("exec \"$(dirname \"$0\")\"/python \"$0\"\n", ["/where/it/is/python", "dirname"]),
        ("exec sed \"$@\"\n", []),
        ("exec \"$PYTHON\" \"$0\" \"$@\"\n", []),
        ("exec \"$0.real\" \"$0\" \"$@\"\n", []),
        ("exec \"$0\" -x\n", []),
        ("exec -a \"$0\"\n", []),
        ("exec env \"$0\"\n", []),
        ("exec tclsh \"$0\" \"$(no-such-command)\"\n", ["tclsh"]),
        ("if a; then exec gosu b \"$0\" \"$@\"; fi\n", []),
        ("a\nexec b \"$0\"\n", []),
        ("(exec a \"$0\")\n", []),
        ("", []),
    ],
)  # fmt: skip
def test_a_script_that_hands_itself_over_says_so_first(text: str, found: list[str]) -> None:
    assert list(handover(f"#!/bin/sh\n{text}", "/where/it/is")) == found


def script(path: Path, text: str) -> str:
    """Write a script as it stands."""
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def run_by(path: str) -> list[str]:
    """List the programs that run a script, itself left out."""
    return [program for program, _ in programs(Host(), path)][1:]


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python whose path is too long for a first line."""
    python = tmp_path / ("x" * 250) / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/usr/bin/python3")
    return python


@pytest.mark.needs("python3")
@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash", "/usr/bin/env sh"])
@pytest.mark.parametrize(
    "line",
    [
        """'''exec' "PYTHON" "$0" "$@"\n' '''""",
        """'''exec' PYTHON "$0" "$@"\n' '''""",
        """'''exec' 'PYTHON' "$0" "$@"\n' '''""",
        """# coding: utf-8\n'''exec' /usr/bin/env PYTHON "$0" "$@"\n' '''""",
        """''':'\nexec PYTHON -u "$0" "$@"\n'''""",
        """"exec" "PYTHON" "$0" "$@\"""",
    ],
)
def test_the_bundle_of_a_script_has_what_it_hands_itself_over_to(
    tmp_path: Path, python: Path, shell: str, line: str
) -> None:
    text = line.replace("PYTHON", str(python))
    tool = script(tmp_path / "tool", f"#!{shell}\n{text}\nprint('hello')\n")
    assert subprocess.run([tool], capture_output=True, check=True).stdout == b"hello\n"
    found = run_by(tool)
    assert found[-1] == str(python)
    assert os.path.basename(shell.rsplit(maxsplit=1)[-1]) in map(os.path.basename, found)
    pack(Options((tool,), str(tmp_path / "out")))
    assert os.readlink(tmp_path / "out" / str(python).lstrip("/")) == "/usr/bin/python3"
    assert (tmp_path / "out" / "usr/bin/python3").exists()


@pytest.mark.needs("python3")
def test_a_script_may_find_its_python_beside_it(tmp_path: Path) -> None:
    """As uv writes it for an environment that can be moved."""
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "python").symlink_to("/usr/bin/python3")
    line = """'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python' "$0" "$@"\n' '''"""
    script(tmp_path / "venv" / "tool", f"#!/bin/sh\n{line}\nprint('hello')\n")
    tool = tmp_path / "tool"
    tool.symlink_to("venv/tool")
    assert subprocess.run([tool], capture_output=True, check=True).stdout == b"hello\n"
    sh, python, *helpers = run_by(str(tool))
    assert (sh, python) == ("/bin/sh", f"{tmp_path}/venv/python")
    assert sorted(helpers) == sorted(str(shutil.which(name)) for name in ("dirname", "realpath"))


def test_what_a_script_hands_itself_over_to_has_to_be_there(tmp_path: Path) -> None:
    tool = script(tmp_path / "tool", "#!/bin/sh\n'''exec' '/no/python' \"$0\" \"$@\"\n' '''\n")
    with pytest.raises(ScriptFailed, match="its interpreter /no/python is not found"):
        run_by(tool)

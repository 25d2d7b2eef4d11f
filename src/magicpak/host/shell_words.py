"""Split a shell script into its simple commands and their words (POSIX XCU 2). Pure.

With what bash adds. A text is read once, from its begin to its end; where it turns out to be no
shell script, what was understood up to there counts.
"""

import re
from typing import NamedTuple

EXPANSION = "\0"
"""Stands in a word for what the shell puts there only when it runs."""
ITSELF = "\1"
"""Stands for ``$0``, the path of the script."""
DIRECTORY = "\2"
"""Stands for the directory of the script."""

KEYWORDS = frozenset(
    {"!", "coproc", "do", "done", "elif", "else", "fi", "if", "then", "until", "while", "{", "}"}
)
"""Words that stand before a command, or where one would."""

_BLANK = re.compile(r"(?:[ \t\r\f\v]|\\\n)+")
_PLAIN = re.compile(r"[^\s;&|()<>\"'\\`$#]+|#")
_REDIRECTION = re.compile(r"\d*(?:<<<|<<-?|<>|[<>]&|>>|>\||[<>](?!\())|&>>?")
_OPERATOR = re.compile(r"\n|;;&|;;|;&|;|&&|&|\|\||\|&|\|")
_IN_TEST = re.compile(r"[\n;&|()<>]+")
_SUBSTITUTION = re.compile(r"\$\((?!\()|[<>]\(")
_PASSAGE = re.compile(r"\$\(\(|\$\{")
_SCRIPT = re.compile(r"\$0(?!\d)|\$\{0\}")
_PARAMETER = re.compile(r"\$(?:\w+|[@*#?$!-])|\$'(?:[^'\\]|\\.)*'", re.DOTALL)
_SINGLE = re.compile(r"'([^']*)'")
_EMPTY = re.compile(r"\([ \t]*\)")
_COMMENT = re.compile(r"(?<!\S)#[^\n]*")
_QUOTED = re.compile(r'[^"\\`$]+')
_PASSED = re.compile(r"[^()}\"'\\`$#]+")


class Command(NamedTuple):
    """A simple command."""

    words: tuple[str, ...]
    nested: bool
    """Whether it is in a subshell, or substituted."""


class _Code:
    """A level of the text that is code: the whole, a subshell, or what is substituted."""

    def __init__(self, end: str, *, substituted: bool = False) -> None:
        self.end = end
        self.substituted = substituted
        self.words: list[str] = []
        self.parts: list[str] | None = None
        """The word that is being read; None between words."""
        self.redirection = ""
        """The operator whose file, or last line, the next word names."""
        self.cases = 0
        self.pattern = False
        """Whether a pattern of a ``case`` is being read."""
        self.last: tuple[str, ...] = ()


class _Passed:
    """A level that is passed over but for substitutions: arithmetic, arrays, ``${…}``."""

    def __init__(self, end: str, depth: int = 1, *, quotes: bool = True) -> None:
        self.end = end
        self.depth = depth
        self.quotes = quotes
        """Whether a single quote is one, which it is not within double quotes."""


class _Quoted:
    """A level in double quotes."""


class Script:
    """What is read of a script."""

    def __init__(self, text: str) -> None:
        """Read it."""
        self.commands: list[Command] = []
        self.functions: set[str] = set()
        self._text = text
        self._at = 0
        whole = _Code("")
        self._levels: list[_Code | _Passed | _Quoted] = [whole]
        self._documents: list[tuple[str, str]] = []
        """Here-documents that follow: their operators, and their last lines."""
        while self._at < len(text) and self._levels:
            level = self._levels[-1]
            if isinstance(level, _Code):
                self._read_code(level)
            elif isinstance(level, _Passed):
                self._pass_over(level)
            elif not self._take(_QUOTED, literal=True):
                self._read_part('"')
        if self._levels:  # it was a shell script up to its end
            self._end_command(whole)

    def _take(self, pattern: re.Pattern[str], *, literal: bool = False) -> str:
        """Go on behind what a pattern matches here, and return that."""
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        if literal:
            self._add(match[match.re.groups])
        return match[0]

    def _add(self, part: str) -> None:
        """Add to the word that is being read, unless it is passed over."""
        for level in reversed(self._levels):
            if isinstance(level, _Passed):
                return
            if isinstance(level, _Code):
                level.parts = level.parts or []
                level.parts.append(part)
                return

    def _read_code(self, level: _Code) -> None:
        char = self._text[self._at]
        between = level.parts is None
        if self._take(_BLANK) or (level.words[:1] == ["[["] and self._take(_IN_TEST)):
            self._end_word(level)
        elif between and self._take(_COMMENT):
            pass
        elif (between or not char.isdigit()) and (operator := self._take(_REDIRECTION)):
            self._end_word(level)
            level.redirection = operator
        elif operator := self._take(_OPERATOR):
            self._end_word(level)
            self._operate(level, operator)
        elif char == "(":
            self._open(level)
        elif char == ")":
            self._close(level)
        elif not self._take(_PLAIN, literal=True) and not self._take(_SINGLE, literal=True):
            self._read_part(level.end)

    def _read_part(self, end: str) -> None:
        """Read a quote, an escape or an expansion, in code or in double quotes, or their end."""
        text, char = self._text, self._text[self._at]
        if char in ('"', "`") and char == end:
            self._at += 1
            self._leave()
        elif self._take(_SCRIPT):
            self._add(ITSELF)
        elif self._take(_SUBSTITUTION):
            self._levels.append(_Code(")", substituted=True))
        elif self._take(_PARAMETER):
            self._add(EXPANSION)
        elif opening := self._take(_PASSAGE):
            self._add(EXPANSION)
            quotes = not isinstance(self._levels[-1], _Quoted)
            end, depth = ("}", 1) if opening == "${" else (")", 2)
            self._levels.append(_Passed(end, depth, quotes=quotes))
        elif char == "`":
            self._at += 1
            self._levels.append(_Code("`", substituted=True))
        elif char == '"':
            self._at += 1
            self._add("")
            self._levels.append(_Quoted())
        elif char == "'" and end != '"':  # it has no end
            self._levels.clear()
        elif char == "\\":
            self._at += 2
            self._add(text[self._at - 1 : self._at].replace("\n", ""))
        else:
            self._at += 1
            self._add("" if text.startswith('$"', self._at - 1) else char)

    def _open(self, level: _Code) -> None:
        """Read ``(``: of a pattern, a function, an array, an arithmetic command or a subshell."""
        word = level.parts
        if level.pattern:
            self._at += 1
        elif (word or level.words) and not (word and word[-1].endswith("=")) and self._take(_EMPTY):
            self._end_word(level)
            self.functions.update(level.words[-1:])
            level.words = []
        elif word is not None:
            self._at += 1
            self._add(EXPANSION)
            self._levels.append(_Passed(")"))
        elif level.words in ([], ["for"]) and self._text.startswith("((", self._at):
            self._at += 2
            self._add(EXPANSION)
            self._levels.append(_Passed(")", 2))
        elif not level.words:
            self._at += 1
            self._levels.append(_Code(")"))
        else:
            self._levels.clear()

    def _close(self, level: _Code) -> None:
        """Read ``)``: the end of a pattern, of a subshell, or of what is substituted."""
        self._end_word(level)
        self._at += 1
        if level.pattern:
            level.pattern = False
        elif level.end == ")":
            self._leave()
        else:
            self._levels.clear()

    def _leave(self) -> None:
        """Leave a level behind its end."""
        level = self._levels.pop()
        if isinstance(level, _Code):
            self._end_command(level)
            if level.substituted:
                self._add(_value(level.last))

    def _pass_over(self, level: _Passed) -> None:
        char = self._text[self._at]
        if self._take(_PASSED) or (level.end == ")" and self._take(_COMMENT)):
            return
        if char == level.end:
            level.depth -= 1
            if level.depth == 0:
                self._levels.pop()
        elif char == "(" and level.end == ")":
            level.depth += 1
        elif char == "'" and level.quotes and self._take(_SINGLE):
            return
        elif char in "\"`\\$":
            self._read_part("")
            return
        self._at += 1

    def _operate(self, level: _Code, operator: str) -> None:
        """Read an operator, which ends a command but for those of a pattern."""
        if not level.pattern:
            self._end_command(level)
            level.pattern = level.cases > 0 and operator.startswith((";;", ";&"))
        if operator == "\n":
            for opening, last in self._documents:
                tabs = "\t*" if opening.endswith("-") else ""
                line = re.compile(rf"^{tabs}{re.escape(last)}\r?$", re.MULTILINE)
                found = line.search(self._text, self._at)
                self._at = found.end() if found else len(self._text)
            self._documents = []

    def _end_command(self, level: _Code) -> None:
        self._end_word(level)
        if level.words:
            level.last = tuple(level.words)
            self.commands.append(Command(level.last, nested=level.end != ""))
        level.words, level.redirection = [], ""

    def _end_word(self, level: _Code) -> None:
        """Take the word that ends here for what it is in its place."""
        if level.parts is None:
            return
        word, level.parts = "".join(level.parts), None
        operator, level.redirection = level.redirection.lstrip("0123456789"), ""
        if operator in ("<<", "<<-"):
            self._documents.append((operator, word))
        elif operator:
            pass  # the name of a file
        elif word == "esac" and level.cases and not level.words:
            level.cases -= 1
            level.pattern = False
        elif not level.pattern and (level.words or word not in KEYWORDS):
            level.words.append(word)
            self._end_clause(level)

    def _end_clause(self, level: _Code) -> None:
        """Notice the words of a compound command behind which others begin."""
        first, last, number = level.words[0], level.words[-1], len(level.words)
        if (first, last, number) == ("case", "in", 3):
            level.cases += 1
            level.pattern = True
        elif (first, number) == ("function", 2):
            self.functions.add(last)
        elif (first, last) != ("[[", "]]"):
            return
        level.words = []


def _value(words: tuple[str, ...]) -> str:
    """Return what is substituted for a command, where that is the script or its directory."""
    name, *arguments = words or ("",)
    if arguments and arguments[-1] == ITSELF and all(a.startswith("-") for a in arguments[:-1]):
        if name in ("readlink", "realpath"):
            return ITSELF
        if name == "dirname":
            return DIRECTORY
    return EXPANSION

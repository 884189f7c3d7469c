"""The words of an expression, where it ends, and how each is said to Python's parser.

What is read here is all that expressions can say: Python gets to see names, numbers, texts,
and the brackets and operators below, and a key after a dot becomes a text in brackets. So a
key may be any word (`from`, `class`, `items`), and there are no attributes to be asked for.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from keyword import iskeyword

from dagger.rules.expressions.limits import MAX_DEPTH, MAX_SOURCE
from dagger.rules.expressions.refusal import Refused, nearest

OPEN, CLOSE = "${{", "}}"

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<name>[^\W\d]\w*)
  | (?P<single>'(?:[^']|'')*')
  | (?P<double>"(?:[^"\\]|\\.)*")
  | (?P<close>\}\})
  | (?P<operator>&&|\|\||[=!<>]=|//|\*\*|[-+*/%<>!()\[\],.:])
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)

_KEY = re.compile(r"\s*(?P<key>[^\W\d]\w*)")

_SAID = {"&&": "and", "||": "or", "!": "~"}
"""`!` becomes an operator that binds as tightly as `!` does elsewhere; `not` is looser."""

_WORDS = {"true": "True", "false": "False", "null": "None"}
_OPERATORS = ("and", "or", "not", "in", "if", "else", "for")

_HINTS = {
    "=": "equality is ==",
    "&": "and is && (or the word and)",
    "|": "or is || (or the word or)",
    "{": "a mapping cannot be written in an expression; write it around expressions",
    "}": "an expression ends with }}",
    "'": "this text does not end; a quote inside of it is written twice, ''",
    '"': 'this text does not end; a quote inside of it is written \\"',
    "$": "an expression within an expression needs no ${{",
    "#": "there are no comments in expressions",
}


class Misread(Refused):
    """What is at `offset` cannot be read."""

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(problem)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Tokens:
    """What was read: how Python says it, on one line of ASCII, and where it was written."""

    python: str
    columns: tuple[int, ...]
    """Where in `python` its words begin, in order."""
    offsets: tuple[int, ...]
    """Where each of them was written."""
    end: int
    """Where the expression ends: at its `}}`, or with the text."""

    def offset(self, column: int) -> int:
        """Where the word was written that is at `column` of `python`."""
        return self.offsets[max(bisect_right(self.columns, column) - 1, 0)]


def tokens(text: str, start: int, *, braces: bool) -> Tokens:
    """The words of the expression that begins at `start`; with `braces` it ends at `}}`.

    Raises Misread.
    """
    reader = _Reader(text, start)
    end = reader.read(braces)
    if not reader.words:
        raise Misread("there is no expression here; write one, such as steps.fetch.output", start)
    columns, column = [], 0
    for word in reader.words:
        columns.append(column)
        column += len(word) + 1
    return Tokens(" ".join(reader.words), tuple(columns), tuple(reader.offsets), end)


class _Reader:
    """Where reading has come to."""

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.start = self.at = start
        self.words: list[str] = []
        self.offsets: list[int] = []
        self.depth = 0
        self.last = ""
        """The kind of the word before."""

    def read(self, braces: bool) -> int:
        """Reads all words, and returns where they end."""
        while self.at < len(self.text):
            found = _TOKEN.match(self.text, self.at)
            if self.at - self.start > MAX_SOURCE or (found and len(found[0]) > MAX_SOURCE):
                problem = f"an expression has at most {MAX_SOURCE:,} characters; do it in code"
                raise Misread(problem, self.start)
            if found is None:
                raise Misread(self._unknown(), self.at)
            of, word = str(found.lastgroup), found[0]
            if of == "close" and braces:
                return self.at
            if of != "space":
                self._take(of, word)
                self.last = of
            self.at = max(self.at, found.end())
        if braces:
            raise Misread("this expression does not end; write }} after it", self.start - len(OPEN))
        return self.at

    def _take(self, of: str, word: str) -> None:
        if of == "name":
            self._say(self._name(word))
        elif of == "number":
            self._say(word)
        elif of in ("single", "double"):
            if self.last in ("single", "double"):
                raise Misread("two texts side by side; + joins them", self.at)
            self._say(ascii(self._text(of, word)))
        elif word == ".":
            self._key()
        elif of == "operator":
            self._bracket(word)
            self._say(_SAID.get(word, word))
        else:
            raise Misread(self._unknown(), self.at)

    def _say(self, word: str) -> None:
        self.words.append(word)
        self.offsets.append(self.at)

    def _name(self, word: str) -> str:
        if word in _OPERATORS:
            return word
        if word in _WORDS:
            return _WORDS[word]
        if iskeyword(word):
            known = (*_OPERATORS, *_WORDS)
            raise Misread(f"{word!r} is no word of expressions; {nearest(word, known)}", self.at)
        return word

    def _text(self, of: str, word: str) -> str:
        if of == "single":
            return word[1:-1].replace("''", "'")
        try:
            return str(json.loads(word, strict=False))
        except ValueError:
            problem = r"only \" \\ \/ \b \f \n \r \t and \u1234 may follow a \ in a text"
            raise Misread(problem, self.at) from None

    def _key(self) -> None:
        if not self._after_value():
            raise Misread("a dot comes between a value and a key", self.at)
        found = _KEY.match(self.text, self.at + 1)
        if found is None:
            raise Misread("a key follows a dot; of a list, [0] is the first item", self.at)
        if len(found["key"]) > MAX_SOURCE:
            raise Misread(f"a key has at most {MAX_SOURCE:,} characters", self.at)
        self.at = found.start("key")
        for word in ("[", ascii(found["key"]), "]"):
            self._say(word)
        self.at = found.end()

    def _after_value(self) -> bool:
        if self.last == "name":
            return self.words[-1] not in _OPERATORS
        return self.last in ("single", "double") or self.words[-1:] in (["]"], [")"])

    def _bracket(self, word: str) -> None:
        self.depth += (word in "([") - (word in ")]")
        if self.depth > MAX_DEPTH:
            raise Misread(f"more than {MAX_DEPTH} brackets within one another", self.at)

    def _unknown(self) -> str:
        character = self.text[self.at]
        if hint := _HINTS.get(character):
            return hint
        return f"{character!r} is nothing that an expression can say"

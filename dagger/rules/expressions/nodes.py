"""The parts of a template: texts, lists, mappings, and the expressions in them.

A part is made once, of a value as it is then, and never changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dagger.rules.expressions import limits
from dagger.rules.expressions.data import as_text
from dagger.rules.expressions.evaluator import evaluated
from dagger.rules.expressions.paths import Part
from dagger.rules.expressions.refusal import Refused, Stopped
from dagger.rules.expressions.tokens import CLOSE, OPEN, Misread, Tokens, tokens
from dagger.rules.expressions.tree import Tree, tree
from dagger.words.errors import ExpressionError
from dagger.words.payload import MAX_DEPTH


@dataclass(frozen=True, slots=True)
class Reference:
    """A path in an expression, such as `steps.fetch.output.items[0].id`.

    `path` is its name and those of its parts that are written down: for `steps[inputs.which].id`
    there are the two references `("steps",)` and `("inputs", "which")`.
    """

    path: tuple[Part, ...]
    offsets: tuple[int, ...]
    """Where each part stands in `text`, in characters from 0."""
    text: str
    """The whole text with the expression in it."""
    at: tuple[Part, ...] = ()
    """Where that text is in the value that was compiled: its keys and places."""

    @property
    def offset(self) -> int:
        """Where it begins in `text`."""
        return self.offsets[0]


class Node(Protocol):
    """A part of a template."""

    def render(self, scope: Mapping[str, Any]) -> Any:
        """Its value. Raises ExpressionError."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression, and the text it is in."""

    tree: Tree
    words: Tokens
    text: str
    at: tuple[Part, ...]

    def render(self, scope: Mapping[str, Any]) -> Any:
        try:
            return evaluated(self.tree, scope)
        except Stopped as stopped:
            raise self.error(stopped.problem, stopped.column) from None

    def error(self, problem: str, column: int = 0) -> ExpressionError:
        return ExpressionError(self.text, self.words.offset(column), problem, self.at)

    def references(self) -> Iterator[Reference]:
        for path in self.tree.paths:
            offsets = tuple(map(self.words.offset, path.columns))
            yield Reference(path.parts, offsets, self.text, self.at)


@dataclass(frozen=True, slots=True)
class Plain:
    """What has no expression in it."""

    value: Any

    def render(self, scope: Mapping[str, Any]) -> Any:
        return self.value


@dataclass(frozen=True, slots=True)
class Truth:
    """Whether the value of an expression is true."""

    expression: Expression

    def render(self, scope: Mapping[str, Any]) -> bool:
        return bool(self.expression.render(scope))


@dataclass(frozen=True, slots=True)
class _Text:
    """A text around expressions."""

    pieces: tuple[str | Expression, ...]

    def render(self, scope: Mapping[str, Any]) -> str:
        parts, length = [], 0
        for piece in self.pieces:
            part = piece if isinstance(piece, str) else self._filled(piece, scope, length)
            length += len(part)
            parts.append(part)
        return "".join(parts)

    def _filled(self, piece: Expression, scope: Mapping[str, Any], length: int) -> str:
        try:
            part = as_text(piece.render(scope))
            limits.fits(length + len(part))
        except Refused as refused:
            raise piece.error(refused.problem) from None
        return part


@dataclass(frozen=True, slots=True)
class _Items:
    items: tuple[Node, ...]

    def render(self, scope: Mapping[str, Any]) -> list[Any]:
        return [each.render(scope) for each in self.items]


@dataclass(frozen=True, slots=True)
class _Entries:
    entries: tuple[tuple[Any, Node], ...]

    def render(self, scope: Mapping[str, Any]) -> dict[Any, Any]:
        return {key: each.render(scope) for key, each in self.entries}


def node(value: Any, at: tuple[Part, ...], found: list[Reference]) -> Node:
    """The part that a value is, which stands `at` these keys and places; what it refers to is
    added to `found`. Raises ExpressionError.
    """
    if isinstance(value, str):
        return _text(value, at, found)
    if len(at) > MAX_DEPTH:
        raise ExpressionError("", 0, f"nested deeper than {MAX_DEPTH}; a message cannot be", at)
    if isinstance(value, Mapping):
        for key in value:
            _check_key(key, at)
        return _Entries(tuple((key, node(each, (*at, key), found)) for key, each in value.items()))
    if isinstance(value, list | tuple):
        return _Items(tuple(node(each, (*at, place), found) for place, each in enumerate(value)))
    return Plain(value)


def _check_key(key: Any, at: tuple[Part, ...]) -> None:
    if isinstance(key, str) and OPEN in key:
        problem = "expressions in keys are not worked out; write it as a value"
        raise ExpressionError(key, key.index(OPEN), problem, at)


def _text(text: str, at: tuple[Part, ...], found: list[Reference]) -> Node:
    """A text is plain, one expression, or pieces of both."""
    pieces: list[str | Expression] = []
    done = 0
    while (begin := text.find(OPEN, done)) >= 0:
        if begin > done:
            pieces.append(text[done:begin])
        piece, done = expression(text, begin + len(OPEN), at, braces=True)
        found += piece.references()
        pieces.append(piece)
    if not pieces:
        return Plain(text)
    if done < len(text):
        pieces.append(text[done:])
    only = pieces[0]
    if len(pieces) == 1 and isinstance(only, Expression):
        return only
    return _Text(tuple(pieces))


def expression(
    text: str, start: int, at: tuple[Part, ...], *, braces: bool
) -> tuple[Expression, int]:
    """The expression that begins at `start`, and where the text goes on after it.

    With `braces` it ends at `}}`. Raises ExpressionError.
    """
    try:
        words = tokens(text, start, braces=braces)
        found = tree(words)
    except Misread as misread:
        raise ExpressionError(text, misread.offset, misread.problem, at) from None
    return Expression(found, words, text, at), words.end + len(CLOSE) * braces

"""Values with expressions in their texts: compiled once, rendered as often as wanted.

A text that is one expression and nothing else stands for the value of it, of whatever type;
any other text with expressions stays a text, with their values in it. What a value contains
is never looked through for expressions again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dagger.rules.expressions import limits
from dagger.rules.expressions.data import as_text
from dagger.rules.expressions.evaluator import evaluated
from dagger.rules.expressions.paths import Part, written
from dagger.rules.expressions.refusal import Refused, Stopped, nearest
from dagger.rules.expressions.tokens import CLOSE, OPEN, Misread, Tokens, tokens
from dagger.rules.expressions.tree import Tree, tree
from dagger.words.errors import ExpressionError
from dagger.words.payload import MAX_DEPTH

Known = Mapping[str, "Known | None"] | Collection[str]
"""The names that paths may begin with. A mapping says of each what may follow it, in the same
way; None is anything."""


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


class _Node(Protocol):
    """A part of a template."""

    def render(self, scope: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True, slots=True)
class Template:
    """What `compiled` and `condition` make. It never changes."""

    root: _Node
    references: tuple[Reference, ...]
    """All paths in it, in the order in which they are written."""

    @property
    def constant(self) -> bool:
        """Whether it refers to nothing, and so renders to the same each time."""
        return not self.references

    def render(self, scope: Mapping[str, Any]) -> Any:
        """The value, with all expressions worked out.

        `scope` has the names that paths begin with, and plain values; it is not changed. What
        an expression leads to in it is that very value and no copy; lists and mappings of the
        template are made anew each time. Raises ExpressionError.
        """
        return self.root.render(scope)


def compiled(value: Any) -> Template:
    """A template of any value: a text, or lists and mappings with texts at any depth.

    Keys, numbers and whatever else there is stay as they are. Raises ExpressionError, also
    for a key with an expression, which nobody would work out.
    """
    references: list[Reference] = []
    root = _compiled(value, (), references)
    return Template(root, tuple(references))


def condition(text: str | bool) -> Template:
    """A template that renders to true or false: an expression, with `${{ }}` around it or
    without.

    False are false, null, 0, and empty texts, lists and mappings; all else is true, also the
    text 'false'. Raises ExpressionError.
    """
    if isinstance(text, bool):
        return Template(_Plain(text), ())
    if not isinstance(text, str):
        raise ExpressionError(str(text), 0, "a condition is an expression, or true or false")
    begin = len(text) - len(text.lstrip())
    braces = text.startswith(OPEN, begin)
    expression, end = _expression(text, begin + len(OPEN) * braces, (), braces=braces)
    if text[end:].strip():
        problem = "a condition is one expression; put all of it into one pair of braces"
        raise ExpressionError(text, end, problem)
    return Template(_Truth(expression), tuple(expression.references()))


def check(template: Template, known: Known) -> None:
    """Raises the first of the `problems`, if there are any."""
    for problem in problems(template, known):
        raise problem


def problems(template: Template, known: Known) -> tuple[ExpressionError, ...]:
    """An error for each reference to what is not known, in the order in which they are
    written.
    """
    found = (_unknown(reference, known) for reference in template.references)
    return tuple(error for error in found if error is not None)


def escaped(text: str) -> str:
    """A text that renders to `text`, whatever that contains."""
    return text.replace(OPEN, f"{OPEN} '{OPEN}' {CLOSE}")


@dataclass(frozen=True, slots=True)
class _Expression:
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
class _Plain:
    value: Any

    def render(self, scope: Mapping[str, Any]) -> Any:
        return self.value


@dataclass(frozen=True, slots=True)
class _Truth:
    expression: _Expression

    def render(self, scope: Mapping[str, Any]) -> bool:
        return bool(self.expression.render(scope))


@dataclass(frozen=True, slots=True)
class _Text:
    pieces: tuple[str | _Expression, ...]

    def render(self, scope: Mapping[str, Any]) -> str:
        parts, length = [], 0
        for piece in self.pieces:
            part = piece if isinstance(piece, str) else self._filled(piece, scope, length)
            length += len(part)
            parts.append(part)
        return "".join(parts)

    def _filled(self, piece: _Expression, scope: Mapping[str, Any], length: int) -> str:
        try:
            part = as_text(piece.render(scope))
            limits.fits(length + len(part))
        except Refused as refused:
            raise piece.error(refused.problem) from None
        except RecursionError:
            raise piece.error("this is nested too deeply for a text") from None
        return part


@dataclass(frozen=True, slots=True)
class _Items:
    items: tuple[_Node, ...]

    def render(self, scope: Mapping[str, Any]) -> list[Any]:
        return [each.render(scope) for each in self.items]


@dataclass(frozen=True, slots=True)
class _Entries:
    entries: tuple[tuple[Any, _Node], ...]

    def render(self, scope: Mapping[str, Any]) -> dict[Any, Any]:
        return {key: each.render(scope) for key, each in self.entries}


def _compiled(value: Any, at: tuple[Part, ...], found: list[Reference]) -> _Node:
    if isinstance(value, str):
        return _text(value, at, found)
    if len(at) > MAX_DEPTH:
        raise ExpressionError("", 0, f"nested deeper than {MAX_DEPTH}; a message cannot be", at)
    if isinstance(value, Mapping):
        for key in value:
            _check_key(key, at)
        return _Entries(
            tuple((key, _compiled(each, (*at, key), found)) for key, each in value.items())
        )
    if isinstance(value, list | tuple):
        return _Items(
            tuple(_compiled(each, (*at, place), found) for place, each in enumerate(value))
        )
    return _Plain(value)


def _check_key(key: Any, at: tuple[Part, ...]) -> None:
    if isinstance(key, str) and OPEN in key:
        problem = "expressions in keys are not worked out; write it as a value"
        raise ExpressionError(key, key.index(OPEN), problem, at)


def _text(text: str, at: tuple[Part, ...], found: list[Reference]) -> _Node:
    """A text is plain, one expression, or pieces of both."""
    pieces: list[str | _Expression] = []
    done = 0
    while (begin := text.find(OPEN, done)) >= 0:
        if begin > done:
            pieces.append(text[done:begin])
        expression, done = _expression(text, begin + len(OPEN), at, braces=True)
        found += expression.references()
        pieces.append(expression)
    if not pieces:
        return _Plain(text)
    if done < len(text):
        pieces.append(text[done:])
    only = pieces[0]
    if len(pieces) == 1 and isinstance(only, _Expression):
        return only
    return _Text(tuple(pieces))


def _expression(
    text: str, start: int, at: tuple[Part, ...], *, braces: bool
) -> tuple[_Expression, int]:
    """The expression that begins at `start`, and where the text goes on after it."""
    try:
        words = tokens(text, start, braces=braces)
        found = tree(words)
    except Misread as misread:
        raise ExpressionError(text, misread.offset, misread.problem, at) from None
    return _Expression(found, words, text, at), words.end + len(CLOSE) * braces


def _unknown(reference: Reference, known: Known | None) -> ExpressionError | None:
    path = reference.path
    for place, part in enumerate(path):
        if known is None or isinstance(part, int):
            return None
        if part not in known:
            before = f"{written(path[:place])} has no" if place else "no name"
            problem = f"{before} {part!r}{'' if place else ' here'}; {nearest(part, known)}"
            return ExpressionError(reference.text, reference.offsets[place], problem, reference.at)
        known = known[part] if isinstance(known, Mapping) else None
    return None

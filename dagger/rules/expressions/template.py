"""Values with expressions in their texts: compiled once, rendered as often as wanted.

A text that is one expression and nothing else stands for the value of it, of whatever type;
any other text with expressions stays a text, with their values in it. What a value contains
is never looked through for expressions again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from dagger.rules.expressions.nodes import Node, Plain, Reference, Truth, expression, node
from dagger.rules.expressions.paths import written
from dagger.rules.expressions.refusal import nearest
from dagger.rules.expressions.tokens import CLOSE, OPEN
from dagger.words.errors import ExpressionError

Known = Mapping[str, "Known | None"] | Collection[str]
"""The names that paths may begin with. A mapping says of each what may follow it, in the same
way; None is anything."""


@dataclass(frozen=True, slots=True)
class Template:
    """What `compiled` and `condition` make. It never changes."""

    root: Node
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
    root = node(value, (), references)
    return Template(root, tuple(references))


def condition(text: str | bool) -> Template:
    """A template that renders to true or false: an expression, with `${{ }}` around it or
    without.

    False are false, null, 0, and empty texts, lists and mappings; all else is true, also the
    text 'false'. Raises ExpressionError.
    """
    if isinstance(text, bool):
        return Template(Plain(text), ())
    if not isinstance(text, str):
        raise ExpressionError(str(text), 0, "a condition is an expression, or true or false")
    begin = len(text) - len(text.lstrip())
    braces = text.startswith(OPEN, begin)
    found, end = expression(text, begin + len(OPEN) * braces, (), braces=braces)
    if text[end:].strip():
        problem = "a condition is one expression; put all of it into one pair of braces"
        raise ExpressionError(text, end, problem)
    return Template(Truth(found), tuple(found.references()))


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

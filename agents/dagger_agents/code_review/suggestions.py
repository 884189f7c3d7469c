"""Suggestions: what to do about issues, in the order in which it is worth doing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dagger_agents.code_review.issues import Issue, Priority
from dagger_agents.code_review.rules import rule


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing to do, in one place."""

    priority: Priority
    """How much it matters."""
    file: str
    """The file."""
    line: int
    """The line in it, from 1."""
    code: str
    """The rule."""
    what: str
    """What is there."""
    why: str
    """Why that is not good."""
    what_to_do: str
    """What would be better."""
    is_fixable: bool
    """Whether `improve` can do it."""


def suggestions_of(file: str, issues: Iterable[Issue]) -> tuple[Suggestion, ...]:
    """A suggestion for each issue, what matters most first."""
    ordered = sorted(issues, key=lambda each: (each.priority.rank, each.line, each.column))
    return tuple(_suggestion(file, each) for each in ordered)


def _suggestion(file: str, issue: Issue) -> Suggestion:
    said = rule(issue.code)
    return Suggestion(
        priority=issue.priority,
        file=file,
        line=issue.line,
        code=issue.code,
        what=issue.message,
        why=said.why,
        what_to_do=issue.advice or said.what_to_do,
        is_fixable=issue.is_fixable,
    )

"""Ruff's fixes, as far as they are admitted: unused imports, plainer statements and expressions."""

from __future__ import annotations

from dagger_agents.code_review.fixes import fixes_for
from dagger_agents.code_review.review import Review
from dagger_agents.code_review.ruff import diagnostics, fixed
from dagger_agents.code_review.syntax import parse


def with_ruff_fixes(text: str, review: Review) -> str:
    """The text with those of ruff's fixes that mean the same."""
    fixes = fixes_for(parse(text), diagnostics(text, review.file), review.options)
    return fixed(text, review.file, *fixes) if fixes.rules else text

"""What ruff itself calls safe: unused imports and variables of no effect, plainer expressions."""

from __future__ import annotations

from dagger_agents.code_review.review import Review
from dagger_agents.code_review.ruff import fixed


def with_ruff_fixes(text: str, review: Review) -> str:
    """The text with ruff's safe fixes."""
    return fixed(text, review.file)

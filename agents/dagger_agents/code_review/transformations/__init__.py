"""Changes to a text that keep what it means.

Each is a function of a text and its review, and gives the same text where it has nothing to do.
What it changes, and why that means the same, is told in its own file; `safety` looks at each
result.
"""

from __future__ import annotations

from collections.abc import Callable

from dagger_agents.code_review.review import Review
from dagger_agents.code_review.transformations.constants import with_constants
from dagger_agents.code_review.transformations.guards import with_guards
from dagger_agents.code_review.transformations.ruff_fixes import with_ruff_fixes

Transformation = Callable[[str, Review], str]

TRANSFORMATIONS: tuple[Transformation, ...] = (
    with_ruff_fixes,
    with_guards,
    with_constants,
)
"""In the order in which they are tried."""

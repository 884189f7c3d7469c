"""Improving a text by what its review has found."""

from __future__ import annotations

from libcst import CSTValidationError, ParserSyntaxError

from dagger_agents.code_review.review import Review, review_source
from dagger_agents.code_review.rules import SYNTAX_ERROR
from dagger_agents.code_review.transformations import TRANSFORMATIONS, Transformation
from dagger_agents.code_review.transformations.safety import is_safe

MAX_ROUNDS = 10
"""Reviews of one text at most; each round has to do something."""


def improve(text: str, review: Review) -> str:
    """The text with all transformations that are safe and raise its score.

    The same text where nothing helps: nothing would help the next time either.
    """
    if any(each.code == SYNTAX_ERROR for each in review.issues):
        return text
    for transformation in TRANSFORMATIONS:
        after = _changed(text, review, transformation)
        if after == text or not is_safe(text, after):
            continue
        reviewed = review_source(after, review.file, review.options)
        if reviewed.score > review.score:
            text, review = after, reviewed
    return text


def _changed(text: str, review: Review, transformation: Transformation) -> str:
    """The changed text; the same one where libcst cannot read it, or cannot write it down."""
    try:
        return transformation(text, review)
    except (ParserSyntaxError, CSTValidationError, RecursionError):
        return text


def improve_until(text: str, review: Review, threshold: float) -> tuple[str, Review]:
    """The text and its review after improving it until its score is enough, or nothing helps."""
    for _ in range(MAX_ROUNDS):
        if review.score >= threshold:
            break
        after = improve(text, review)
        if after == text:
            break
        text, review = after, review_source(after, review.file, review.options)
    return text, review

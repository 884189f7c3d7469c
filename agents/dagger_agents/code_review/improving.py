"""Improving a text by what its review has found."""

from __future__ import annotations

from dataclasses import replace

from dagger_agents.code_review.review import Review, review_source, said
from dagger_agents.code_review.transformations import TRANSFORMATIONS, Transformation
from dagger_agents.code_review.transformations.safety import is_safe

MAX_ROUNDS = 10
"""Reviews of one text at most; each round has to do something."""


def improve(text: str, review: Review) -> tuple[str, Review]:
    """The text with all transformations that are safe and raise its score, and its review then.

    The same text where nothing helps: nothing would help the next time either. A transformation
    that fails changes nothing, and does not keep the others from it: it is one of the `problems`
    of the review.
    """
    problems = []
    for transformation in () if review.is_broken else TRANSFORMATIONS:
        try:
            text, review = _better(text, review, transformation)
        except Exception as error:  # of a library, or of our own, at a text that nobody foresaw
            name = transformation.__name__.removeprefix("with_").replace("_", " ")
            problems.append(f"{name} could not be tried: {said(error)}")
    return text, replace(review, problems=tuple(problems))


def _better(text: str, review: Review, transformation: Transformation) -> tuple[str, Review]:
    """What a transformation makes of a text, where that is safe and better."""
    after = transformation(text, review)
    if after == text or not is_safe(text, after):
        return text, review
    reviewed = review_source(after, review.file, review.options)
    return (after, reviewed) if reviewed.score > review.score else (text, review)


def improve_until(text: str, review: Review, threshold: float) -> tuple[str, Review]:
    """The text and its review after improving it until its score is enough, or nothing helps."""
    for _ in range(MAX_ROUNDS):
        if review.score >= threshold:
            break
        before = text
        text, review = improve(text, review)
        if text == before:
            break
    return text, review

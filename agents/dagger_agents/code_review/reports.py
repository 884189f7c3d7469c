"""Reviews as people and programs read them: text, JSON, Markdown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dagger_agents.code_review.issues import Priority
from dagger_agents.code_review.review import Review
from dagger_agents.code_review.score import mean
from dagger_agents.code_review.suggestions import Suggestion


def as_text(reviews: Sequence[Review]) -> str:
    """A line for each suggestion and problem below each file that has some, and a summary."""
    lines = [line for each in reviews if _has_more(each) for line in _text(each)]
    return "\n".join([*lines, _summary(reviews)])


def as_json(reviews: Sequence[Review]) -> str:
    """Everything: the score, and of each file its functions, suggestions and problems."""
    files = [_plain(each) for each in reviews]
    return json.dumps({"score": _rounded(_mean(reviews)), "files": files}, indent=2)


def as_markdown(reviews: Sequence[Review]) -> str:
    """A heading and a table for each file that has suggestions, and its problems."""
    lines = ["# Code review", "", f"{_summary(reviews)}."]
    for each in reviews:
        if _has_more(each):
            lines += ["", f"## {each.file}: {_shown(each.score)}"]
        if each.issues:
            lines += ["", *_table(each.suggestions)]
        if each.problems:
            lines += ["", *(f"- problem: {_cell(problem)}" for problem in each.problems)]
    return "\n".join(lines)


FORMATS: Mapping[str, Callable[[Sequence[Review]], str]] = {
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
}
"""By name."""


def _has_more(review: Review) -> bool:
    """Whether more is to be told of a file than its score."""
    return bool(review.issues or review.problems)


def _text(review: Review) -> Iterator[str]:
    yield f"{review.file}: {_shown(review.score)}"
    for each in review.suggestions:
        yield f"  {each.priority.value:<6} {each.line:>5}  {each.what} ({each.code})"
        yield f"  {'':<6} {'':>5}  {each.why}: {each.what_to_do}{' (--fix)' * each.is_fixable}"
    yield from (f"  problem: {each}" for each in review.problems)
    yield ""


def _table(suggestions: Sequence[Suggestion]) -> Iterator[str]:
    yield "| priority | line | what | why | what to do |"
    yield "|---|---|---|---|---|"
    for each in suggestions:
        what = f"{_cell(each.what)} (`{each.code}`)"
        cells = (each.priority.value, str(each.line), what, each.why, _cell(each.what_to_do))
        yield f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """A text that no table and no markup breaks at."""
    return text.replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")


def _summary(reviews: Sequence[Review]) -> str:
    counts = Counter(issue.priority for each in reviews for issue in each.issues)
    told = ", ".join(f"{counts[each]} {each.value}" for each in Priority)
    files = "1 file" if len(reviews) == 1 else f"{len(reviews)} files"
    return f"{files}, score {_shown(_mean(reviews))}; issues: {told}"


def _plain(review: Review) -> dict[str, Any]:
    return {
        "file": review.file,
        "score": _rounded(review.score),
        "functions": [
            {
                "name": function.qualified_name,
                "line": function.line,
                "end_line": function.end_line,
                **complexity._asdict(),
            }
            for function, complexity in zip(review.functions, review.complexities, strict=True)
        ],
        "suggestions": [
            {
                "priority": each.priority.value,
                "line": each.line,
                "code": each.code,
                "what": each.what,
                "why": each.why,
                "what_to_do": each.what_to_do,
                "is_fixable": each.is_fixable,
            }
            for each in review.suggestions
        ],
        "problems": [*review.problems],
    }


def _mean(reviews: Sequence[Review]) -> float:
    return mean([each.score for each in reviews])


def _rounded(score: float) -> float:
    return round(score, 2)


def _shown(score: float) -> str:
    return f"{_rounded(score):.2f}"

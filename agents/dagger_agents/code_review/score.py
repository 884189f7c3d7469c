"""The score: one number from 0 to 10.

    burden = 4 * issues of high priority + 2 * of medium + 0.5 * of low
             + 0.25 * points of complexity above the thresholds, of all functions
    score  = 10 * 20 / (20 + burden)

So it falls with each issue and each point of complexity, and with nothing else: fewer issues or
less complexity never lower it, and it depends on no average that the length of a text would move.
Nothing to complain of is 10; a burden of 5, which is one issue of high priority and two of low,
is 8; one of 20 is 5. What is no Python, or cannot be read, has 0. The score of several files is
the mean of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dagger_agents.code_review.complexity import Complexity
from dagger_agents.code_review.issues import Issue, Priority
from dagger_agents.code_review.options import Options
from dagger_agents.code_review.rules import BROKEN

BEST = 10.0
HALF = 20.0
"""The burden at which half of it is left."""

WEIGHTS = {Priority.HIGH: 4.0, Priority.MEDIUM: 2.0, Priority.LOW: 0.5}
WEIGHT_OF_COMPLEXITY = 0.25


def score(issues: Iterable[Issue], complexities: Iterable[Complexity], options: Options) -> float:
    """The score of one file."""
    found = [*issues]
    if any(each.code in BROKEN for each in found):
        return 0.0
    weights = sum(WEIGHTS[each.priority] for each in found)
    excess = sum(_excess(each, options) for each in complexities)
    burden = weights + WEIGHT_OF_COMPLEXITY * excess
    return BEST * HALF / (HALF + burden)


def mean(scores: Sequence[float]) -> float:
    """The score of several files; of none it is the best there is."""
    return sum(scores) / len(scores) if scores else BEST


def _excess(complexity: Complexity, options: Options) -> int:
    """Points above the thresholds."""
    cyclomatic = max(0, complexity.cyclomatic - options.max_cyclomatic)
    return cyclomatic + max(0, complexity.cognitive - options.max_cognitive)

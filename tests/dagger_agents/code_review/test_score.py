"""The score: from 0 to 10, and never lower for what is better."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dagger_agents.code_review import Complexity, Issue, Options, Priority, mean
from dagger_agents.code_review.rules import SYNTAX_ERROR
from dagger_agents.code_review.score import score

OPTIONS = Options()


def issue(priority: Priority, code: str = "X1") -> Issue:
    """An issue of some priority."""
    return Issue(code, priority, 1, 1, "something")


issues = st.lists(st.sampled_from(Priority).map(issue), max_size=12)
measures = st.lists(st.builds(Complexity, st.integers(1, 40), st.integers(0, 60)), max_size=6)


@given(issues, measures, st.data())
def test_fewer_issues_and_less_complexity_never_lower_it(
    found: list[Issue], measured: list[Complexity], data: st.DataObject
) -> None:
    """Whatever is left out, and however much simpler a function gets."""
    left = [each for each in found if data.draw(st.booleans())]
    simpler = [
        Complexity(
            data.draw(st.integers(1, each.cyclomatic)), data.draw(st.integers(0, each.cognitive))
        )
        for each in measured
    ]
    before, after = score(found, measured, OPTIONS), score(left, simpler, OPTIONS)
    assert 0 < before <= after <= 10


@given(issues, measures)
def test_each_issue_lowers_it(found: list[Issue], measured: list[Complexity]) -> None:
    """And one that matters more lowers it more."""
    scores = [score([*found, issue(each)], measured, OPTIONS) for each in Priority]
    assert scores == sorted(scores)
    assert len({*scores, score(found, measured, OPTIONS)}) == 4


def test_the_formula_is_the_one_that_is_written_down() -> None:
    """Nothing to complain of is 10; a burden of 5 is 8, one of 20 is 5; no Python is 0."""
    high, low = issue(Priority.HIGH), issue(Priority.LOW)
    assert score([], [Complexity(10, 15)], OPTIONS) == 10
    assert score([high, low, low], [], OPTIONS) == 8
    assert score([high] * 4, [Complexity(18, 23)], OPTIONS) == 5
    assert score([issue(Priority.HIGH, SYNTAX_ERROR)], [], OPTIONS) == 0


def test_that_of_several_files_is_their_mean() -> None:
    """Of none it is the best: there is nothing to complain of."""
    assert (mean([4.0, 6.0]), mean([])) == (5, 10)

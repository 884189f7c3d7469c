"""The code review as a graph: rounds of looking and improving."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from dagger import Executor, Graphs
from dagger.graphs import GraphStatus
from dagger_agents.code_review import code_reviewer, improve_until, review_all, review_source

POOR = Path(__file__).parents[1] / "poor_code"


@pytest.mark.anyio
async def test_the_score_rises_round_by_round_until_nothing_helps() -> None:
    """Each round has a higher score than the one before, and the last changes nothing any more."""
    text = (POOR / "orders.py").read_text("utf-8")
    (report,) = await review_all([("orders.py", text)], threshold=10)
    scores = report.state["scores"]
    assert report.status is GraphStatus.COMPLETED
    assert len(scores) > 1
    assert scores == sorted(set(scores))
    assert report.state["helps"] is False
    assert report.state["quality_score"] == review_source(report.state["text"]).score
    # Each look at it measures and inspects once, however often it went round.
    assert report.visits["measure"] == report.visits["inspect"] == report.visits["assess"]


@pytest.mark.anyio
async def test_the_graph_comes_to_what_the_function_comes_to() -> None:
    """Text and score are those of `improve_until`, for each of several files."""
    texts = [(path.name, path.read_text("utf-8")) for path in sorted(POOR.glob("*.py"))]
    reports = await review_all(texts, threshold=9)
    for (name, text), report in zip(texts, reports, strict=True):
        improved, review = improve_until(text, review_source(text, name), 9)
        assert report.state["text"] == improved
        assert report.state["quality_score"] == review.score


@pytest.mark.anyio
async def test_what_is_good_enough_is_left_as_it_is() -> None:
    """A text whose score is that of the threshold is looked at once."""
    text = "def double(number: int) -> int:\n    return number * 2\n"
    (report,) = await review_all([("double.py", text)], threshold=9)
    assert report.state["text"] == text
    assert "improve" not in report.visits


@pytest.mark.anyio
async def test_what_is_no_python_gets_nothing_and_nothing_is_done() -> None:
    """Broken text has the score 0 and one issue, and stays as it is."""
    (report,) = await review_all([("broken.py", "def (:\n")], threshold=5)
    assert report.status is GraphStatus.COMPLETED
    assert report.state["quality_score"] < 10
    assert len(report.state["issues"]) == 1
    assert report.state["text"] == "def (:\n"


def test_it_is_an_agent_as_any(tmp_path: Path) -> None:
    """It runs from the start with a store, beside other agents, under a name of its own."""
    graphs = Graphs(code_reviewer("looking"))

    async def main() -> None:
        async with Executor(graphs.agents, store=tmp_path / "store") as executor:
            report = await executor.run("looking", {"text": "x = 1\n", "threshold": 1})
            assert report.outputs["looking:output"][0]["quality_score"] > 1

    anyio.run(main)

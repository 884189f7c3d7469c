"""The code review as a graph: looked at, improved, and looked at again until it is good enough.

extract ──┬── measure ──┬── assess ──> done
^      └── inspect ──┘     │
└──────── improve <────────┘   while the score is too low and anything helps
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TypedDict

import anyio

from dagger import Executor, Graph, GraphFailed, GraphReport, Graphs
from dagger_agents.code_review.functions import functions_of
from dagger_agents.code_review.improving import MAX_ROUNDS, improve
from dagger_agents.code_review.options import Options
from dagger_agents.code_review.review import Review, review_source
from dagger_agents.code_review.taking import Pair, taken_from

NAME = "code_review"

AT_ONCE = 8
"""Files that are reviewed at once."""


class Reviewing(TypedDict, total=False):
    """The state of the review of one text."""

    file: str
    """What it is called."""
    text: str
    """The text, as it is by then."""
    threshold: float
    """The score that is wanted, from 0 to 10."""
    taken: list[str]
    """What others are known to take from it, "*" for all: imports of these stay."""
    functions: list[str]
    """The qualified names of its functions."""
    complexity: dict[str, list[int]]
    """Cyclomatic and cognitive, by function."""
    issues: list[str]
    """What was found, one sentence each."""
    suggestions: list[str]
    """What to do about it, what matters most first."""
    quality_score: float
    """From 0 to 10."""
    scores: list[float]
    """Those of all rounds."""
    helps: bool
    """Whether the last improvement has changed anything."""
    problems: list[str]
    """What of it could not be done, and why."""


def code_reviewer(name: str = NAME) -> Graph:
    """A graph that reviews a text, and improves it until its `quality_score` reaches `threshold`
    or nothing more helps. Its functions look at texts only: nothing of them is run.
    """
    graph = Graph(name, Reviewing, reducers={"scores": "append"}, description=__doc__ or "")
    graph.add_node("extract", extract).add_node("measure", measure).add_node("inspect", inspect)
    graph.add_node("assess", assess).add_node("improve", improved)
    graph.add_edge("extract", ["measure", "inspect"])
    graph.add_edge("measure", "assess").add_edge("inspect", "assess")
    graph.add_conditional_edge("assess", verdict, {"good": "end", "improve": "improve"})
    return graph.add_conditional_edge("improve", went, {"better": "extract", "stuck": "end"})


def extract(state: Reviewing) -> Reviewing:
    """The functions of the text."""
    try:
        return {"functions": [each.qualified_name for each in functions_of(state["text"])]}
    except (SyntaxError, RecursionError):
        return {"functions": []}


def measure(state: Reviewing) -> Reviewing:
    """How complex they are."""
    if not state["functions"]:
        return {"complexity": {}}
    review = _review(state)
    pairs = zip(review.functions, review.complexities, strict=True)
    return {"complexity": {each.qualified_name: list(found) for each, found in pairs}}


def inspect(state: Reviewing) -> Reviewing:
    """What is wrong with it."""
    return {"issues": [f"{each.line}: {each.message}" for each in _review(state).issues]}


def assess(state: Reviewing) -> Reviewing:
    """How good it is, and what to do."""
    review = _review(state)
    suggestions = [f"{each.line}: {each.what_to_do}" for each in review.suggestions]
    score = review.score
    return {"quality_score": score, "scores": [score], "suggestions": suggestions}


def verdict(state: Reviewing) -> str:
    """Whether it is good enough, or has been tried often enough."""
    enough = state["quality_score"] >= state.get("threshold", 0)
    return "good" if enough or len(state["scores"]) > MAX_ROUNDS else "improve"


def improved(state: Reviewing) -> Reviewing:
    """The text with what can be done safely."""
    text, review = improve(state["text"], _review(state))
    return {"text": text, "helps": text != state["text"], "problems": [*review.problems]}


def went(state: Reviewing) -> str:
    """Whether it is worth another look."""
    return "better" if state["helps"] else "stuck"


def _review(state: Reviewing) -> Review:
    options = Options(taken=frozenset(state.get("taken", ())))
    return review_source(state["text"], state.get("file", "source.py"), options)


async def review_all(
    texts: Iterable[tuple[str, str]], threshold: float = 0.0, taken: Collection[Pair] = ()
) -> list[GraphReport]:
    """A report for each of some files, given as name and text, in their order.

    With a `threshold` those of a lower score are improved: `report.state["text"]` is the text.
    What others take from them by `taken` stays (`taken_among`). Raises GraphFailed where a review
    could not be seen through.
    """
    graphs = Graphs(code_reviewer())
    found: dict[int, GraphReport] = {}
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(number: int, file: str, text: str) -> None:
        async with limiter:
            names = sorted(taken_from(Path(file), taken))
            state = {"file": file, "text": text, "threshold": threshold, "taken": names}
            found[number] = report = await graphs.run(executor, NAME, state)
            if report.reason:
                raise GraphFailed(NAME, f"{file}: {report.reason}")

    async with Executor(graphs.agents) as executor, anyio.create_task_group() as group:
        for number, (file, text) in enumerate(texts):
            group.start_soon(one, number, file, text)
    return [found[number] for number in sorted(found)]

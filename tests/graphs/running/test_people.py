"""People: nodes that ask them, and nodes that failed and are left to them."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest

from dagger import Executor, LoopClock
from dagger.graphs import Graph, Graphs, GraphStatus, NodeContext
from dagger.words.errors import AnswerRefused, GraphError
from tests.virtual import START, on_virtual_time


async def test_a_node_asks_a_person() -> None:
    """An ask node shows what it was given, waits, and puts the answer into the state."""
    graph = Graph("g").add_node("a", lambda: {"score": 3})
    graph.ask("check", "is ${{ state.score }} enough?", key="answer", choices=["yes", "no"])
    graph.add_edge("a", "check")
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, graph)
        report = await run.result()
        assert (report.status, report.nodes["check"]) == (GraphStatus.RUNNING, "running")
        (question,) = run.live.questions
        assert question.question == "is 3 enough?"
        with pytest.raises(AnswerRefused):
            await run.live.answer("check", "perhaps")
        await run.live.answer("check", "yes")
        report = await run.result()
        assert report.state == {"score": 3, "answer": "yes"}


def test_a_question_has_an_end() -> None:
    """Where nobody answers in time, the default is taken; of an ask node and of a function."""

    async def main() -> Any:
        graph = Graph("g").ask("check", "well?", key="answer", timeout=3600, default="none")

        @graph.node
        async def more(ctx: NodeContext) -> Any:
            return {"more": await ctx.human_in_the_loop("more?", timeout=3600, default=7)}

        graph.add_edge("check", "more")
        graphs = Graphs(graph)
        async with Executor(graphs.agents, clock=LoopClock(START)) as executor:
            run = await graphs.start(executor, graph)
            async for _ in run.live.outcomes():
                pass  # until its end
            return (await run.result()).state

    assert on_virtual_time(main) == {"answer": "none", "more": 7}


async def test_an_answer_is_validated() -> None:
    """What a validator refuses is told to whoever answers, and the node waits on."""
    graph = Graph("g")

    @graph.node
    async def a(ctx: NodeContext) -> Any:
        return {"n": await ctx.human_in_the_loop("a number?", validator=lambda x: x > 3)}

    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, graph)
        await run.result()
        (question,) = run.live.questions
        with pytest.raises(AnswerRefused):
            await run.live.answer(question.name, 2)
        await run.live.answer(question.name, 4)
        assert (await run.result()).state == {"n": 4}


class Typed(TypedDict, total=False):
    fixed: bool
    done: int


@pytest.mark.parametrize(
    ("said", "status", "state", "node"),
    [
        ("skip", GraphStatus.COMPLETED, {"after": 1}, "skipped"),
        ("abort", GraphStatus.FAILED, {}, "failed"),
        (
            {"do": "retry", "state": {"fixed": True}},
            GraphStatus.COMPLETED,
            {"fixed": True, "done": 2, "after": 1},
            "completed",
        ),
        (
            {"do": "skip", "state": {"x": 1}},
            GraphStatus.COMPLETED,
            {"x": 1, "after": 1},
            "skipped",
        ),
    ],
)
async def test_a_person_decides_about_a_failure(
    said: Any, status: GraphStatus, state: Any, node: str
) -> None:
    """With `on_error="ask"` a person is shown the error, and retries, skips, edits or aborts."""
    graph, tries = Graph("g"), [0]

    @graph.node(on_error="ask")
    async def flaky(state: Any) -> Any:
        tries[0] += 1
        if not state.get("fixed"):
            raise ValueError("not fixed")
        return {"done": tries[0]}

    graph.add_node("after", lambda: {"after": 1}).add_edge("flaky", "after")
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, graph)
        assert (await run.result()).nodes["flaky"] == "failed"
        (question,) = run.live.questions
        assert question.question["error"] == {"type": "ValueError", "message": "not fixed"}
        await run.live.answer("flaky", said)
        report = await run.result()
        assert (report.status, report.state, report.nodes["flaky"]) == (status, state, node)


async def test_a_failure_is_asked_about_again_and_again() -> None:
    """A node that fails once more after a retry is asked about once more."""
    graph = Graph("g")

    @graph.node(on_error="ask")
    async def never() -> None:
        raise ValueError("no")

    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, graph)
        for _ in range(3):
            await run.result()
            await run.live.answer("never", "retry")
        await run.result()
        await run.live.answer("never", "skip")
        report = await run.result()
        assert (report.status, report.visits) == (GraphStatus.COMPLETED, {"never": 4})


async def test_what_people_say_has_to_fit_the_state() -> None:
    """Where the state has a type, an answer that it cannot have is refused, and so is an edit; the
    run waits on.
    """
    graph = Graph("g", Typed).ask("check", "fixed?", key="fixed")

    @graph.node(on_error="ask")
    async def count(state: Any) -> Any:
        return {"done": 1} if state["fixed"] else {"done": "never"}

    graph.add_edge("check", "count")
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, graph)
        await run.result()
        with pytest.raises(AnswerRefused):
            await run.live.answer("check", "perhaps")
        await run.live.answer("check", False)
        await run.result()
        for wrong in ({"fixed": "yes"}, {"fixd": True}):
            with pytest.raises(AnswerRefused, match="fix"):
                await run.live.answer("count", {"do": "retry", "state": wrong})
        await run.live.answer("count", {"do": "retry", "state": {"fixed": True}})
        assert (await run.result()).state == {"fixed": True, "done": 1}


async def test_an_answer_fits_the_question_and_the_state() -> None:
    """Where both say what it has to be, it has to be both."""
    graph = Graph("g", Typed).ask("a", "?", key="done", schema={"type": ["integer", "string"]})
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, graph)
        await run.result()
        for wrong in ("three", 1.5):
            with pytest.raises(AnswerRefused, match='"integer"'):
                await run.live.answer("a", wrong)
        await run.live.answer("a", 3)
        assert (await run.result()).state == {"done": 3}


def test_a_question_is_of_a_key_that_there_is() -> None:
    """A graph that puts an answer where the state has no key is refused as it is built."""
    with pytest.raises(GraphError, match="asks for 'fixd', which the state has no key for"):
        Graph("g", Typed).ask("check", "fixed?", key="fixd").build()

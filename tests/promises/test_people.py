"""People: what they are asked, what they may answer, and what comes of it if they do not."""

from __future__ import annotations

import math
from typing import Any, Literal

import anyio
import pytest
from pydantic import BaseModel, Field

from dagger import (
    Agent,
    Answered,
    AnswerRefused,
    Config,
    Context,
    ExecutionError,
    Executor,
    LoopClock,
    MemoryStore,
    OpenQuestion,
    QuestionNotFound,
    Report,
    Store,
    agent,
)
from tests.patience import PATIENCE
from tests.promises.conftest import MakeExecutor
from tests.virtual import on_virtual_time
from tests.waiting import turns, until


class Refund(BaseModel):
    cents: int = Field(ge=0)
    reason: str


def at_most_100(value: Any) -> None:
    """A validator that says why."""
    if value > 100:
        raise ValueError("that is over the limit")


def asking(called: list[str] | None = None, **how: Any) -> Agent:
    """An agent that asks one question and publishes what it gets; it notes its calls."""

    @agent(subscribe="start", publish="out", max_attempts=1)
    async def asker(ctx: Context) -> Any:
        if called is not None:
            called.append(ctx.node_id)
        answer = await ctx.ask("well?", name="it", **how)
        return [type(answer).__name__, answer.model_dump() if how.get("type") is Refund else answer]

    return asker


ANSWERS: dict[str, tuple[dict[str, Any], list[tuple[Any, str]], Any, Any]] = {
    "schema": (
        {"schema": {"type": "integer", "minimum": 3}},
        [("four", "$: "), (2, "$: ")],
        4,
        ["int", 4],
    ),
    "type": (
        {"type": Refund},
        [({"cents": -1, "reason": ""}, "$.cents"), ({"cents": 1}, "$: ")],
        {"cents": 1, "reason": "late"},
        ["Refund", {"cents": 1, "reason": "late"}],
    ),
    "literal": ({"type": Literal["yes", "no"]}, [("maybe", "$: ")], "no", ["str", "no"]),
    "choices": ({"choices": ["red", 7]}, [("blue", "$: "), (8, "$: ")], 7, ["int", 7]),
    "validator": ({"validator": at_most_100}, [(101, "over the limit")], 99, ["int", 99]),
    "a predicate": (
        {"schema": {"type": "string"}, "validator": str.isdigit},
        [("x", "not accepted"), (1, "$: ")],
        "12",
        ["str", "12"],
    ),
    "anything": ({}, [], None, ["NoneType", None]),
}


@pytest.mark.parametrize("kind", ANSWERS)
async def test_a_wrong_answer_is_refused(make_executor: MakeExecutor, kind: str) -> None:
    """An answer that will not do is refused with its reason, and the question stays open."""
    how, wrong, right, got = ANSWERS[kind]
    async with make_executor([asking(**how)]) as executor:
        run = await executor.start("start", None, run_id="case")
        await until(lambda: bool(run.questions))
        [question] = executor.questions()
        assert question.id == "case.1/it"
        for value, reason in wrong:
            with pytest.raises(AnswerRefused) as refused:
                await executor.answer(question.id, value)
            assert reason in refused.value.reason
            assert executor.questions() == [question]
        await executor.answer(question.id, right)
        report = await run.result()
    assert report.outputs == {"out": [got]}


async def test_a_question_says_what_it_takes(make_executor: MakeExecutor) -> None:
    """Whom it is for, its choices, its default and its deadline can be read."""
    how: dict[str, Any] = {"choices": ["a", "b"], "default": "b", "to": "boss", "timeout": 60}
    async with make_executor([asking(**how)]) as executor:
        run = await executor.start("start", None)
        await until(lambda: bool(run.questions))
        [question] = executor.questions()
        assert (question.question, question.to, question.choices) == ("well?", "boss", ("a", "b"))
        assert question.default == ("b",)
        assert question.due == question.at + 60
        assert run.report().questions == (question,)
        await run.cancel()
        assert executor.questions() == []


@pytest.mark.parametrize(
    "how",
    [
        {"schema": {"type": "string"}, "choices": ["a"]},
        {"timeout": 0},
        {"choices": []},
        {"choices": ["a"], "default": "b"},
        {"type": Refund, "default": {"cents": 1}},
    ],
    ids=lambda how: " ".join(how),
)
async def test_a_question_that_cannot_be(make_executor: MakeExecutor, how: dict[str, Any]) -> None:
    """A question that contradicts itself is an error in the handler, and is never put."""

    @agent(subscribe="start", publish="out", max_attempts=1)
    async def asker(ctx: Context) -> str:
        with pytest.raises(ExecutionError, match=r"question '.*' of asker:"):
            await ctx.ask("?", **how)
        return "refused"

    async with make_executor([asker]) as executor:
        assert (await executor.run("start", None)).outputs == {"out": ["refused"]}


async def test_a_question_keeps_its_id(make_executor: MakeExecutor, store: Store | None) -> None:
    """After a restart a question has the id it had, and takes and refuses the same answers."""
    store, called = store or MemoryStore(), list[str]()
    agents = [asking(called, schema={"type": "integer"}, validator=at_most_100)]
    async with make_executor(agents, store=store) as executor:
        run = await executor.start("start", None, run_id="case")
        await until(lambda: bool(run.questions))
        [before] = executor.questions()
    async with make_executor(agents, store=store) as executor:
        assert executor.questions() == [before]
        await until(lambda: len(called) == 2)
        await turns()
        for wrong in ("text", 101):
            with pytest.raises(AnswerRefused):
                await executor.answer(before.id, wrong)
        await executor.answer(before.id, 100, by="anna")
        report = await executor.live("case").result()
    assert report.outputs == {"out": [["int", 100]]}


async def test_who_checks_must_be_there(make_executor: MakeExecutor, store: Store | None) -> None:
    """An answer that the handler itself would check is refused while it does not run."""
    store = store or MemoryStore()
    async with make_executor([asking(validator=at_most_100)], store=store) as executor:
        run = await executor.start("start", None, run_id="case")
        await until(lambda: bool(run.questions))
    async with make_executor([], store=store) as executor:
        with pytest.raises(AnswerRefused, match="is not running"):
            await executor.answer("case.1/it", 5)
    async with make_executor([asking()], store=store) as executor:
        await executor.live("case").cancel()


async def test_any_name_will_do(make_executor: MakeExecutor) -> None:
    """Run ids and names of questions may hold slashes and dots; each is found by its id."""
    names = ["a", "b.2/c", ""]

    @agent(subscribe="start", publish="out")
    async def asker(ctx: Context) -> Any:
        answers: dict[str, str] = {}

        async def one(name: str) -> None:
            answers[name or "question-0"] = await ctx.ask("?", name=name)

        async with anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(one, name)
        return answers

    async with make_executor([asker]) as executor:
        run = await executor.start("start", None, run_id="case.1/b")
        await until(lambda: len(executor.questions()) == 3)
        for question in executor.questions():
            await executor.answer(question.id, f"to {question.name}")
        report = await run.result()
    assert report.outputs == {
        "out": [{name: f"to {name}" for name in ["a", "b.2/c", "question-0"]}]
    }


async def test_no_such_question(make_executor: MakeExecutor) -> None:
    """An id that is not that of an open question names those that are."""
    async with make_executor([asking()]) as executor:
        run = await executor.start("start", None, run_id="case")
        await until(lambda: bool(run.questions))
        for wrong in ("case", "case.1/other", "case.2/it", "other.1/it", "", "./.", "case.²/it"):
            with pytest.raises(QuestionNotFound, match=r"case\.1/it"):
                await executor.answer(wrong, 1)
        await run.cancel()


async def test_questions_and_answers_are_told(make_executor: MakeExecutor) -> None:
    """Whoever watches sees a question as it is put, and its answer with who gave it."""
    async with make_executor([asking()]) as executor:
        async with await executor.start("start", None) as run:
            events = run.watch()
            await until(lambda: bool(run.questions))
            [question] = run.questions
            await run.answer("it", {"a": 1}, by="anna")
        await run.result()
        told = [each async for each in events if isinstance(each, (OpenQuestion, Answered))]
    assert told[0] == question
    answered = told[1]
    assert isinstance(answered, Answered)
    assert (answered.question, answered.value, answered.by) == (question.id, {"a": 1}, "anna")


# -- nobody answers ------------------------------------------------------------------


def in_time(config: dict[str, Any], how: dict[str, Any], wait: float = 1e6) -> Report:
    """The report of a run whose question nobody answers for so many seconds."""
    found: list[Report] = []

    async def main() -> None:
        settings = Config(**{"max_attempts": 1, **config})
        async with Executor([asking(**how)], config=settings, clock=LoopClock()) as executor:
            run = await executor.start("start", None, run_id="case")
            await anyio.sleep(wait)
            found.append(run.report())
            if run.report().ended is None:
                await run.cancel()

    on_virtual_time(main)
    return found[0]


def test_autopilot_takes_the_default() -> None:
    """Once a question is overdue its default is the answer, and the tree says so."""
    report = in_time({}, {"default": "as ever", "timeout": 3600})
    assert report.outputs == {"out": [["str", "as ever"]]}
    [node] = report.tree.nodes()
    assert node.notes == ("default for 'it'",)
    assert "default for 'it'" in report.tree.text()
    assert "default for" in report.tree.to_dot()


def test_a_default_may_be_none() -> None:
    """None is a default as any other."""
    assert in_time({}, {"default": None, "timeout": 1}).outputs == {"out": [["NoneType", None]]}


def test_autopilot_without_a_default() -> None:
    """A question that is overdue and has no default raises TimeoutExceeded in its handler."""
    report = in_time({}, {"timeout": 3600})
    assert report.error is not None
    assert report.error.type == "TimeoutExceeded"
    assert "'it' took longer than 3600 s" in report.error.message


def test_pause_waits_for_somebody() -> None:
    """With "pause" the run is paused, named the question, until somebody answers."""
    report = in_time({"human_timeout_action": "pause"}, {"default": 1, "timeout": 60})
    assert (report.status, report.reason) == (
        "paused",
        "nobody has answered case.1/it in time",
    )


@pytest.mark.parametrize(
    ("config", "how", "status"),
    [
        ({}, {}, "waiting"),
        ({"human_wait": 60}, {}, "failed"),
        ({"human_wait": 60}, {"timeout": math.inf}, "waiting"),
        ({"human_wait": 60}, {"timeout": 3600}, "waiting"),
        ({"human_wait": 3600}, {"timeout": 60}, "failed"),
    ],
)
def test_how_long_a_question_waits(
    config: dict[str, Any], how: dict[str, Any], status: str
) -> None:
    """Its own timeout beats that of the Config; without either it waits for ever."""
    assert in_time(config, how, wait=1_000).status == status


async def test_an_answer_ends_the_pause(make_executor: MakeExecutor) -> None:
    """A run that was paused for a question goes on when it is answered."""
    config = {"human_timeout_action": "pause"}
    async with make_executor([asking(timeout=0.001)], config=config) as executor:
        run = await executor.start("start", None)
        assert (await run.result()).status in ("waiting", "paused")
        await until(lambda: run.status == "paused")
        [question] = executor.questions()
        await executor.answer(question.id, "late, but here")
        report = await run.result()
    assert report.outputs == {"out": [["str", "late, but here"]]}


async def test_time_goes_on_while_nobody_is_there(
    make_executor: MakeExecutor, store: Store | None
) -> None:
    """A question that became overdue while the process was down is so when it is back."""
    store, agents = store or MemoryStore(), [asking(timeout=60, default="back")]
    async with make_executor(agents, store=store, clock=LoopClock(1_000.0)) as executor:
        run = await executor.start("start", None, run_id="case")
        await until(lambda: bool(run.questions))
        assert run.questions[0].due == pytest.approx(1_060, abs=PATIENCE)
    async with make_executor(agents, store=store, clock=LoopClock(1_061.0 + PATIENCE)) as executor:
        run = executor.live("case")
        await until(lambda: run.report().ended is not None)
        assert run.report().outputs == {"out": [["str", "back"]]}

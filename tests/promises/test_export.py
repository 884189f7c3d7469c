"""Export and import: a run as lines of JSON, and in another store again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from dagger import (
    Context,
    DatabaseError,
    MemoryStore,
    RunConflict,
    Store,
    agent,
)
from dagger.executor.exporting import exported
from tests.promises.conftest import MakeExecutor
from tests.state.meaning import live_state


@agent(subscribe="start", publish="items", publish_each=True)
async def spread(payload: list[Any]) -> list[Any]:
    """One message for each item."""
    return payload


@agent(subscribe="items", publish="out", on_failure="continue", max_attempts=2)
async def handle(payload: int, ctx: Context) -> int:
    """Remember each item; some are refused, and some wait for people."""
    ctx.cache.append("seen", payload)
    ctx.tasks.add_task("work", payload, 1)
    if payload < 0:
        raise ValueError("negative")
    if payload > 100:
        return int(await ctx.ask("is that so?"))
    return payload


AGENTS = [spread, handle]


async def lines(make_executor: MakeExecutor, store: Store, items: list[int]) -> list[Any]:
    """The exported lines of a run, through text, and its report."""
    async with make_executor(AGENTS, store=store) as executor:
        live = await executor.start("start", items, run_id="carried")
        report = await live.result()
        await executor.drain()
        number = live_state(executor).run_numbers["carried"]
        rows = [json.dumps(each) for each in exported(store, number)]
    return [[json.loads(each) for each in rows], report]


async def test_an_ended_run_can_be_carried_elsewhere(
    make_executor: MakeExecutor, lasting: Store
) -> None:
    """Its report, cache and tree are the same there, also after that store was opened anew."""
    rows, report = await lines(make_executor, lasting, [1, -2, 3])
    store = MemoryStore()
    async with make_executor([], store=store) as executor:
        live = await executor.import_run(rows)
        assert live.report().to_dict() == report.to_dict()
        assert sorted(live.cache.get("seen")) == [1, 3]
    async with make_executor([], store=store) as executor:
        assert executor.live("carried").report().to_dict() == report.to_dict()


async def test_an_open_run_goes_on_elsewhere(make_executor: MakeExecutor, lasting: Store) -> None:
    """What was pending is handled by the agents that are there, once they are there."""
    rows, report = await lines(make_executor, lasting, [1, 101])
    assert report.status == "waiting"
    async with make_executor([]) as executor:
        live = await executor.import_run(rows)
        assert live.status == "paused"
        executor.register(*AGENTS)
        (question,) = live.questions
        await live.answer(question.name, 7)
        await executor.drain()
        assert (await live.result()).outputs == {"out": [1, 7]}


async def test_what_lines_say_was_checked_is_checked(
    make_executor: MakeExecutor, lasting: Store
) -> None:
    """A message that claims to fit a schema is held against it all the same."""

    @agent(subscribe="start", input_schema={"type": "integer"})
    async def strict(payload: Any) -> None: ...

    assert strict.input is not None
    async with make_executor([strict], store=lasting) as executor:
        live = await executor.start("start", 1, run_id="forged")
        await live.pause()
        number = live_state(executor).run_numbers["forged"]
        rows = list(exported(lasting, number))
    for row in rows:
        if row.get("record") == "RunOpened":
            row["first"] |= {"payload": "no number", "checked": strict.input.number}
    async with make_executor([strict]) as executor:
        live = await executor.import_run(rows)
        await live.resume()
        report = await live.result()
        assert (report.status, report.dispositions) == ("failed", {"rejected": 1})


async def test_what_is_no_export_is_refused(make_executor: MakeExecutor, lasting: Store) -> None:
    """With its line; and a run of an id that is there already."""
    rows, _ = await lines(make_executor, lasting, [1])
    broken: list[list[Mapping[str, Any]]] = [[], [{}], rows[:1], [*rows[:2], {"record": "No"}]]
    async with make_executor(AGENTS) as executor:
        for each in broken:
            with pytest.raises(DatabaseError, match="line"):
                await executor.import_run(each)
        await executor.import_run(rows)
        with pytest.raises(RunConflict):
            await executor.import_run(rows)

"""Forks: another future from a message of the past."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from dagger import (
    Context,
    Emission,
    ExecutionError,
    MessageNotFound,
    RunNotFound,
    Store,
    agent,
)
from tests.promises.conftest import MakeExecutor


@agent(subscribe="start", publish="items", publish_each=True)
async def spread(payload: list[Any]) -> list[Any]:
    """One message for each item."""
    return payload


@agent(subscribe="items", publish="out", on_failure="continue", max_attempts=1)
async def count(payload: int, ctx: Context) -> int:
    """Remember each item, and say how many there were before it."""
    if payload < 0:
        raise ValueError("negative")
    before = ctx.cache.get("seen", default=[])
    ctx.cache.append("seen", payload)
    return len(before)


AGENTS = [spread, count]


async def test_a_fork_begins_as_the_run_was(make_executor: MakeExecutor, lasting: Store) -> None:
    """Cache and counts are as they were; the message alone is pending, and handled again."""
    async with make_executor(AGENTS, store=lasting) as executor:
        parent = await executor.run("start", [1, 2, 3], run_id="parent")
        live = await executor.fork("parent", "parent.1.1", run_id="child")
        report = await live.result()
        assert report.status == "completed"
        assert report.outputs == {"out": [0]}
        assert live.cache.get("seen") == [2]
        assert report.agents["count"].dispositions == {"ok": 1, "discarded": 2}
        again = executor.live("parent").report()
        assert again.to_dict() == parent.to_dict()


async def test_the_message_may_say_something_else(
    make_executor: MakeExecutor, lasting: Store
) -> None:
    """With `payload=` the message is another one for all who hear it, also null."""
    async with make_executor(AGENTS, store=lasting) as executor:
        await executor.run("start", [1, -1, 3], run_id="parent")
        live = await executor.fork("parent", "parent.1.1", payload=7)
        assert (await live.result()).ok
        assert live.cache.get("seen") == [7]
        wrong = await executor.fork("parent", "parent.1.1", payload=None)
        assert (await wrong.result()).dead_letters_total == 1


async def test_a_frontier_is_all_that_was_pending(
    make_executor: MakeExecutor, lasting: Store
) -> None:
    """With `frontier=True` everything that was pending then goes on."""
    async with make_executor(AGENTS, store=lasting) as executor:
        await executor.run("start", [1, 2, 3], run_id="parent")
        live = await executor.fork("parent", "parent.1.1", frontier=True)
        assert (await live.result()).outputs == {"out": [0, 1, 2]}


async def test_a_fork_at_the_first_message_is_the_run_again(
    make_executor: MakeExecutor, lasting: Store
) -> None:
    """A fork of a fork, also from the very beginning, is a run like any other."""
    async with make_executor(AGENTS, store=lasting) as executor:
        await executor.run("start", [1, 2], run_id="parent")
        child = await executor.fork("parent", "parent.0.0", run_id="child")
        assert (await child.result()).outputs == {"out": [0, 1]}
        grandchild = await executor.fork(child, "child.1.1", run_id="grandchild")
        assert (await grandchild.result()).outputs == {"out": [0]}
    async with make_executor(AGENTS, store=lasting) as executor:
        assert executor.live("grandchild").report().outputs == {"out": [0]}


async def test_what_cannot_be_forked_is_told(make_executor: MakeExecutor, lasting: Store) -> None:
    """An unknown run or message, a message that nobody heard, an id that is taken."""
    async with make_executor(AGENTS, store=lasting) as executor:
        await executor.run("start", [1], run_id="parent")
        with pytest.raises(RunNotFound):
            await executor.fork("nobody", "nobody.0.0")
        with pytest.raises(MessageNotFound, match=r"parent\.9\.9"):
            await executor.fork("parent", "parent.9.9")
        with pytest.raises(ExecutionError, match="no agent has heard"):
            await executor.fork("parent", "parent.2.0")
        with pytest.raises(ExecutionError, match="is taken"):
            await executor.fork("parent", "parent.0.0", run_id="parent")


async def test_without_a_store_there_is_nothing_to_fork(make_executor: MakeExecutor) -> None:
    """An executor that keeps no history says so."""
    async with make_executor(AGENTS, store=None) as executor:
        await executor.run("start", [1], run_id="parent")
        with pytest.raises(ExecutionError, match="there is none"):
            await executor.fork("parent", "parent.0.0")


@agent(subscribe="start", publish="items", stream=True)
async def talk(payload: int) -> AsyncIterator[int]:
    """Count, and let others have their turn."""
    for number in range(payload):
        yield number
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("frontier", [False, True])
async def test_a_fork_may_begin_amid_a_stream(
    make_executor: MakeExecutor, lasting: Store, frontier: bool
) -> None:
    """The item alone is pending, or its stream goes on behind it; either way none comes twice."""
    async with make_executor([talk, count], store=lasting) as executor:
        parent = await executor.start("start", 4, run_id="parent")
        events = [each async for each in parent.watch(after="0")]
        ids = [each.message_id for each in events if isinstance(each, Emission)]
        live = await executor.fork("parent", ids[1], frontier=frontier)
        report = await live.result()
    assert report.conserved
    assert report.status == "completed"
    seen = sorted(live.cache.get("seen"))
    assert seen == [0, 1, 2, 3] if frontier else seen in ([1], [0, 1])
    assert report.messages == (5 if frontier else 3) + len(seen)

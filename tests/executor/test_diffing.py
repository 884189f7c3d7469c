"""Diffing: stored runs, and forks above all, against each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from dagger import Config, Executor, Immediate, LmdbStore, MemoryStore, agent
from dagger.executor.diffing import diff_runs, handled
from dagger.store.reader import StoreReader
from dagger.views.diff import text
from dagger.words.errors import RunNotFound
from dagger.words.payload import encode
from tests.waiting import in_hand, until

CONFIG = Config(retry_strategy=Immediate(), max_attempts=2)


@agent(subscribe="start", publish="items", publish_each=True)
async def spread(payload: Any) -> Any:
    """One message for each item."""
    return payload


@agent(subscribe="items", publish="out", on_failure="continue")
async def check(payload: int, node_id: str) -> int:
    """Pass on what is not negative."""
    if payload < 0:
        raise ValueError(f"{node_id} was given a negative number")
    return payload


AGENTS = [spread, check]


async def test_a_fork_parts_at_its_message() -> None:
    """Its past is its parent's; what was put aside is in the parent only."""
    store = MemoryStore()
    async with Executor(AGENTS, store=store, config=CONFIG) as executor:
        await executor.run("start", [1, 2, 3], run_id="parent")
        await (await executor.fork("parent", "parent.1.1", payload=7, run_id="child")).result()
    found = diff_runs(store, 1, 2)
    assert text(found, "parent", "child").splitlines() == [
        "parent | child · 4 invocations: 1 the same, 1 different, 2 only in parent",
        "  items → check (2) · only in parent",
        "▸ items → check (3 | 3) · payload: 2 → 7 · message 0: out 2 → out 7",
        "  items → check (4) · only in parent",
    ]


async def test_what_was_streamed_is_compared() -> None:
    """Items are found by their places, and are what their invocation has published."""

    @agent(subscribe="start", publish="items", stream=True)
    async def talk(payload: list[int]) -> AsyncIterator[int]:
        for each in payload:
            yield each

    store = MemoryStore()
    async with Executor([talk, check], store=store, config=CONFIG) as executor:
        await executor.run("start", [1, 2], run_id="one")
        await executor.run("start", [1, 3], run_id="other")
    assert text(diff_runs(store, 1, 2), "one", "other").splitlines() == [
        "one | other · 3 invocations: 1 the same, 2 different",
        "▸ start → talk (1 | 1) · payload: [1, 2] → [1, 3] · message 1: items 2 → items 3",
        "  items → check (3 | 3) · payload: 2 → 3 · message 0: out 2 → out 3",
    ]


async def test_a_frontier_is_the_same_until_it_is_not() -> None:
    """With the same code, a fork with all that was pending is its parent again."""
    store = MemoryStore()
    async with Executor(AGENTS, store=store, config=CONFIG) as executor:
        await executor.run("start", [1, -2, 3], run_id="parent")
        for at in ("parent.0.0", "parent.1.2"):
            await (await executor.fork("parent", at, frontier=True)).result()
    for fork in (2, 3):
        assert {each.verdict for each in diff_runs(store, 1, fork)} == {"same"}


async def test_runs_of_the_same_agents_are_compared(tmp_path: Path) -> None:
    """Also over two stores, read by somebody else; ids of runs in failures do not count."""
    for name, payload in (("one", [1, -1]), ("two", [1, -1, 2])):
        async with Executor(AGENTS, store=LmdbStore(tmp_path / name), config=CONFIG) as executor:
            await executor.run("start", payload, run_id=name)
    with StoreReader(tmp_path / "one") as one, StoreReader(tmp_path / "two") as two:
        found = diff_runs(one, 1, 1, two)
    assert [each.verdict for each in found] == ["differs", "same", "same", "only in b"]
    assert found[0].differs == ("payload", "published")
    assert found[2].a is not None
    assert (found[2].a.status, found[2].a.failure) == (
        "dead",
        "ValueError: check:….3 was given a negative number",
    )


@agent(subscribe="items")
async def wait() -> None:
    """Keep what there is in hand."""
    await anyio.sleep_forever()


async def test_what_has_no_end_is_open() -> None:
    """A delivery that has not ended is there, with its payload."""
    store = MemoryStore()
    async with Executor([spread, wait], store=store, config=CONFIG) as executor:
        await executor.start("start", [1], run_id="r")
        await until(lambda: in_hand(executor) == 1)
    ended, still_open = handled(store, 1)
    assert (ended.agent, ended.status) == ("spread", "ok")
    assert (still_open.agent, still_open.status) == ("wait", "open")
    assert still_open.payload == encode(1)
    assert {each.verdict for each in diff_runs(store, 1, 1)} == {"same"}


async def test_what_nobody_handled_is_there() -> None:
    """A delivery that was pending when its run was cancelled has its payload, too."""
    store = MemoryStore()
    async with Executor([spread, wait], store=store, config=CONFIG) as executor:
        live = await executor.start("start", [1, 2], run_id="r")
        await until(lambda: in_hand(executor) == 1)
        await live.cancel()
    found = sorted(handled(store, 1))
    assert [each.status for each in found] == ["ok", "cancelled", "cancelled"]
    assert [each.payload for each in found[1:]] == [encode(1), encode(2)]


async def test_a_run_that_is_not_there() -> None:
    """It raises RunNotFound."""
    with pytest.raises(RunNotFound):
        diff_runs(MemoryStore(), 1, 2)

"""Conservation: what was published is accounted for, whatever becomes of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import anyio
from hypothesis import given
from hypothesis import strategies as st

from dagger import (
    Agent,
    ChannelFull,
    Config,
    Context,
    Executor,
    Immediate,
    MemoryStore,
    RunCancelled,
    agent,
)
from dagger.testing import assert_conserved
from dagger.views.report import Report
from dagger.words.errors import BudgetExceeded, RunClosed
from tests.patience import PATIENCE
from tests.promises.conftest import MakeExecutor
from tests.state import meaning
from tests.waiting import until


async def test_every_way_to_end_is_counted(make_executor: MakeExecutor) -> None:
    """Handled, rejected, dead, dropped and discarded add up to what was published, always."""
    inside, release = anyio.Event(), anyio.Event()

    @agent(subscribe="start", publish="work", publish_each=True)
    async def spread(payload: Any) -> list[Any]:
        return [*range(10), "bad"]

    @agent(subscribe="work", on_failure="continue", max_attempts=1)
    async def odd(payload: int) -> None:
        if payload % 2 == 0:
            raise ValueError(payload)

    @agent(subscribe="work", capacity=3)
    async def slow(payload: Any) -> None:
        inside.set()
        await release.wait()

    @agent(subscribe="work", capacity=3, overflow="drop_oldest")
    async def leaving(payload: Any) -> None:
        await release.wait()

    async with make_executor([spread, odd, slow, leaving]) as executor:
        live = await executor.start("start", {})
        await inside.wait()
        assert_conserved(live.report())
        async with live:
            for number in range(10):
                await live.publish("work", number)
                assert_conserved(live.report())
            executor.unregister("leaving")
            assert_conserved(live.report())
            release.set()
        report = await live.result()

    assert_conserved(report)
    assert report.open == 0
    assert report.agents["odd"].dispositions == {"ok": 10, "dead": 10, "rejected": 1}
    assert report.agents["slow"].dispositions["dropped"] > 0
    assert report.agents["leaving"].dispositions["discarded"] == 3


async def test_a_cancelled_run_accounts_for_what_it_did_not_handle(
    make_executor: MakeExecutor,
) -> None:
    """Deliveries that were pending or in hand when a run was cancelled end `cancelled`."""

    @agent(subscribe="start", publish="work", publish_each=True)
    async def spread(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="work", concurrency=2)
    async def hang() -> None:
        await anyio.sleep_forever()

    async with make_executor([spread, hang]) as executor:
        live = await executor.start("start", 9)
        await until(lambda: live.state.messages == 10)
        report = await live.cancel()
    assert_conserved(report)
    assert report.status == "cancelled"
    assert report.agents["hang"].dispositions == {"cancelled": 9}


async def test_forgotten_nodes_and_letters_stay_counted(make_executor: MakeExecutor) -> None:
    """What a run no longer lists (nodes, outputs, dead letters) is still in its counts."""

    @agent(subscribe="start", publish=["work", "out"], publish_each=False)
    async def spread(payload: int, ctx: Context) -> None:
        for number in range(payload):
            ctx.publish("work", number)
            ctx.publish("out", number)

    @agent(subscribe="work", max_attempts=1)
    async def fail() -> None:
        raise ValueError("always")

    keep = {"keep_nodes": 5, "keep_outputs": 3, "keep_dead_letters": 2}
    async with make_executor([spread, fail], config=keep) as executor:
        report = await executor.run("start", 40)
    assert_conserved(report)
    assert report.dead_letters_total == 40
    assert [letter.payload for letter in report.dead_letters] == [38, 39]
    assert report.outputs == {"out": [37, 38, 39]}
    assert report.outputs_total == {"out": 40}
    assert len(report.tree.nodes()) + report.tree.forgotten == 41


def _parity(payload: int) -> int:
    return payload % 2


channels = st.sampled_from("abcd")
networks = st.lists(
    st.fixed_dictionaries(
        {
            "subscribe": st.lists(channels, min_size=1, max_size=2),
            "overflow": st.sampled_from(["drop_oldest", "reject", "block"]),
            "capacity": st.integers(1, 3),
            "concurrency": st.integers(1, 3),
            "sends": st.lists(channels, max_size=3),
            "fails": st.integers(0, 2),
            "yields": st.booleans(),
            "hears_itself": st.booleans(),
            "key": st.sampled_from([None, None, _parity]),
        }
    ),
    min_size=1,
    max_size=4,
)


@given(networks, st.integers(0, 5), st.sampled_from(["asyncio", "trio"]))
def test_any_network_comes_to_an_end_that_assert_conserved(
    network: list[dict[str, Any]], outside: int, backend: str
) -> None:
    """Whatever agents publish, fail at, block or overflow: it ends, and all counts add up."""
    agents = [countdown(f"agent{at}", **options) for at, options in enumerate(network)]
    channel = network[0]["subscribe"][0]
    config = Config(retry_strategy=Immediate(), max_messages=200)
    store = MemoryStore()

    async def main() -> Report:
        with anyio.fail_after(PATIENCE):
            async with Executor(agents, config=config, store=store) as executor:
                live = await executor.start(channel, 3)
                with suppress(BudgetExceeded, RunCancelled, RunClosed):
                    async with live:
                        for _ in range(outside):
                            with suppress(ChannelFull):
                                await live.publish(channel, 3)
                report = await live.result()
                meaning.agree(meaning.live_state(executor), store)
                return report

    report = anyio.run(main, backend=backend)
    assert_conserved(report)
    assert report.open == 0


def countdown(name: str, *, sends: list[str], fails: int, yields: bool, **options: Any) -> Agent:
    """An agent that counts down: each message makes it send on, until it is 0."""

    @agent(name=name, publish="*", **options)
    async def handler(payload: int, ctx: Context) -> None:
        for channel in sends if payload else ():
            ctx.publish(channel, payload - 1)
        if yields:
            await anyio.lowlevel.checkpoint()
        if ctx.attempt <= fails:
            raise ValueError("not yet")

    return handler

"""Late agents: they come, go and are replaced while the executor runs."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import Agent, AgentNotFound, Context, Executor, MemoryStore, Registry, agent
from dagger.words.errors import DuplicateAgent
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate, filled, spread
from tests.waiting import in_hand, pending, turns, until


def noting(heard: list[Any], name: str = "late", **options: Any) -> Agent:
    """An agent that notes what it is given."""

    @agent(name=name, **({"subscribe": "work"} | options))
    async def note(payload: Any) -> None:
        heard.append(payload)

    return note


async def test_a_late_agent_starts_at_the_next_message(make_executor: MakeExecutor) -> None:
    """An agent that is registered while running gets nothing that was published before."""
    heard: list[Any] = []
    gate = Gate()
    async with make_executor([gate.agent]) as executor:
        live = await filled(executor, pending_=2)
        async with live:
            executor.register(noting(heard))
            await live.publish("work", "next")
            gate.open.set()
        report = await live.result()
    assert heard == ["next"]
    assert gate.handled == ["in hand", 0, 1, "next"]
    assert report.agents["late"].delivered == 1


async def test_a_late_agent_serves_every_open_run(make_executor: MakeExecutor) -> None:
    """Runs that were open when an agent came are served by it like new ones."""
    heard: list[Any] = []
    gate = Gate()
    async with make_executor([gate.agent]) as executor:
        runs = [await executor.start("work", {}) for _ in range(3)]
        executor.register(noting(heard))
        for at, run in enumerate(runs):
            await run.publish("work", at)
        gate.open.set()
        for run in runs:
            await run.result()
    assert sorted(heard) == [0, 1, 2]


async def test_unregistering_lets_running_handlers_finish(make_executor: MakeExecutor) -> None:
    """What an agent has in hand is finished, with its effects; the rest is discarded, named."""
    inside, release = anyio.Event(), anyio.Event()

    @agent(subscribe="work", publish="out")
    async def leaving(payload: Any) -> Any:
        inside.set()
        await release.wait()
        return payload

    async with make_executor([spread, leaving]) as executor:
        live = await executor.start("start", [1, 2, 3, 4])
        await inside.wait()
        assert executor.unregister("leaving") == 3
        assert [info.name for info in executor.list_agents()] == ["spread"]
        assert live.status == "running"
        release.set()
        report = await live.result()
    assert report.outputs == {"out": [1]}
    assert report.agents["leaving"].dispositions == {"ok": 1, "discarded": 3}
    discarded = [node for node in report.tree.nodes() if node.status == "discarded"]
    assert [node.agent for node in discarded] == ["leaving"] * 3
    assert report.status == "completed"


async def test_what_comes_after_is_no_longer_delivered(make_executor: MakeExecutor) -> None:
    """A message published after its only agent was unregistered is an output."""
    heard: list[Any] = []
    async with make_executor([noting(heard), spread]) as executor:
        live = await executor.start("work", "before")
        async with live:
            await until(lambda: heard == ["before"])
            executor.unregister("late")
            await live.publish("work", "after")
        report = await live.result()
    assert heard == ["before"]
    assert report.outputs == {"work": ["after"]}


async def test_an_attempt_that_fails_after_its_agent_has_gone_is_dead(
    make_executor: MakeExecutor,
) -> None:
    """Without an agent there is nobody for another attempt."""
    inside, release = anyio.Event(), anyio.Event()

    @agent(subscribe="work", max_attempts=5)
    async def leaving() -> None:
        inside.set()
        await release.wait()
        raise ValueError("too late")

    async with make_executor([leaving]) as executor:
        live = await executor.start("work", {})
        await inside.wait()
        executor.unregister("leaving")
        release.set()
        report = await live.result()
    assert report.agents["leaving"].dispositions == {"dead": 1}
    assert report.retries == 0


async def test_a_retry_is_made_by_the_successor(make_executor: MakeExecutor) -> None:
    """An attempt that fails after its agent has gone and come again is tried again."""
    inside, release = anyio.Event(), anyio.Event()
    heard: list[Any] = []

    @agent(name="late", subscribe="work", max_attempts=5)
    async def leaving() -> None:
        inside.set()
        await release.wait()
        raise ValueError("too late")

    async with make_executor([leaving]) as executor:
        live = await executor.start("work", "again")
        await inside.wait()
        executor.unregister("late")
        executor.register(noting(heard))
        release.set()
        report = await live.result()
    assert heard == ["again"]
    assert report.agents["late"].dispositions == {"ok": 1}


async def test_waiting_retries_of_an_unregistered_agent_are_discarded(
    make_executor: MakeExecutor,
) -> None:
    """A delivery that waits for its next attempt is discarded with its agent."""

    @agent(subscribe="work", retry="linear:1000")
    async def failing() -> None:
        raise ValueError("later")

    async with make_executor([failing]) as executor:
        live = await executor.start("work", {})
        await until(lambda: live.state.retries == 1)
        assert executor.unregister("failing") == 1
        report = await live.result()
    assert report.agents["failing"].dispositions == {"discarded": 1}


async def test_unregistering_someone_unknown_is_an_error(make_executor: MakeExecutor) -> None:
    """AgentNotFound names those there are."""
    async with make_executor([spread]) as executor:
        with pytest.raises(AgentNotFound, match=r"'nobody'.*'spread'"):
            executor.unregister("nobody")


async def test_an_agent_may_come_back(make_executor: MakeExecutor) -> None:
    """A name can be unregistered and registered as often as one likes."""
    heard: list[Any] = []
    async with make_executor([noting(heard)]) as executor:
        for number in range(5):
            await executor.run("work", number)
            executor.unregister("late")
            executor.register(noting(heard))
    assert heard == list(range(5))


async def test_two_agents_of_one_name_are_refused(make_executor: MakeExecutor) -> None:
    """Registering a name again without `replace` changes nothing and names both places."""
    heard: list[Any] = []
    async with make_executor([noting(heard)]) as executor:
        with pytest.raises(DuplicateAgent, match=r"late.*replace=True"):
            executor.register(spread, noting([], subscribe="other"))
        assert [info.name for info in executor.list_agents()] == ["late"]
        await executor.run("work", 1)
    assert heard == [1]


async def test_a_replacement_takes_over_what_is_pending(make_executor: MakeExecutor) -> None:
    """With `replace=True` what is pending stays so, for the successor; what runs is finished."""
    gate = Gate("late")
    heard: list[Any] = []
    async with make_executor([gate.agent]) as executor:
        live = await filled(executor, pending_=3)
        executor.register(noting(heard), replace=True)
        await until(lambda: heard == [0, 1, 2])
        assert in_hand(executor, "late") == 1
        gate.open.set()
        report = await live.result()
    assert gate.handled == ["in hand"]
    assert report.agents["late"].dispositions == {"ok": 4}


async def test_a_replacement_may_hear_other_channels(make_executor: MakeExecutor) -> None:
    """From its registration on, the successor's own subscriptions and policies count."""
    old: list[Any] = []
    new: list[Any] = []
    async with make_executor([noting(old)]) as executor:
        live = await executor.start("work", 1)
        async with live:
            await until(lambda: old == [1])
            executor.register(noting(new, subscribe=["more", "work"]), replace=True)
            await live.publish("more", 2)
            await live.publish("work", 3)
            executor.register(noting(new, subscribe="more"), replace=True)
            await live.publish("work", 4)
        report = await live.result()
    assert (old, new) == ([1], [2, 3])
    assert report.outputs == {"work": [4]}


async def test_replacing_a_parked_agent_keeps_its_handler(make_executor: MakeExecutor) -> None:
    """A handler that waits when its agent is replaced goes on with what it has."""
    released = anyio.Event()

    @agent(name="late", subscribe="work", publish=["out", "answers"])
    async def patient(payload: Any, ctx: Context) -> None:
        ctx.publish("out", await ctx.request("answers", payload))

    @agent(subscribe="answers")
    async def answer(payload: Any) -> Any:
        await released.wait()
        return payload

    async with make_executor([patient, answer]) as executor:
        live = await executor.start("work", 5)
        await until(lambda: in_hand(executor, "answer") == 1)
        executor.register(noting([]), replace=True)
        await turns()
        released.set()
        report = await live.result()
    assert report.outputs == {"out": [5]}
    assert report.agents["late"].dispositions == {"ok": 1}


async def test_factories_and_names_register_agents(make_executor: MakeExecutor) -> None:
    """`executor.register("name")` takes the agent of that name from the registry."""
    heard: list[Any] = []
    registry = Registry()
    registry.add_factory("made", lambda: noting(heard, name="made"))
    async with make_executor(registry=registry) as executor:
        executor.register("made")
        await executor.run("work", 1)
        with pytest.raises(AgentNotFound):
            executor.register("unknown")
    assert heard == [1]


async def test_agents_registered_before_the_start_count_too(make_executor: MakeExecutor) -> None:
    """Agents and channels may be declared, and taken away again, before the executor runs."""
    heard: list[Any] = []
    executor = make_executor()
    executor.register(noting(heard), spread)
    executor.unregister("spread")
    executor.channel("work", capacity=5)
    async with executor:
        assert [info.name for info in executor.list_agents()] == ["late"]
        await executor.run("work", 1)
    assert heard == [1]


async def test_a_run_whose_agent_is_missing_is_left_paused() -> None:
    """Opened again without an agent that a run needs, the run stays, paused, naming the agent."""
    store = MemoryStore()
    gate = Gate("needed")
    async with Executor([gate.agent, spread], store=store) as executor:
        await filled(executor, pending_=1)

    async with Executor([spread], store=store) as executor:
        (report,) = executor.runs()
        assert report.status == "paused"
        assert "needed" in report.reason
        assert report.ended is None
        assert [live.id for live in await executor.drain()] == [report.run_id]

    again = Gate("needed")
    again.open.set()
    async with Executor([again.agent, spread], store=store) as executor:
        await executor.drain()
        (report,) = executor.runs()
    assert report.status == "completed"
    assert again.handled == ["in hand", 0]


async def test_an_agent_of_another_time_hears_nothing() -> None:
    """A new run is for the agents there are, and not for those the store remembers."""
    store = MemoryStore()
    heard: list[Any] = []
    async with Executor([noting(heard), noting([], name="former")], store=store) as executor:
        await executor.run("work", 1)
    async with Executor([noting(heard)], store=store) as executor:
        report = await executor.run("work", 2)
        assert pending(executor) == 0
        (channel,) = executor.list_channels()
        assert channel.subscriber_count == 1
    assert report.status == "completed"
    assert list(report.agents) == ["late"]
    assert heard == [1, 2]

"""Cleaning up: what goes on of a run that is cancelled."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import Agent, Config, Context, Executor, MemoryStore, Report, agent
from dagger.authoring.calls import Calls, CancelAsked, Returned
from dagger.testing import simulate, simulated
from dagger.words.errors import BudgetExceeded, RequestDropped
from dagger.words.outcomes import RunStatus
from tests.waiting import turns, until

CONFIG = Config(max_attempts=1)


class House:
    """A run with somebody who cleans up when it is cancelled, and others who do not."""

    def __init__(self, *, cleans: tuple[str, ...] = ("bed",), stubborn: bool = False) -> None:
        self.noted: list[str] = []
        self.heard: list[Returned | CancelAsked] = []
        self.gate = anyio.Event()
        self.gate.set()
        self.cleans, self.stubborn = cleans, stubborn

    def agents(self) -> list[Agent]:
        """`maid` cleans up by asking `hands`, who ask others; `guest` is in the way."""
        return [self._maid(), *self._hands(), *self._others()]

    def _maid(self) -> Agent:
        @agent(subscribe="start", publish="*", cleans_up=True, concurrency=2)
        async def maid(payload: Any, ctx: Context) -> None:
            self.noted.append("maid")
            told = False
            with ctx.calls() as calls:
                await calls.send("stay", "guest", key="guest")
                while len(calls) or not told:
                    found = await calls.next()
                    self.heard.append(found)
                    if isinstance(found, Returned):
                        continue
                    if found.over:
                        await (anyio.sleep_forever() if self.stubborn else turns(1))
                        return
                    told = True
                    await self._clean(calls, ctx)
            ctx.publish("other", "too late")

        return maid

    async def _clean(self, calls: Calls, ctx: Context) -> None:
        await calls.send("other", "in vain", key="in vain")
        await ctx.emit("other", "in vain as well")
        for each in self.cleans:
            await calls.send("clean", each, key=each, cleanup=True)

    def _hands(self) -> list[Agent]:
        @agent(subscribe="clean", publish=["dust", "ask"])
        async def hands(payload: str, ctx: Context) -> str:
            self.noted.append(f"clean {payload}")
            await self.gate.wait()
            ctx.publish("dust", payload)
            return str(await ctx.request("ask", payload))

        @agent(subscribe="dust")
        async def bin(payload: str) -> None:
            self.noted.append(f"dust of {payload}")

        @agent(subscribe="ask")
        async def help(payload: str) -> str:
            self.noted.append(f"help with {payload}")
            return f"cleaned {payload}"

        return [hands, bin, help]

    def _others(self) -> list[Agent]:
        @agent(subscribe="stay")
        async def guest(payload: str) -> None:
            self.noted.append("guest")
            try:
                await anyio.sleep_forever()
            finally:
                self.noted.append("guest has left")

        @agent(subscribe="other")
        async def never(payload: Any) -> None:
            self.noted.append("never")

        return [guest, never]


async def begun(executor: Executor, house: House, **options: Any) -> Any:
    """A run in which the guest is there."""
    live = await executor.start("start", 1, **options)
    await until(lambda: "guest" in house.noted)
    return live


async def test_who_cleans_up_is_told_and_ends_by_itself() -> None:
    """All else is cancelled; what it has done to clean up is handled, with all that this causes,
    and nothing else.
    """
    house = House(cleans=("bed", "bath"))
    async with Executor(house.agents(), config=CONFIG) as executor:
        live = await begun(executor, house)
        await live.publish("other", "too late")
        report = await live.cancel("enough")
    first, *then = house.heard
    assert first == CancelAsked("enough", over=False)
    replies = [each for each in then if isinstance(each, Returned)]
    assert {each.key: each.value for each in replies if each.error is None} == {
        "bed": "cleaned bed",
        "bath": "cleaned bath",
    }
    dropped = {each.key for each in replies if isinstance(each.error, RequestDropped)}
    assert dropped == {"guest", "in vain"}
    assert "never" not in house.noted
    for each in ("bed", "bath"):
        assert {f"clean {each}", f"help with {each}", f"dust of {each}"} <= {*house.noted}
    assert "guest has left" in house.noted
    assert report.status == "cancelled"
    assert report.reason == "enough"


async def test_it_is_told_once() -> None:
    """Whoever else cancels the run, or the invocation, tells it nothing new."""
    house = House()
    house.gate = anyio.Event()
    async with Executor(house.agents(), config=CONFIG) as executor, anyio.create_task_group() as tg:
        live = await begun(executor, house)
        tg.start_soon(live.cancel, "enough")
        await until(lambda: "clean bed" in house.noted)
        tg.start_soon(live.cancel, "more than enough")
        await turns()
        house.gate.set()
        report = await live.result()
    assert [each for each in house.heard if isinstance(each, CancelAsked)] == [
        CancelAsked("enough", over=False)
    ]
    assert report.reason == "enough"


async def test_who_has_not_begun_is_not_told() -> None:
    """A delivery that nobody has taken is cancelled like any other."""
    house = House()
    async with Executor(house.agents(), config=CONFIG) as executor:
        live = await begun(executor, house)
        await live.pause()
        await live.publish("start", 2)
        await live.cancel("enough")
    assert house.noted.count("maid") == 1


async def test_budgets_do_not_bind_who_cleans_up() -> None:
    """A run that has spent what it may is cleaned up all the same, and ends as it would have."""
    house = House(cleans=("bed", "bath"))
    async with Executor(house.agents(), config=CONFIG) as executor:
        live = await begun(executor, house, max_messages=2)
        with pytest.raises(BudgetExceeded):
            await live.publish("other", 1)
        report = await live.cancel("enough")
    assert {"dust of bed", "dust of bath"} <= {*house.noted}
    assert report.messages > 2
    assert report.status == "cancelled"


def test_time_for_it_comes_to_an_end() -> None:
    """When `cleanup_timeout` is over what it had done is cancelled, and it is told again; then it
    has to end, within `cancel_grace` at most.
    """

    async def main(stubborn: bool) -> tuple[float, House, Report]:
        house = House(stubborn=stubborn)
        house.gate = anyio.Event()
        config = Config(max_attempts=1, cleanup_timeout=60, cancel_grace=5)
        async with simulated(*house.agents(), config=config) as executor:
            live = await begun(executor, house)
            report = await live.cancel("enough")
            return anyio.current_time(), house, report

    for stubborn, end in ((False, 60), (True, 65)):
        ended, house, report = simulate(lambda stubborn=stubborn: main(stubborn))  # type: ignore[misc]
        asked = [each for each in house.heard if isinstance(each, CancelAsked)]
        over = CancelAsked("the time for cleaning up is over", over=True)
        assert asked == [CancelAsked("enough", over=False), over]
        assert ended == end
        assert report.status == "cancelled"
        assert not any(each.startswith(("help", "dust")) for each in house.noted)


def test_without_a_limit_it_takes_its_time() -> None:
    """`cleanup_timeout=None` waits for as long as it takes."""

    async def main() -> tuple[float, Report]:
        house = House()
        house.gate = anyio.Event()
        config = Config(max_attempts=1, cleanup_timeout=None)
        async with (
            simulated(*house.agents(), config=config) as executor,
            anyio.create_task_group() as tasks,
        ):
            live = await begun(executor, house)
            tasks.start_soon(live.cancel, "enough")
            await anyio.sleep(8e4)
            house.gate.set()
            report: Report = await live.result()
        return anyio.current_time(), report

    ended, report = simulate(main)
    assert (ended, report.status) == (80_000, "cancelled")


async def test_it_goes_on_after_a_stop() -> None:
    """An executor that stops meanwhile leaves it to the next one, also what it had asked for."""
    store, house = MemoryStore(), House(cleans=("bed", "bath"))
    house.gate = anyio.Event()

    async with (
        anyio.create_task_group() as tasks,
        Executor(house.agents(), config=CONFIG, store=store) as executor,
    ):
        live = await begun(executor, house, run_id="r")
        tasks.start_soon(live.cancel, "enough")
        await until(lambda: "clean bed" in house.noted)
        tasks.cancel_scope.cancel()
    house = House(cleans=("bed", "bath"))
    async with Executor(house.agents(), config=CONFIG, store=store) as executor:
        live = await executor.start("start", 1, run_id="r")
        report = await live.result()
    assert house.heard[0] == CancelAsked("enough", over=False)
    assert {"dust of bed", "dust of bath"} <= {*house.noted}
    assert "guest" not in house.noted
    assert report.status == "cancelled"


def test_who_is_not_here_cleans_up_once_it_is() -> None:
    """Cancelled by an executor without the agent, a run stays open however long that takes."""

    async def main() -> tuple[list[str], Report]:
        store, house = MemoryStore(), House(cleans=("bed",))
        async with simulated(*house.agents(), config=CONFIG, store=store) as executor:
            await begun(executor, house, run_id="r")
        async with simulated(config=CONFIG, store=store) as executor:
            report = await executor.live("r").cancel("enough")
            await anyio.sleep(1e4)  # far more than `cleanup_timeout`
            assert (report.ended, executor.live("r").status) == (None, "cancelling")
        house = House(cleans=("bed",))
        async with simulated(*house.agents(), config=CONFIG, store=store) as executor:
            report = await (await executor.start("start", 1, run_id="r")).result()
        return house.noted, report

    noted, report = simulate(main)
    assert {"dust of bed", "help with bed"} <= {*noted}
    assert (report.status, report.reason) == ("cancelled", "enough")


async def test_without_a_store_a_stop_is_the_end_of_it() -> None:
    """What cannot go on later ends as the executor does."""
    house = House()
    house.gate = anyio.Event()
    async with (
        anyio.create_task_group() as tasks,
        Executor(house.agents(), config=CONFIG) as executor,
    ):
        live = await begun(executor, house)
        tasks.start_soon(live.cancel, "enough")
        await until(lambda: "clean bed" in house.noted)
        tasks.cancel_scope.cancel()
    assert live.status == "cancelled"
    assert "dust of bed" not in house.noted


async def test_who_is_at_its_end_may_ask_whether_it_was_cancelled() -> None:
    """It is told at once, and once; one that is called again after a restart is told again."""
    heard: list[CancelAsked | None] = []
    gate, store = anyio.Event(), MemoryStore()

    @agent(subscribe="start", cleans_up=True)
    async def last(payload: Any, ctx: Context) -> None:
        with ctx.calls() as calls:
            heard.append(calls.asked())
            await gate.wait()
            heard.extend([calls.asked(), calls.asked()])

    asked = CancelAsked("enough", over=False)
    async with Executor([last], config=CONFIG, store=store) as executor:
        live = await executor.start("start", 1)
        await until(lambda: bool(heard))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(live.cancel, "enough")
            await until(lambda: live.status is RunStatus.CANCELLING)
            gate.set()
        assert heard == [None, asked, None]
        heard.clear()
        gate = anyio.Event()
        live = await executor.start("start", 1, run_id="r")
        await until(lambda: bool(heard))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(live.cancel, "enough")
            await until(lambda: live.status is RunStatus.CANCELLING)
            tasks.cancel_scope.cancel()
    heard.clear()
    gate.set()
    async with Executor([last], config=CONFIG, store=store) as executor:
        await executor.live("r").result()
    assert heard == [asked, None, None]

"""Succession: of messages that come one soon after the other, which are handled, and when."""

from __future__ import annotations

import random
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger import (
    Agent,
    Debounce,
    DefinitionError,
    Executor,
    LoopClock,
    MemoryStore,
    RequestDropped,
    Throttle,
    agent,
    batch,
)
from dagger.testing import LaggingStore, assert_conserved
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate
from tests.virtual import START, on_virtual_time
from tests.waiting import idle, until


class Saves:
    """An agent that notes what it handled, and when, in seconds from the start."""

    def __init__(self, **options: Any) -> None:
        self.clock = LoopClock(START)
        self.seen: list[tuple[Any, float]] = []

        @agent(name="save", subscribe="file", **options)
        async def save(payload: Any) -> None:
            self.seen.append((payload["text"], round(self.clock.now() - START, 1)))

        self.agent: Agent = save

    async def feed(self, executor: Executor, *when: tuple[float, str], file: str = "a") -> None:
        """Messages at these times, each in a run of its own."""
        for at, text in when:
            await anyio.sleep(max(0.0, at - (self.clock.now() - START)))
            await executor.publish("file", {"file": file, "text": text})


def test_of_a_burst_the_last_is_handled_once_it_is_quiet() -> None:
    """Those before it are superseded, in whichever runs they came; nothing is lost or counted
    twice.
    """
    saves = Saves(debounce=Debounce(2, key="file"))

    async def main() -> None:
        async with Executor([saves.agent], clock=saves.clock) as executor:
            await saves.feed(executor, (0, "one"), (1, "two"), (2.5, "three"), (10, "four"))
            await executor.drain()
            reports = executor.runs()
        ends = [report.dispositions for report in reports]
        assert ends == [{"superseded": 1}, {"superseded": 1}, {"ok": 1}, {"ok": 1}]
        assert {report.status for report in reports} == {"completed"}
        for report in reports:
            assert_conserved(report)

    on_virtual_time(main)
    assert saves.seen == [("three", 4.5), ("four", 12.0)]


def test_each_key_is_for_itself() -> None:
    """What comes of one key does not put off another."""
    saves = Saves(debounce=Debounce(2, key=lambda payload: payload["file"]))

    async def main() -> None:
        async with Executor([saves.agent], clock=saves.clock) as executor:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(saves.feed, executor, (0, "a"))
                other = ((1.0, "b one"), (2.0, "b two"))
                await saves.feed(executor, *other, file="b")
            await executor.drain()

    on_virtual_time(main)
    assert saves.seen == [("a", 2.0), ("b two", 4.0)]


def test_what_never_stops_is_handled_now_and_then() -> None:
    """`at_most` seconds after the first of a burst the last one so far is handled."""
    saves = Saves(debounce=Debounce(2, at_most=5))

    async def main() -> None:
        async with Executor([saves.agent], clock=saves.clock) as executor:
            await saves.feed(executor, *((0.9 * number, str(number)) for number in range(12)))
            await executor.drain()

    on_virtual_time(main)
    assert saves.seen == [("5", 5.0), ("11", 10.4)]


def test_a_throttle_takes_the_first_and_the_last() -> None:
    """The first at once; of those that come in its time the last, when that is over."""
    saves = Saves(throttle=Throttle(10, key="file"))

    async def main() -> None:
        async with Executor([saves.agent], clock=saves.clock) as executor:
            when = [(0, "one"), (1, "two"), (3, "three"), (12, "four"), (40, "five")]
            await saves.feed(executor, *when)
            await executor.drain()

    on_virtual_time(main)
    assert saves.seen == [("one", 0.0), ("three", 10.0), ("four", 20.0), ("five", 40.0)]


@pytest.mark.parametrize("kind", [MemoryStore, LaggingStore])
@pytest.mark.parametrize(
    "options", [{"debounce": Debounce(10, at_most=25)}, {"throttle": Throttle(10)}]
)
def test_a_restart_begins_nothing_anew(kind: type[MemoryStore], options: Any) -> None:
    """With a store the moment is the same, whoever is there when it comes."""
    found: list[list[tuple[Any, float]]] = []

    def life(restarts: bool) -> None:
        saves, store = Saves(**options), kind()

        async def main() -> None:
            when = [(0.0, "one"), (3.0, "two"), (6.0, "three"), (20.0, "four")]
            for at, text in when:
                async with Executor([saves.agent], store=store, clock=saves.clock) as executor:
                    await saves.feed(executor, (at, text))
                    if not restarts:
                        await saves.feed(executor, *when[1:])
                        break
            async with Executor([saves.agent], store=store, clock=saves.clock) as executor:
                await executor.drain()

        on_virtual_time(main)
        found.append(saves.seen)

    life(restarts=False)
    life(restarts=True)
    # Nobody is there to handle what comes due between two lives; it is not superseded then.
    assert found[0][-1] == found[1][-1]
    assert {text for text, _ in found[1]} <= {"one", "two", "three", "four"}
    assert found[0][0] == found[1][0]


async def test_what_is_put_aside_waits_no_second_time(make_executor: MakeExecutor) -> None:
    """An attempt that fails is followed by another at once: its moment has come."""
    tried: list[int] = []

    @agent(subscribe="file", throttle=Throttle(3_600), max_attempts=3)
    async def save(payload: int) -> None:
        tried.append(payload)
        if len(tried) < 3:
            raise ValueError("again")

    async with make_executor([save]) as executor:
        report = await executor.run("file", 1)
        await idle(executor)
    assert tried == [1, 1, 1]
    assert report.status == "completed"


async def test_who_asks_is_told_that_it_was_superseded(make_executor: MakeExecutor) -> None:
    """A request that a later message takes the place of has no reply."""
    gate = Gate("save", "file", throttle=Throttle(3_600))
    async with make_executor([gate.agent]) as executor:
        gate.open.set()
        await executor.run("file", 0)
        errors: list[RequestDropped] = []

        async def ask() -> None:
            try:
                await executor.request("file", 1)
            except RequestDropped as error:
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await until(lambda: any(each.report().waiting for each in _live(executor)))
            [waiting] = next(each.report().waiting for each in _live(executor))
            assert waiting.what == "its moment, lest others come"
            await executor.publish("file", 2)
    assert [error.disposition for error in errors] == ["superseded"]


def _live(executor: Executor) -> list[Any]:
    return [executor.live(each.run_id) for each in executor.runs() if each.ended is None]


async def test_a_paused_or_cancelled_one_keeps_nobody_waiting(make_executor: MakeExecutor) -> None:
    """Whoever waits in a run that is cancelled is no rival; in one that is paused it waits on."""
    gate = Gate("save", "file", throttle=Throttle(3_600))
    gate.open.set()
    async with make_executor([gate.agent]) as executor:
        await executor.run("file", 0)
        waits = await executor.start("file", 1)
        await until(lambda: len(waits.report().waiting) == 1)
        await waits.cancel("no")
        other = await executor.start("file", 2)
        await until(lambda: len(other.report().waiting) == 1)
        await other.pause("later")
        latest = await executor.start("file", 3)
        await until(lambda: other.report().ended is not None)
        assert other.report().dispositions == {"superseded": 1}
        await latest.cancel("enough")
        assert (await waits.result()).dispositions == {"cancelled": 1}
    assert gate.handled == [0]


def test_nothing_is_kept_of_those_that_were_superseded() -> None:
    """Only the last of a key waits for its moment: the others are gone as they end."""
    saves = Saves(debounce=Debounce(3_600, key="file"))

    async def main() -> None:
        async with Executor([saves.agent], clock=saves.clock) as executor:
            engine = executor._engine
            assert engine is not None
            for number in range(500):
                await executor.publish("file", {"file": "a", "text": str(number)})
            await until(lambda: engine.state.open_runs == 1)
            assert len(engine.timers._heap) < 200
            await executor.drain()
            assert engine.succession._timers == {}

    on_virtual_time(main)
    assert [text for text, _ in saves.seen] == ["499"]


@given(st.integers(0, 2**32))
def test_random_messages_are_handled_as_a_list_says(seed: int) -> None:
    """However they come, the debounce of an unbroken life is that of a simple list."""
    dice = random.Random(seed)
    times = [0.0]
    for _ in range(dice.randrange(1, 15)):
        times.append(times[-1] + dice.choice([0.25, 0.5, 1.5, 3.0, 9.0]))
    saves = Saves(debounce=Debounce(2))

    async def main() -> None:
        async with Executor([saves.agent], clock=saves.clock) as executor:
            await saves.feed(executor, *((at, str(at)) for at in times))
            await executor.drain()

    on_virtual_time(main)
    expected: list[tuple[Any, Any]] = [
        (str(at), pytest.approx(at + 2, abs=0.15))
        for at, after in zip(times, [*times[1:], float("inf")], strict=True)
        if after - at > 2
    ]
    assert saves.seen == expected


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"debounce": Debounce(1), "throttle": Throttle(1)}, "keep one"),
    ({"debounce": 5}, r"debounce takes Debounce\(...\), not 5"),
    ({"subscribe": batch("file", size=2), "debounce": Debounce(1)}, "a join takes no debounce="),
]


@pytest.mark.parametrize(("options", "problem"), WRONG)
def test_what_says_two_things_is_refused(options: Any, problem: str) -> None:
    """At decoration, with what to do instead."""
    with pytest.raises(DefinitionError, match=problem):

        @agent(**{"subscribe": "file", **options})
        async def save(payload: Any) -> None:
            return None


@pytest.mark.parametrize(
    "made", [lambda: Debounce(0), lambda: Throttle(-1), lambda: Debounce(1, "")]
)
def test_odd_times_are_refused_when_they_are_said(made: Any) -> None:
    """An error says which value is wrong."""
    with pytest.raises(DefinitionError):
        made()

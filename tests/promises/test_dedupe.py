"""Dedupe: what has the same idempotency key is handled once, in whichever runs it comes."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger import (
    Agent,
    Context,
    DuplicateDeadlock,
    ExecutionError,
    Executor,
    Linear,
    MemoryStore,
    Message,
    Outcome,
    RequestDropped,
    ResponderFailed,
    Store,
    agent,
    all_of,
)
from dagger.executor import repeating
from dagger.testing import assert_conserved, simulate, simulated
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate, spread
from tests.state.meaning import agree, live_state
from tests.waiting import idle, in_hand, turns, until

KEY = "order 7"


class Till:
    """An agent that charges once it is let, and notes what it was called with."""

    def __init__(self, **options: Any) -> None:
        self.calls: list[Any] = []
        self.open = anyio.Event()
        self.failures = 0

        usual = {"name": "charge", "subscribe": "start", "publish": "charged", "concurrency": 2}

        @agent(**{**usual, **options})
        async def charge(payload: Any, ctx: Context) -> str:
            self.calls.append(payload)
            receipt = f"receipt {len(self.calls)}"
            await self.open.wait()
            if self.failures:
                self.failures -= 1
                raise ValueError("declined")
            ctx.cache.increment("charges")
            return receipt

        self.agent: Agent = charge


def opened(**options: Any) -> Till:
    """One that charges at once."""
    till = Till(**options)
    till.open.set()
    return till


def lined(executor: Executor) -> int:
    """How many deliveries wait for the first of their key."""
    return sum(map(len, live_state(executor).repeats.lines.values()))


# -- what is the same ------------------------------------------------------------------------


async def test_a_repeat_is_a_duplicate_with_the_same_result(make_executor: MakeExecutor) -> None:
    """The handler is called once; the second run gets the first one's messages, and goes on."""
    till = opened()

    @agent(subscribe="charged", publish="out")
    async def print_it(payload: str) -> str:
        return payload.upper()

    async with make_executor([till.agent, print_it]) as executor:
        first = await executor.run("start", 1, run_id="one", idempotency_key=KEY)
        second = await executor.run("start", 2, run_id="two", idempotency_key=KEY)
        assert first.outputs == second.outputs == {"out": ["RECEIPT 1"]}
        assert till.calls == [1]
        assert first.dispositions == {"ok": 2}
        assert second.dispositions == {"duplicate": 1, "ok": 1}
        assert second.ok
        node = next(each for each in second.tree.nodes() if each.agent == "charge")
        assert (node.status, node.attempts) == ("duplicate", 0)
        assert node.notes == ("duplicate of charge:one.1",)
        assert executor.live("one").cache.get("charges") == 1
        assert executor.live("two").cache.get("charges") is None


async def test_an_agent_may_say_what_its_key_is(make_executor: MakeExecutor) -> None:
    """A field of the payload, or a function of it: no publisher need know of it."""
    for rule in ("order.id", lambda payload: payload["order"]["id"]):
        till = opened(idempotency_key=rule)
        async with make_executor([till.agent]) as executor:
            for number, known in enumerate([7, "7", 8]):
                await executor.run("start", {"order": {"id": known}, "number": number})
        assert [each["number"] for each in till.calls] == [0, 2]


@pytest.mark.parametrize("payload", [{}, {"id": None}, [1], "text", None])
async def test_what_gives_no_key_has_none(make_executor: MakeExecutor, payload: Any) -> None:
    """A field that is not there, or is null, is no key: each message is handled."""
    till = opened(idempotency_key="id")
    async with make_executor([till.agent]) as executor:
        for _ in range(2):
            assert (await executor.run("start", payload)).dispositions == {"ok": 1}


async def test_the_key_of_the_message_beats_the_agents_own(make_executor: MakeExecutor) -> None:
    """What the publisher says counts where both say something."""
    till = opened(idempotency_key="id")
    async with make_executor([till.agent]) as executor:
        await executor.run("start", {"id": 1}, idempotency_key="a")
        await executor.run("start", {"id": 2}, idempotency_key="a")
        await executor.run("start", {"id": 1})
    assert till.calls == [{"id": 1}, {"id": 1}]


async def test_each_agent_handles_it_once(make_executor: MakeExecutor) -> None:
    """A key is of an agent: another one that hears the same message handles it as well."""
    till, other = opened(), opened(name="count", publish="counted")
    async with make_executor([till.agent, other.agent]) as executor:
        for _ in range(2):
            await executor.run("start", 1, idempotency_key=KEY)
    assert (till.calls, other.calls) == ([1], [1])


async def test_wherever_it_is_published(make_executor: MakeExecutor) -> None:
    """By a handler, through its executor, into an open run, with a delay: it is one key."""
    till = opened(subscribe="go")

    @agent(subscribe="start", publish="go")
    async def twice(ctx: Context, executor: Any) -> None:
        ctx.publish("go", 1, idempotency_key=KEY)
        await executor.publish("go", 2, idempotency_key=KEY)

    async with make_executor([twice, till.agent]) as executor:
        run = await executor.start("start", None)
        async with run:
            await run.publish("go", 3, delay=0.001, idempotency_key=KEY)
        report = await run.result()
        await executor.publish("go", 4, idempotency_key=KEY)
        await executor.drain()
        assert report.dispositions == {"ok": 2, "duplicate": 2}
        assert report.outputs == {"charged": ["receipt 1"] * 3}
    assert len(till.calls) == 1


async def test_a_message_that_is_passed_on_has_no_key(make_executor: MakeExecutor) -> None:
    """A key is of the message that it was said of; whoever passes that on says it anew."""
    till = opened(subscribe="go")

    @agent(subscribe="start", publish="go")
    async def pass_on(message: Message, ctx: Context) -> None:
        assert message.headers["dagger-idempotency-key"] == "order 7"
        ctx.publish("go", message)
        ctx.publish("go", message)

    async with make_executor([pass_on, till.agent]) as executor:
        report = await executor.run("start", 1, idempotency_key=KEY)
        assert report.dispositions == {"ok": 3}


async def test_a_join_goes_by_its_agents_rule(make_executor: MakeExecutor) -> None:
    """What is handled together has the key that the agent makes of all of it."""
    calls: list[Any] = []

    @agent(subscribe="start", publish=["a", "b"])
    async def split(payload: Any, ctx: Context) -> None:
        ctx.publish("a", payload, idempotency_key="not looked at")
        ctx.publish("b", payload, idempotency_key="not looked at")

    @agent(subscribe=all_of("a", "b"), publish="out", idempotency_key="a.id")
    async def both(payload: Any) -> Any:
        calls.append(payload)
        return payload["b"]["number"]

    async with make_executor([split, both]) as executor:
        for known, number, expected in ((1, 1, 1), (1, 2, 1), (2, 3, 3)):
            report = await executor.run("start", {"id": known, "number": number})
            assert report.outputs == {"out": [expected]}
    assert len(calls) == 2


async def test_bad_input_is_rejected_as_ever(make_executor: MakeExecutor) -> None:
    """A message that breaks the schema is rejected, whatever was handled under its key."""
    calls: list[int] = []

    @agent(subscribe="start", publish={"out": {"type": "integer"}})
    async def count(payload: int) -> int:
        calls.append(payload)
        return payload

    @agent(subscribe="out")
    async def add(payload: int) -> None:
        calls.append(-payload)

    async with make_executor([count, add]) as executor:
        await executor.run("start", 1, idempotency_key=KEY)
        report = await executor.run("start", "one", idempotency_key=KEY)
        assert report.dispositions == {"rejected": 1}
        report = await executor.run("start", 3, idempotency_key=KEY)
        assert report.dispositions == {"duplicate": 1, "ok": 1}
    assert calls == [1, -1, -1]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "\ud800", 1.5, True, ["a"]])
async def test_what_is_no_key_is_refused(make_executor: MakeExecutor, key: Any) -> None:
    """A publisher is told here and now; of an agent's rule it is a failed attempt."""
    till = opened(idempotency_key=lambda payload: key, max_attempts=1)
    async with make_executor([till.agent]) as executor:
        with pytest.raises(ExecutionError, match="an idempotency key is a text of 1 to 255"):
            await executor.publish("start", 1, idempotency_key=key)
        report = await executor.run("start", 1)
        (letter,) = report.dead_letters
        assert "an idempotency key of agent 'charge' is a text" in letter.failure.message


async def test_a_rule_that_raises_fails_the_attempt(make_executor: MakeExecutor) -> None:
    """It is the agent's own code, and is told as such."""
    till = opened(idempotency_key=lambda payload: payload["id"], max_attempts=1)
    async with make_executor([till.agent]) as executor:
        (letter,) = (await executor.run("start", {})).dead_letters
        assert letter.failure.type == "KeyError"
    assert till.calls == []


# -- in flight -------------------------------------------------------------------------------


async def test_while_the_first_is_in_flight_the_second_waits(make_executor: MakeExecutor) -> None:
    """It holds no worker meanwhile, and takes the result of the first."""
    till = Till()
    async with make_executor([till.agent]) as executor:
        runs = [await executor.start("start", number, idempotency_key=KEY) for number in range(3)]
        await until(lambda: lined(executor) == 2)
        other = await executor.start("start", "other")
        await until(lambda: till.calls == [0, "other"])  # two workers, who have no others
        till.open.set()
        reports = [await run.result() for run in runs]
        assert [each.dispositions for each in reports] == [{"ok": 1}] + 2 * [{"duplicate": 1}]
        assert [each.outputs for each in reports] == 3 * [{"charged": ["receipt 1"]}]
        assert (await other.result()).outputs == {"charged": ["receipt 2"]}
        await idle(executor)


async def test_a_first_that_fails_lets_go_of_its_key(make_executor: MakeExecutor) -> None:
    """What waited for it is handled in its turn; attempts that fail are not the end of it."""
    till = Till(max_attempts=2)
    till.failures = 3
    async with make_executor([till.agent]) as executor:
        runs = [await executor.start("start", number, idempotency_key=KEY) for number in range(3)]
        await until(lambda: lined(executor) == 2)
        till.open.set()
        reports = [await run.result() for run in runs]
        assert [each.dispositions for each in reports] == [{"dead": 1}, {"ok": 1}, {"duplicate": 1}]
        assert till.calls == [0, 0, 1, 1]
        again = await executor.run("start", 3, idempotency_key=KEY)
        assert again.outputs == {"charged": ["receipt 4"]}


async def test_a_retry_keeps_the_key(make_executor: MakeExecutor) -> None:
    """Between two attempts the first is still in flight."""
    till = opened(max_attempts=2, retry=Linear(0.05))
    till.failures = 1
    async with make_executor([till.agent]) as executor:
        first = await executor.start("start", 1, idempotency_key=KEY)
        await until(lambda: till.calls == [1] and not in_hand(executor))
        second = await executor.run("start", 2, idempotency_key=KEY)
        assert (await first.result()).dispositions == {"ok": 1}
        assert second.dispositions == {"duplicate": 1}
        assert till.calls == [1, 1]


async def test_a_first_that_is_cancelled_lets_go_of_its_key(make_executor: MakeExecutor) -> None:
    """With its run; so does one that its agent's removal ends."""
    till = Till(max_attempts=1)
    async with make_executor([till.agent]) as executor:
        first = await executor.start("start", 1, idempotency_key=KEY)
        await until(lambda: till.calls == [1])
        second = await executor.start("start", 2, idempotency_key=KEY)
        await until(lambda: lined(executor) == 1)
        await first.cancel()
        await until(lambda: till.calls == [1, 2])
        till.open.set()
        assert (await second.result()).dispositions == {"ok": 1}


async def test_who_waits_may_be_cancelled_or_expire(make_executor: MakeExecutor) -> None:
    """It ends as anything that waits; the others in line do not care."""
    till = Till()
    async with make_executor([till.agent]) as executor:
        first = await executor.start("start", 1, idempotency_key=KEY)
        await until(lambda: till.calls == [1])
        second = await executor.start("start", 2, idempotency_key=KEY)
        third = await executor.start("start", 3, ttl=0.01, idempotency_key=KEY)
        fourth = await executor.start("start", 4, idempotency_key=KEY)
        await until(lambda: lined(executor) >= 2)
        assert (await second.cancel()).dispositions == {"cancelled": 1}
        assert (await third.result()).dispositions == {"expired": 1}
        till.open.set()
        assert (await fourth.result()).dispositions == {"duplicate": 1}
        assert (await first.result()).dispositions == {"ok": 1}


async def test_a_paused_first_keeps_its_key(make_executor: MakeExecutor) -> None:
    """What waits for it waits on, and goes on with it; nothing can move until then."""
    till = Till(max_attempts=2, retry=Linear(0.02))
    till.failures = 1
    async with make_executor([till.agent]) as executor:
        first = await executor.start("start", 1, idempotency_key=KEY)
        await until(lambda: till.calls == [1])
        await first.pause()
        till.open.set()
        await until(lambda: not in_hand(executor))
        second = await executor.start("start", 2, idempotency_key=KEY)
        assert {run.id for run in await executor.drain()} == {first.id, second.id}
        assert till.calls == [1]
        await first.resume()
        assert (await second.result()).dispositions == {"duplicate": 1}


async def test_a_paused_run_keeps_nobody_waiting(make_executor: MakeExecutor) -> None:
    """Of those in line, one whose run is paused is passed over."""
    till = Till(max_attempts=1)
    till.failures = 1
    async with make_executor([till.agent]) as executor:
        runs = [await executor.start("start", number, idempotency_key=KEY) for number in range(3)]
        await until(lambda: lined(executor) == 2)
        await runs[1].pause()
        till.open.set()
        assert (await runs[2].result()).dispositions == {"ok": 1}
        await runs[1].resume()
        assert (await runs[1].result()).dispositions == {"duplicate": 1}


async def test_several_of_one_run(make_executor: MakeExecutor) -> None:
    """Within one run it is the same: each duplicate gets the result once more."""
    till = opened(subscribe="work", concurrency=3, idempotency_key=str)
    async with make_executor([spread, till.agent]) as executor:
        report = await executor.run("start", ["a", "b", "a", "a"])
        assert report.dispositions == {"ok": 3, "duplicate": 2}
        assert sorted(till.calls) == ["a", "b"]
        assert len(report.outputs["charged"]) == 4


# -- requests --------------------------------------------------------------------------------


async def test_a_duplicate_gets_the_first_ones_reply(make_executor: MakeExecutor) -> None:
    """Asked from outside or by agents, before the first has replied or afterwards."""
    till = Till()

    @agent(subscribe="ask", publish=["start", "out"])
    async def asker(ctx: Context) -> None:
        ctx.publish("out", await ctx.request("start", 1, idempotency_key=KEY))

    async with make_executor([till.agent, asker]) as executor:
        run = await executor.start("ask", None)
        await until(lambda: till.calls == [1])
        again = await executor.start("ask", None)
        await until(lambda: lined(executor) == 1)
        till.open.set()
        for each in (run, again):
            assert (await each.result()).outputs == {"out": ["receipt 1"]}
        assert await executor.request("start", 2, idempotency_key=KEY) == "receipt 1"
    assert till.calls == [1]


async def test_what_was_told_has_no_reply(make_executor: MakeExecutor) -> None:
    """A request whose first one was none is told so; and the other way round nothing is sent."""
    till = opened()
    async with make_executor([till.agent]) as executor:
        await executor.run("start", 1, idempotency_key="told")
        with pytest.raises(RequestDropped, match="duplicate"):
            await executor.request("start", 1, idempotency_key="told")
        await executor.request("start", 1, idempotency_key="asked")
        assert (await executor.run("start", 1, idempotency_key="asked")).outputs == {}


async def test_who_would_wait_for_itself_is_told(make_executor: MakeExecutor) -> None:
    """A first that requests its own duplicate, by way of others too, is no hang but an error."""
    errors: list[str] = []

    @agent(
        subscribe=["start", "inner"], publish=["middle"], hears_itself=True, idempotency_key="id"
    )
    async def outer(payload: Any, ctx: Context) -> Any:
        try:
            return await ctx.request("middle", payload)
        except ResponderFailed as error:
            errors.append(error.failure.type)
            return "broken off"

    @agent(subscribe="middle", publish="inner", max_attempts=1)
    async def middle(payload: Any, ctx: Context) -> Any:
        return await ctx.request("inner", payload)

    async with make_executor([outer, middle], config={"max_attempts": 1}) as executor:
        assert await executor.request("start", {"id": 1}) == "broken off"
    assert errors == ["ResponderFailed"]
    assert "neither would ever end" in str(DuplicateDeadlock("a:r.2", "k", "a:r.1"))


async def test_a_circle_of_two_keys_is_broken(make_executor: MakeExecutor) -> None:
    """Two firsts of which each requests the other's key: one of them is told, both end."""
    both, ready = anyio.Event(), list[Any]()

    @agent(subscribe="start", publish="start", concurrency=4, idempotency_key="id")
    async def crossed(payload: Any, ctx: Context) -> Any:
        if "then" not in payload:
            return "inner"
        ready.append(payload)
        if len(ready) == 2:
            both.set()
        await both.wait()
        return await ctx.request("start", {"id": payload["then"]})

    async with make_executor([crossed], config={"max_attempts": 1}) as executor:
        runs = [
            await executor.start("start", {"id": one, "then": other})
            for one, other in (("a", "b"), ("b", "a"))
        ]
        reports = [await run.result() for run in runs]
        failures = [each.failure.type for report in reports for each in report.dead_letters]
        assert "DuplicateDeadlock" in failures


# -- room and budgets ------------------------------------------------------------------------


async def test_a_duplicate_waits_for_room_as_anyone(make_executor: MakeExecutor) -> None:
    """Its messages enter a full queue when there is room for them."""
    gate = Gate(concurrency=2, capacity=1, overflow="block")
    till = opened(publish="work")
    async with make_executor([till.agent, gate.agent]) as executor:
        await executor.start("start", 1, idempotency_key=KEY)
        await until(lambda: gate.handled == ["receipt 1"])
        async with await executor.start("work", "in hand") as run:
            await until(lambda: gate.handled[-1] == "in hand")
            await run.publish("work", "pending")
            await run.publish("start", 2, idempotency_key=KEY)
            await turns()
            assert run.report().dispositions == {}
            gate.open.set()
        assert (await run.result()).dispositions == {"duplicate": 1, "ok": 3}


async def test_a_duplicate_that_does_not_fit_fails(make_executor: MakeExecutor) -> None:
    """Under "reject" its messages are refused as those of the first would be, with retries."""
    gate = Gate(concurrency=2, capacity=1, overflow="reject")
    till = opened(publish="work", max_attempts=2)
    async with make_executor([till.agent, gate.agent]) as executor:
        await executor.start("start", 1, idempotency_key=KEY)
        await until(lambda: gate.handled == ["receipt 1"])
        async with await executor.start("work", "in hand") as run:
            await until(lambda: gate.handled[-1] == "in hand")
            await run.publish("work", "pending")
            await run.publish("start", 2, idempotency_key=KEY)
            await until(lambda: run.report().dead_letters_total == 1)
            gate.open.set()
        (letter,) = (await run.result()).dead_letters
        assert (letter.failure.type, letter.attempts) == ("ChannelFull", 2)


# -- keeping ---------------------------------------------------------------------------------


def test_a_result_is_kept_for_a_time() -> None:
    """After `keep_idempotency_keys_seconds` a repeat is a first again."""

    async def main() -> list[Any]:
        till = opened()
        async with simulated(till.agent) as executor:
            for number in range(4):
                await executor.run("start", number, idempotency_key=KEY)
                await anyio.sleep(11 * 3600)
        return till.calls

    assert simulate(main) == [0, 3]


@pytest.mark.parametrize(
    "bound", [{"keep_idempotency_keys": 2}, {"keep_idempotency_keys_bytes": 2_500}]
)
async def test_results_are_bounded_and_loss_is_told(
    make_executor: MakeExecutor, bound: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond so many, or so many bytes, the oldest are forgotten, with a warning."""
    till = opened(idempotency_key=str)
    async with make_executor([till.agent], config=bound) as executor:
        with caplog.at_level(logging.WARNING, "dagger"):
            for payload in ("a", "b", "c", "c", "d", "a"):
                await executor.run("start", payload)
    assert till.calls == ["a", "b", "c", "d", "a"]
    assert sum("before their time" in each.message for each in caplog.records) == 1


async def test_many_old_results_are_forgotten_a_few_at_a_time(
    make_executor: MakeExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, no message pays for all of them; but one's own is exact."""
    monkeypatch.setattr(repeating, "AT_ONCE", 2)
    till = opened(idempotency_key=str)
    config = {"keep_idempotency_keys_seconds": 0.001}
    async with make_executor([till.agent], config=config) as executor:
        for number in range(3):
            await executor.run("start", number)
        await anyio.sleep(0.01)
        await executor.run("start", 2)
        assert till.calls[-2:] == [2, 2]
        assert set(live_state(executor).repeats.done) <= {("charge", "2")}


async def test_a_result_outlives_its_run_and_its_process(
    make_executor: MakeExecutor, lasting: Store
) -> None:
    """A run may be forgotten, the executor another one: the store knows what was handled."""
    till = opened()
    for number in range(2):
        async with make_executor([till.agent], store=lasting, config={"keep_runs": 0}) as executor:
            report = await executor.run("start", number, idempotency_key=KEY)
            assert report.outputs == {"charged": ["receipt 1"]}
    assert till.calls == [0]


async def test_the_first_stays_the_first_in_the_next_process(
    make_executor: MakeExecutor, lasting: Store
) -> None:
    """What was in flight is in flight again, though another one may be taken before it."""
    calls: list[Any] = []
    gate = anyio.Event()

    @agent(subscribe="later", publish="start")
    async def later(payload: Any) -> Any:
        await gate.wait()
        return payload

    @agent(subscribe="start", publish="out", idempotency_key="id", concurrency=2)
    async def ask(payload: Any, ctx: Context) -> Any:
        calls.append(payload["number"])
        return await ctx.ask("go on?")

    async with make_executor([later, ask], store=lasting) as executor:
        await executor.start("later", {"id": 1, "number": 0}, run_id="0")
        first = await executor.start("start", {"id": 1, "number": 1}, run_id="1")
        await until(lambda: bool(first.questions))
        gate.set()
        await until(lambda: lined(executor) == 1)
    async with make_executor([later, ask], store=lasting) as executor:
        await until(lambda: calls == [1, 1] and lined(executor) == 1)
        assert [run.id for run in await executor.drain()] == ["0", "1"]
        await executor.live("1").answer("question-0", "yes")
        assert (await executor.live("0").result()).dispositions == {"ok": 1, "duplicate": 1}
        assert (await executor.live("0").result()).outputs == {"out": ["yes"]}
    assert calls == [1, 1]


async def test_a_fork_is_a_run_as_any(make_executor: MakeExecutor, store: Store | None) -> None:
    """What its parent has handled it gets as a duplicate; it does not hold the parent's keys."""
    if store is None:
        pytest.skip("a fork is made from a store")
    till = Till()
    async with make_executor([till.agent], store=store) as executor:
        parent = await executor.start("start", 1, run_id="parent", idempotency_key=KEY)
        await until(lambda: till.calls == [1])
        fork = await executor.fork("parent", "parent.0.0", run_id="fork", payload=2)
        await until(lambda: lined(executor) == 1)
        till.open.set()
        assert (await fork.result()).dispositions == {"duplicate": 1}
        assert (await parent.result()).dispositions == {"ok": 1}
    assert till.calls == [1]


async def test_a_dead_letter_is_redriven_under_its_key(make_executor: MakeExecutor) -> None:
    """If another one has succeeded meanwhile, it is a duplicate of that."""
    till = opened(max_attempts=1)
    till.failures = 1
    async with make_executor([till.agent]) as executor:
        async with await executor.start("start", 1, idempotency_key=KEY) as run:
            await until(lambda: run.report().dead_letters_total == 1)
            await executor.run("start", 2, idempotency_key=KEY)
            await executor.dead_letters.redrive(run.report().dead_letters[0].node_id, payload=3)
        assert (await run.result()).dispositions == {"duplicate": 1}
    assert till.calls == [1, 2]


async def test_watchers_are_told_of_what_it_is_a_duplicate(make_executor: MakeExecutor) -> None:
    """The outcome names the first, and tells what was published for it."""
    till = opened()
    async with make_executor([till.agent]) as executor:
        await executor.run("start", 1, run_id="one", idempotency_key=KEY)
        run = await executor.start("start", 2, idempotency_key=KEY)
        outcomes = [each async for each in run.outcomes() if isinstance(each, Outcome)]
        (outcome,) = outcomes
        assert (outcome.status, outcome.duplicate_of) == ("duplicate", "charge:one.1")
        assert outcome.outputs == [("charged", "receipt 1")]


# -- a model ---------------------------------------------------------------------------------

WORK = st.tuples(
    st.integers(0, 2),  # the key
    st.sampled_from(["ok", "ok", "dies", "retries", "sleeps", "cancelled"]),
    st.integers(0, 3),  # seconds until it is published
)


@given(work=st.lists(WORK, max_size=12), concurrency=st.integers(1, 3), seed=st.integers(0, 9))
def test_of_one_key_one_is_ok(
    work: list[tuple[int, str, int]], concurrency: int, seed: int
) -> None:
    """Whatever fails, waits and is cancelled, and in whatever order: never are two handlers of
    one key at work, one of them succeeds if any can, all others after it are duplicates.
    """
    busy: Counter[int] = Counter()
    store = MemoryStore()

    @agent(
        subscribe="start",
        publish="out",
        idempotency_key="id",
        concurrency=concurrency,
        max_attempts=2,
        retry=Linear(2),
    )
    async def handle(payload: Any, ctx: Context) -> Any:
        busy[payload["id"]] += 1
        assert busy[payload["id"]] == 1, "two at once"
        try:
            await anyio.sleep(0.5)
            match payload["what"]:
                case "dies":
                    raise ValueError
                case "retries" if ctx.attempt == 1:
                    raise ValueError
                case "sleeps" | "cancelled":
                    await ctx.sleep(3)
        finally:
            busy[payload["id"]] -= 1
        return payload["number"]

    async def one(executor: Executor, number: int, found: dict[int, Any]) -> None:
        key, what, later = work[number]
        await anyio.sleep(later)
        run = await executor.start("start", {"id": key, "what": what, "number": number})
        if what == "cancelled":
            await anyio.sleep(2)
            await run.cancel()
        found[number] = await run.result()

    async def main() -> dict[int, Any]:
        found: dict[int, Any] = {}
        async with simulated(handle, store=store) as executor:
            async with anyio.create_task_group() as tasks:
                for number in range(len(work)):
                    tasks.start_soon(one, executor, number, found)
            agree(live_state(executor), store)
        return found

    reports = simulate(main, seed=seed)
    for key in {each[0] for each in work}:
        mine = {n: reports[n] for n in reports if work[n][0] == key}
        ends = Counter(end for each in mine.values() for end in each.dispositions)
        for each in mine.values():
            assert_conserved(each)
        assert ends["ok"] <= 1
        assert ends["ok"] or not ends["duplicate"]
        good = {n for n in mine if work[n][1] in ("ok", "retries", "sleeps")}
        assert ends["ok"] == 1 or not good
        results = {out for each in mine.values() for out in each.outputs.get("out", [])}
        assert len(results) <= 1

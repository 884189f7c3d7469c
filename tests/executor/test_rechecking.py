"""Rechecking: a stored run against today's code, which is told where it would differ."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from dagger import (
    Agent,
    BudgetExceeded,
    Config,
    Context,
    Executor,
    Immediate,
    LmdbStore,
    MemoryStore,
    NoResponder,
    ResponderFailed,
    ScatterFailed,
    agent,
)
from dagger.authoring.fingerprint import fingerprint
from dagger.authoring.registry import registry
from dagger.executor.rechecking import Difference, recheck
from dagger.executor.recovery import restored
from dagger.store.contract import Source
from dagger.store.reader import StoreReader
from dagger.words.errors import RunNotFound
from dagger.words.payload import encode
from tests.waiting import in_hand, until

CONFIG = Config(retry_strategy=Immediate(), max_attempts=2)


async def stored(agents: Sequence[Agent], payload: Any, channel: str = "start") -> MemoryStore:
    """The store of one run of these agents."""
    store = MemoryStore()
    async with Executor(agents, store=store, config=CONFIG) as executor:
        await executor.run(channel, payload, run_id="r")
    return store


async def rechecked(source: Source, *agents: Agent, bodies: bool = True) -> list[str]:
    """The differences of its first run, as they are told; nothing is written."""
    before = len(list(source.read()))
    found = await recheck(source, 1, agents, allow_bodies=bodies)
    assert len(list(source.read())) == before
    return list(map(str, found))


def made(body: Callable[..., Any], name: str = "a", **options: Any) -> Agent:
    """An agent of a handler that is a test's own; its name may be another one's as well."""
    registry.clear()
    return agent(**{"name": name, "subscribe": "start", "publish": "out", **options})(body)


@agent(subscribe="start", publish="items", publish_each=True)
async def spread(payload: Any) -> Any:
    """One message for each item."""
    return payload


# -- code that has not changed -------------------------------------------------------


async def test_blocks_of_budgets_are_as_they_were() -> None:
    """What was spent and published in a block draws on it again, and what was too much is."""

    async def body(payload: Any, ctx: Context) -> Any:
        async with ctx.budget(tokens=10, messages=2, seconds=60) as budget:
            await ctx.spend(4, cost=0.5)
            await ctx.emit("out", budget.left.tokens)
            await ctx.emit("out", budget.left.messages)
            said = list[str]()
            for attempt in (ctx.spend(7), ctx.emit("out", 3)):
                try:
                    await attempt
                except BudgetExceeded as error:
                    said.append(f"{error.budget} {error.wanted}")
        return said

    source = await stored([made(body)], 1)
    assert await rechecked(source, made(body)) == []
    assert [each.payload for each in restored(source).runs[1].outputs or ()][-1] == encode(
        ["tokens 11", "messages 3"]
    )


class Failing(Exception):
    """An error of a user's own."""


def everything() -> list[Agent]:
    """Agents that do all there is to do, several at once."""
    flaky: set[Any] = set()

    @agent(subscribe="items", publish=["out", "work", "ask"], concurrency=8, on_failure="continue")
    async def busy(payload: int, ctx: Context) -> Any:
        ctx.tasks.add_task("job", {"number": payload}, 3)
        ctx.cache.increment("count", payload)
        ctx.cache.update("all", lambda seen: [*(seen or []), payload])
        ctx.shared.set(f"last {payload}", payload)
        drawn = await ctx.step("draw", random.random)
        await anyio.lowlevel.checkpoint()
        twice = await ctx.step("twice", lambda: payload * 2, key=str(payload))
        await ctx.sleep(0.001 * (payload % 3))
        if payload % 5 == 4:
            raise Failing(payload)
        answer = await ctx.request("ask", {"of": payload})
        ctx.publish("work", {"drawn": drawn, "twice": twice, "answer": answer})
        ctx.publish("out", payload, key=str(payload))

    @agent(subscribe="ask", concurrency=3)
    def answer(payload: Any) -> Any:
        if payload["of"] not in flaky:
            flaky.add(payload["of"])
            raise Failing("not at first")
        return payload["of"] ** 2

    @agent(subscribe="work", publish="done", concurrency=4, key=lambda work: work["twice"] % 3)
    async def worker(payload: Any, ctx: Context) -> AsyncIterator[Any]:
        task = ctx.tasks.claim_task("job")
        assert task is not None
        await anyio.sleep(0.001)
        waiting = len(ctx.tasks.get_tasks_by_status("InProgress")) > 0
        ctx.tasks.complete_task(task.id, True)
        yield {"job": task.data, "waiting": waiting}
        await ctx.emit("done", payload)
        yield ctx.attempt

    @agent(subscribe="done", publish="seen")
    def lister(payload: Any, cache: Any, executor: Any) -> Iterator[Any]:
        names = [each.name for each in executor.list_agents()]
        yield [
            payload,
            cache.get("count") is not None,
            len(names),
            len(executor.list_channels()) > 3,
        ]

    return [spread, busy, answer, worker, lister]


async def test_items_of_a_stream_are_compared() -> None:
    """As they stood in the end, whichever attempt had said them; the first that differs is told."""

    async def said(payload: Any, ctx: Context) -> AsyncIterator[int]:
        yield 0
        yield 1 if ctx.attempt == 1 else 2
        if ctx.attempt == 1:
            raise ValueError("once more")
        yield 3

    def says_now(payload: Any) -> Iterator[int]:
        yield 0
        yield 2
        yield 4

    store = await stored([made(said, stream=True)], None)
    assert await rechecked(store, made(said, stream=True)) == []
    assert await rechecked(store, made(says_now, stream=True)) == ["a:r.1: item 2: out 3 → out 4"]


async def test_the_same_code_does_the_same() -> None:
    """Whatever agents do, and however many at once: none of it differs when done again."""
    agents = everything()
    store = await stored(agents, list(range(40)))
    assert restored(store).runs[1].handled == 201
    assert await rechecked(store, *agents) == []
    assert await rechecked(store, *agents, bodies=False) == []


async def test_a_run_that_others_went_on_with(tmp_path: Path) -> None:
    """So it is over a store on disk, after it was opened again, of an open run and of a fork."""
    agents = everything()
    store = LmdbStore(tmp_path / "store")
    async with Executor(agents, store=store, config=CONFIG) as executor:
        await executor.start("start", list(range(20)), run_id="r")
        await until(lambda: executor.live("r").report().handled > 10)
    async with Executor(agents, store=store, config=CONFIG) as executor:
        await executor.live("r").result()
        await (await executor.fork("r", "r.1.3", frontier=True)).result()
    with StoreReader(tmp_path / "store") as reader, reader.still():
        for number in (1, 2):
            found = await recheck(reader, number, agents, allow_bodies=True)
            assert list(map(str, found)) == []


async def test_answers_of_people_are_given_again() -> None:
    """`ask` returns what was answered; questions that wait for people are none of its business."""

    async def asking(payload: Any, ctx: Context) -> Any:
        return [await ctx.ask({"sure": each}, name=each) for each in payload]

    asker, store = made(asking), MemoryStore()
    async with Executor([asker], store=store, config=CONFIG) as executor:
        live = await executor.start("start", ["one", "two"], run_id="r")
        await live.result()
        await live.answer("one", True)
        assert await rechecked(store, asker) == []
        await live.result()
        await live.answer("two", {"no": 1})
        assert (await live.result()).outputs == {"out": [[True, {"no": 1}]]}
    assert await rechecked(store, asker) == []


async def test_a_step_that_fails_again_is_no_difference() -> None:
    """The record has no result of a step that failed; the same code is taken to fail there."""

    def broken() -> None:
        raise Failing("for good")

    async def failing(payload: Any, ctx: Context) -> Any:
        await ctx.step("good", lambda: 1)
        await ctx.step("bad", broken)

    store = await stored([made(failing)], 1)
    assert await rechecked(store, made(failing)) == []


async def test_what_others_have_caused_is_passed_over() -> None:
    """Timeouts, cancellations and full queues are no doing of the code."""

    async def slow(payload: Any) -> Any:
        await anyio.sleep_forever()

    async def eager(payload: Any, ctx: Context) -> None:
        for _ in range(3):
            ctx.publish("slow", payload)

    slow_one = made(slow, "slow", subscribe="slow", timeout=0.01, capacity=2, overflow="reject")
    store = await stored([slow_one, made(eager, "eager", publish="slow")], 1)
    assert await rechecked(store, slow_one, made(eager, "eager", publish="slow")) == []
    store = MemoryStore()
    async with Executor([made(slow)], store=store, config=CONFIG) as executor:
        live = await executor.start("start", 1, run_id="r")
        await until(lambda: in_hand(executor) == 1)
        await live.cancel()
    assert await rechecked(store, made(slow)) == []


# -- code that has changed -----------------------------------------------------------


async def one(payload: Any, ctx: Context) -> Any:
    """What the record is of, in most of these tests."""
    ctx.cache.set("seen", payload)
    ctx.tasks.create_or_update_task("t", "kind", payload)
    return payload


async def wider(payload: Any, ctx: Context) -> Any:
    """It publishes more."""
    ctx.publish("out", payload)
    return await one(payload, ctx)


async def other(payload: Any, ctx: Context) -> Any:
    """It publishes something else."""
    await one(payload, ctx)
    return {"a": payload}


async def silent(payload: Any, ctx: Context) -> None:
    """It publishes nothing."""
    await one(payload, ctx)


async def forgetful(payload: Any) -> Any:
    """It remembers nothing."""
    return payload


async def remembering(payload: Any, ctx: Context) -> Any:
    """It remembers something else."""
    ctx.cache.set("seen", [payload])
    ctx.tasks.create_or_update_task("t", "kind", [payload])
    return payload


async def failing(payload: Any, ctx: Context) -> Any:
    """It fails, and has changed nothing."""
    raise Failing("now")


async def asking_more(payload: Any, ctx: Context) -> Any:
    """It takes a step that was not taken, whatever comes of it."""
    try:
        await ctx.step("look", pytest.fail, "a step was taken")
    except Exception:
        return None


async def asking_at_once(payload: Any, ctx: Context) -> None:
    """It takes one in a task of its own."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ctx.step, "look", pytest.fail, "a step was taken")
        await anyio.sleep_forever()


async def napping(payload: Any, ctx: Context) -> Any:
    """It sleeps."""
    await ctx.sleep(3600)


async def uncalled() -> None:
    """It must not be called."""
    pytest.fail("a handler was called")


CHANGED: list[tuple[Any, list[str]]] = [
    (wider, ["a:r.1: message 1: none → out 7"]),
    (other, ['a:r.1: message 0: out 7 → out {"a": 7}']),
    (silent, ["a:r.1: message 0: out 7 → none"]),
    (
        forgetful,
        [
            "a:r.1: cache write 0: set default.seen 7 → none",
            "a:r.1: task write 0: put t kind 7 → none",
        ],
    ),
    (
        remembering,
        [
            "a:r.1: cache write 0: set default.seen 7 → set default.seen [7]",
            "a:r.1: task write 0: put t kind 7 → put t kind [7]",
        ],
    ),
    (failing, ["a:r.1: end: ok → failed, Failing: now"]),
    (asking_more, ["a:r.1: end: ok → asks for step 'look', which was not taken"]),
    (asking_at_once, ["a:r.1: end: ok → asks for step 'look', which was not taken"]),
    (napping, ["a:r.1: end: ok → asks for sleep 'sleep', which was not taken"]),
]


@pytest.mark.parametrize(
    ("now", "expected"), CHANGED, ids=lambda each: getattr(each, "__name__", "")
)
async def test_what_differs_is_told(now: Any, expected: list[str]) -> None:
    """Messages, writes, ends and failures, each with what was and what is."""
    assert await rechecked(await stored([made(one)], 7), made(now)) == expected


async def test_another_failure_is_told() -> None:
    """The type of a failure counts, its text does not."""

    async def wrong(payload: Any) -> Any:
        raise ValueError(payload)

    async def wrong_too(payload: Any) -> Any:
        raise ValueError("in other words")

    store = await stored([made(wrong)], 7)
    assert await rechecked(store, made(wrong_too)) == []
    assert await rechecked(store, made(failing)) == ["a:r.1: failure: ValueError: 7 → Failing: now"]
    assert await rechecked(store, made(forgetful)) == ["a:r.1: end: failed, ValueError: 7 → ok"]
    assert await rechecked(store, made(asking_more)) == [
        "a:r.1: end: failed, ValueError: 7 → asks for step 'look', which was not taken"
    ]


async def test_replies_and_requests_are_compared() -> None:
    """What is asked of others under one key, what they reply, and what is asked anew."""

    async def asking(payload: Any, ctx: Context) -> Any:
        return await ctx.request("ask", payload)

    async def asking_else(payload: Any, ctx: Context) -> Any:
        return await ctx.request("ask", [payload])

    async def asking_twice(payload: Any, ctx: Context) -> Any:
        return [await ctx.request("ask", payload), await ctx.request("ask", payload)]

    async def asking_nobody(payload: Any, ctx: Context) -> Any:
        return await ctx.request("nowhere", payload, key="new")

    async def twice(payload: Any) -> Any:
        return payload * 2

    async def thrice(payload: Any) -> Any:
        return payload * 3

    anything = {"publish": ["ask", "nowhere", "out"]}

    def asker(body: Any) -> Agent:
        async def handle(payload: Any, ctx: Context) -> None:
            ctx.publish("out", await body(payload, ctx))

        return made(handle, "asker", **anything)

    def answerer(body: Any) -> Agent:
        return made(body, "answerer", subscribe="ask", publish=())

    store = await stored([asker(asking), answerer(twice)], 7)
    assert await rechecked(store, asker(asking), answerer(thrice)) == [
        "answerer:r.2: reply 0: [1, 14] → [1, 21]"
    ]
    assert await rechecked(store, asker(asking_else), answerer(twice)) == [
        "asker:r.1: request #0: ask 7 → ask [7]"
    ]
    assert await rechecked(store, asker(asking_twice), answerer(twice)) == [
        "asker:r.1: end: ok → asks for a reply on 'ask', which was not taken"
    ]
    assert await rechecked(store, asker(asking_nobody), answerer(twice)) == [
        "asker:r.1: end: ok → failed, NoResponder: request on channel 'nowhere': no agent "
        "subscribes to it; register one that does"
    ]


async def test_replies_to_many_are_given_again() -> None:
    """`scatter`, `timeout=` and `ctx.reply`: what came is told again, and why there was nothing."""

    async def asking(payload: Any, ctx: Context) -> None:
        try:
            ctx.publish("out", await ctx.scatter("ask", payload, limit=2, timeout=60))
        except ScatterFailed as error:
            ctx.publish("out", [error.results, [str(each) for each in error.failures.values()]])
        try:
            await ctx.scatter("ask", payload, first_failure=True)
        except ResponderFailed as error:
            ctx.publish("out", error.failure.message)
        try:
            await ctx.request("nowhere", 1)
        except NoResponder as error:
            ctx.publish("out", error.channel)

    async def replying(payload: int, ctx: Context) -> str:
        if payload < 0:
            raise Failing(payload)
        ctx.reply(payload * 2)
        return "elsewhere"

    asker = made(asking, "asker", publish=["ask", "nowhere", "out"])
    answerer = made(replying, "answerer", subscribe="ask", on_failure="continue")
    for payload in ([1, 2, 3], [1, -2, 3, -4]):
        store = await stored([asker, answerer], payload)
        assert restored(store).runs[1].status == "completed"
        assert await rechecked(store, asker, answerer) == []


async def test_claims_are_those_of_the_record() -> None:
    """A task that was claimed is claimed again, though others have claimed theirs meanwhile;
    of what was not, there is none.
    """

    async def plan(payload: Any, ctx: Context) -> Any:
        for each in range(payload):
            ctx.tasks.add_task("job", each, 1)
        return list(range(payload))

    def worker(*kinds: str) -> Agent:
        async def work(payload: Any, ctx: Context) -> Any:
            tasks = [ctx.tasks.claim_task(kind) for kind in kinds]
            await anyio.sleep(0.001 * (payload % 2))
            for task in tasks:
                if task is not None:
                    ctx.tasks.complete_task(task.id, True)
            return [task and task.data for task in tasks]

        return made(work, "worker", subscribe="items", concurrency=4)

    planner = made(plan, "planner", publish="items", publish_each=True)
    store = await stored([planner, worker("job")], 6)
    assert await rechecked(store, planner, worker("job")) == []
    assert await rechecked(store, planner, worker("other", "job")) == [
        f"worker:r.{2 + each}: message 0: out [{each}] → out [null, {each}]" for each in range(6)
    ]
    found = await rechecked(store, planner, worker())
    assert "worker:r.2: claim 0: r.1.t0 → none" in found


async def test_input_that_is_not_taken_any_more() -> None:
    """Also without a body: what a schema, a model or a key refuses now, and what it takes now."""
    store = await stored([made(one)], {"id": 1})
    strict = made(one, input_schema={"required": ["x"]})
    for bodies in (True, False):
        *_, found = await rechecked(store, strict, bodies=bodies)
        assert found.startswith("a:r.1: end: ok → rejected, ValidationError: input of agent 'a'")
        *_, found = await rechecked(store, made(one, key="name"), bodies=bodies)
        assert found.startswith("a:r.1: end: ok → failed, LookupError")
    store = await stored([strict], {"id": 1})
    for bodies in (True, False):
        *_, found = await rechecked(store, made(failing), bodies=bodies)
        assert found.startswith("a:r.1: end: rejected, ValidationError")
        assert found.endswith("→ accepted")


async def test_what_is_pending_is_looked_at() -> None:
    """A message that waits for an agent which will reject it is told beforehand."""

    async def slow(payload: Any) -> Any:
        await anyio.sleep_forever()

    store = MemoryStore()
    async with Executor([made(slow)], store=store, config=CONFIG) as executor:
        await executor.start("start", {"id": 1}, run_id="r")
        await until(lambda: in_hand(executor) == 1)
    new = made(one, input_schema={"version": 2, "required": ["x"]}, upcast={1: dict})
    (found,) = await rechecked(store, new)
    assert found.startswith("a:r.1: end: pending → rejected, ValidationError")
    assert await rechecked(store, made(one, input_schema={"required": ["id"]})) == []


async def test_a_handler_that_hangs_is_timed_out() -> None:
    """An agent's own timeout holds here too."""

    async def hanging(payload: Any) -> Any:
        await anyio.sleep_forever()

    store = await stored([made(one)], 7)
    (found,) = await rechecked(store, made(hanging, timeout=0.01))
    assert found.startswith("a:r.1: end: ok → failed, TimeoutExceeded")


# -- agents --------------------------------------------------------------------------


async def test_without_bodies_changed_code_is_all_that_is_told() -> None:
    """No handler is called: agents that are other code are named with both fingerprints."""
    was, now = made(one), made(uncalled)
    store = await stored([was], 7)
    assert await rechecked(store, now, bodies=False) == [
        f"a: code: {fingerprint(was)} → {fingerprint(now)}"
    ]


@pytest.mark.parametrize("bodies", [True, False])
async def test_missing_agents_are_told(bodies: bool) -> None:
    """Who had something to do and is not there any more, once."""
    store = await stored([spread, made(one, subscribe="items")], [1, 2, 3])
    found = await recheck(store, 1, [spread], allow_bodies=bodies)
    assert found == [Difference("", "a", "agent", "there", "missing")]


async def test_a_run_that_is_not_there() -> None:
    """It raises RunNotFound."""
    store = await stored([made(one)], 7)
    with pytest.raises(RunNotFound):
        await recheck(store, 2, [made(one)], allow_bodies=True)

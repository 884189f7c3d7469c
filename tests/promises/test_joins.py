"""Joins: messages that are handled together, exactly once, and nothing waits for ever."""

from __future__ import annotations

import gc
from typing import Any, TypedDict

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagger import (
    Agent,
    Config,
    Context,
    DefinitionError,
    ExecutionError,
    Executor,
    LoopClock,
    MemoryStore,
    Report,
    Store,
    agent,
    all_of,
    batch,
    first_of,
    gather,
)
from tests.promises.conftest import MakeExecutor
from tests.virtual import on_virtual_time
from tests.waiting import until


@agent(subscribe="start", publish=["a", "b", "c"])
async def split(payload: dict[str, list[Any]], ctx: Context) -> None:
    """Publish so many messages on each channel."""
    for channel, values in payload.items():
        for value in values:
            ctx.publish(channel, value)


def both(**options: Any) -> Agent:
    """A join of a and b, which publishes what it gets."""

    @agent(subscribe=all_of("a", "b"), publish="out", **options)
    async def both(payload: dict[str, Any]) -> Any:
        return payload

    return both


# -- all of --------------------------------------------------------------------------


async def test_all_of_waits_for_one_of_each(make_executor: MakeExecutor) -> None:
    """The handler is called once, with the payloads by channel, in whichever order they came."""
    async with make_executor([split, both()]) as executor:
        for order in ("ab", "ba"):
            report = await executor.run("start", {each: [each.upper()] for each in order})
            assert report.status == "completed"
            assert report.outputs == {"out": [{"a": "A", "b": "B"}]}
            assert report.agents["both"].dispositions == {"ok": 1, "joined": 1}


async def test_parts_are_matched_in_order(make_executor: MakeExecutor) -> None:
    """Of several in one scope, the first of each channel belong together, then the second."""
    async with make_executor([split, both()]) as executor:
        report = await executor.run("start", {"a": [1, 2, 3], "b": [4, 5, 6]})
    assert report.outputs == {"out": [{"a": x, "b": x + 3} for x in (1, 2, 3)]}


async def test_many_parts_are_not_looked_through_again_and_again(
    make_executor: MakeExecutor,
) -> None:
    """A collection of garbage does not come with every few of thousands of parts: their cost
    does not grow with their number.
    """
    parts, passes = 20_000, list[int]()

    @agent(subscribe="start", publish="part", publish_each=True)
    async def source(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe=gather("part"), publish="out")
    async def count(payload: list[int]) -> int:
        return len(payload)

    def noted(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            passes.append(info["generation"])

    async with make_executor([source, count]) as executor:
        gc.callbacks.append(noted)
        try:
            report = await executor.run("start", parts)
        finally:
            gc.callbacks.remove(noted)
    assert report.outputs == {"out": [parts]}
    assert len(passes) < parts / 400


async def test_a_join_that_lacks_a_part(make_executor: MakeExecutor) -> None:
    """Where a part can never come the run ends, stalled, and says what is held and lacking."""
    async with make_executor([split, both()]) as executor:
        report = await executor.run("start", {"a": [1, 2], "b": [3]})
    assert report.status == "stalled"
    assert report.reason == "join both holds a, lacks b, and nothing can publish it any more"
    assert report.outputs == {"out": [{"a": 1, "b": 3}]}
    assert report.agents["both"].dispositions == {"ok": 1, "joined": 1, "discarded": 1}


async def test_scopes_keep_apart(make_executor: MakeExecutor) -> None:
    """Parts belong together that descend from the same message on the scope channel."""

    @agent(subscribe="start", publish="round", publish_each=True)
    async def rounds(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="round", publish="a", concurrency=9)
    async def left(payload: int) -> Any:
        for _ in range(payload % 3):
            await anyio.lowlevel.checkpoint()
        return payload

    @agent(subscribe="round", publish="b", concurrency=9)
    async def right(payload: int) -> Any:
        for _ in range(payload % 5):
            await anyio.lowlevel.checkpoint()
        return payload if payload != 4 else None

    async with make_executor([rounds, left, right, both(scope="round")]) as executor:
        report = await executor.run("start", 10)
    assert report.status == "stalled"
    found = sorted(each["a"] for each in report.outputs["out"])
    assert found == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert all(each["a"] == each["b"] for each in report.outputs["out"])
    assert "holds a, lacks b" in report.reason


async def test_a_scope_ends_before_its_run(make_executor: MakeExecutor) -> None:
    """An unfilled join in a scope is settled when the scope closes, while the run goes on."""
    gate = anyio.Event()

    @agent(subscribe="start", publish=["round", "slow"])
    async def begin(ctx: Context) -> None:
        ctx.publish("round", 1)
        ctx.publish("slow", 1)

    @agent(subscribe="round", publish="a")
    async def left() -> int:
        return 1

    @agent(subscribe="slow")
    async def slow() -> None:
        await gate.wait()

    async with make_executor([begin, left, slow, both(scope="round")]) as executor:
        run = await executor.start("start", None)
        await until(lambda: "both" in run.report().agents)
        await until(lambda: run.report().agents["both"].dispositions == {"discarded": 1})
        assert run.status == "running"
        gate.set()
        assert (await run.result()).status == "stalled"


async def test_a_join_by_key(make_executor: MakeExecutor) -> None:
    """With by="key" messages of the same key belong together, wherever they come from."""
    async with make_executor([both(by="key")]) as executor:
        async with await executor.start("a", 1) as run:
            for channel, key, value in [("a", "x", 2), ("b", "y", 3), ("b", "x", 4), ("a", "y", 5)]:
                await run.publish(channel, value, key=key)
            await until(lambda: run.report().agents["both"].dispositions.get("ok") == 2)
        report = await run.result()
    assert report.outputs == {"out": [{"a": 2, "b": 4}, {"a": 5, "b": 3}]}
    assert report.status == "stalled"  # the first one has no key, and no partner


# -- gather --------------------------------------------------------------------------


def collected(**options: Any) -> Agent:
    """An agent that gathers c, and publishes what it gets."""

    @agent(subscribe=gather("c"), publish="out", **options)
    async def collected(payload: list[Any]) -> Any:
        return payload

    return collected


@pytest.mark.parametrize("count", [1, 2, 100])
async def test_gather_takes_all(make_executor: MakeExecutor, count: int) -> None:
    """However many come, the handler gets all of them in a list, once, and in order."""
    async with make_executor([split, collected()]) as executor:
        report = await executor.run("start", {"c": list(range(count))})
    assert (report.status, report.outputs) == ("completed", {"out": [list(range(count))]})
    ends = {"ok": 1, "joined": count - 1} if count > 1 else {"ok": 1}
    assert report.agents["collected"].dispositions == ends


async def test_gather_waits_for_the_slowest(make_executor: MakeExecutor) -> None:
    """It is called when nothing more can come: after retries, waits and detours."""

    @agent(subscribe="start", publish="work", publish_each=True)
    async def plan(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="work", publish=["work", "c"], hears_itself=True, concurrency=4)
    async def work(payload: int, ctx: Context) -> None:
        if payload == 3 and ctx.attempt < 3:
            raise ValueError("again")
        if payload == 5:
            await ctx.sleep(0.01)
        if payload % 2:
            ctx.publish("work", payload * 2)
        else:
            ctx.publish("c", payload)

    async with make_executor([plan, work, collected()]) as executor:
        report = await executor.run("start", 8)
    [values] = report.outputs["out"]
    assert sorted(values) == [0, 2, 2, 4, 6, 6, 10, 14]


async def test_a_gather_in_a_gather(make_executor: MakeExecutor) -> None:
    """Each job gathers its own items, and the run gathers the jobs; also where both hear
    something at once.
    """

    @agent(subscribe="start", publish="job", publish_each=True)
    async def jobs(payload: list[int]) -> list[int]:
        return payload

    @agent(subscribe="job", publish="item", publish_each=True)
    async def items(payload: int) -> list[int]:
        return [payload * 10 + each for each in range(payload)]

    @agent(subscribe="item", publish="done", concurrency=3)
    async def double(payload: int) -> int:
        await anyio.lowlevel.checkpoint()
        return 2 * payload

    @agent(subscribe=gather("done"), scope="job", publish="c")
    async def reduce(payload: list[int]) -> int:
        return sum(payload)

    async with make_executor([jobs, items, double, reduce, collected()]) as executor:
        report = await executor.run("start", [1, 2, 3, 0])
    assert report.status == "completed"
    [sums] = report.outputs["out"]
    assert sorted(sums) == [20, 82, 186]
    assert report.agents["reduce"].dispositions == {"ok": 3, "joined": 3}


async def test_who_sends_to_another_goes_first(make_executor: MakeExecutor) -> None:
    """Of two that gather in one scope, the one that the other hears is called before it."""

    @agent(subscribe=gather("a"), publish="c")
    async def first(payload: list[int]) -> int:
        return sum(payload)

    async with make_executor([collected(), split, first]) as executor:
        report = await executor.run("start", {"c": [1], "a": [10, 20]})
    assert report.outputs == {"out": [[1, 30]]}


async def test_nothing_to_gather(make_executor: MakeExecutor) -> None:
    """Where nothing came the handler is not called, and the run completes."""
    async with make_executor([split, collected(), both()]) as executor:
        report = await executor.run("start", {})
    assert (report.status, report.outputs) == ("completed", {})


async def test_a_run_that_is_held_open_gathers_on(make_executor: MakeExecutor) -> None:
    """As long as somebody may publish into a run, its own scope stays open."""
    async with make_executor([collected()]) as executor:
        async with await executor.start("c", 0) as run:
            for number in range(1, 4):
                await run.publish("c", number)
        report = await run.result()
    assert report.outputs == {"out": [[0, 1, 2, 3]]}


# -- first of, batch -----------------------------------------------------------------


async def test_first_of_takes_one(make_executor: MakeExecutor) -> None:
    """The first message of a scope is handled; later ones are cancelled and counted."""

    @agent(subscribe=first_of("a", "b"), publish="out")
    async def fastest(payload: Any, channel: str) -> Any:
        return [channel, payload]

    async with make_executor([split, fastest]) as executor:
        report = await executor.run("start", {"b": [1, 2], "a": [3]})
    assert (report.status, report.outputs) == ("completed", {"out": [["b", 1]]})
    assert report.agents["fastest"].dispositions == {"ok": 1, "cancelled": 2}


async def test_a_batch_of_a_size(make_executor: MakeExecutor) -> None:
    """So many messages at a time; what is left is handled when the run would end."""

    @agent(subscribe=batch("c", size=3), publish="out")
    async def batches(payload: list[int]) -> Any:
        return payload

    async with make_executor([split, batches]) as executor:
        report = await executor.run("start", {"c": list(range(8))})
    assert report.outputs == {"out": [[0, 1, 2], [3, 4, 5], [6, 7]]}


def test_a_batch_in_time() -> None:
    """`within` seconds after its first message a batch is handled as it is."""
    found: list[tuple[float, list[int]]] = []
    clock = LoopClock(0.0)

    @agent(subscribe=batch("c", size=3, within=60))
    async def batches(payload: list[int]) -> None:
        found.append((round(clock.now()), payload))

    async def main() -> None:
        async with Executor([batches], clock=clock) as executor:
            async with await executor.start("c", 0) as run:
                for number in range(1, 8):
                    await anyio.sleep(25)
                    await run.publish("c", number)
                await anyio.sleep(1_000)
            await run.result()

    on_virtual_time(main)
    assert found == [(50, [0, 1, 2]), (125, [3, 4, 5]), (210, [6, 7])]


# -- bad parts, failures -------------------------------------------------------------


class Pair(TypedDict):
    a: int
    b: str


async def test_a_part_that_is_wrong_is_rejected_alone(make_executor: MakeExecutor) -> None:
    """A part that breaks its schema goes to the dead letters; the others wait for another."""

    @agent(subscribe=all_of("a", "b"), publish="out")
    async def typed(payload: Pair) -> Any:
        return payload

    @agent(subscribe=gather("c"), publish="sums")
    async def summed(payload: list[int]) -> int:
        return sum(payload)

    async with make_executor([split, typed, summed]) as executor:
        parts = {"a": ["one", 1], "b": ["x"], "c": [1, "two", 3]}
        report = await executor.run("start", parts)
    assert report.outputs == {"out": [{"a": 1, "b": "x"}], "sums": [4]}
    assert report.status == "failed"
    assert sorted(each.payload for each in report.dead_letters) == ["one", "two"]
    assert report.agents["typed"].dispositions == {"ok": 1, "joined": 1, "rejected": 1}
    assert report.agents["summed"].dispositions == {"ok": 1, "joined": 1, "rejected": 1}


async def test_an_attempt_at_a_join_is_tried_again(make_executor: MakeExecutor) -> None:
    """A join that fails is tried again with the same parts; failed for good they end with it."""
    got: list[Any] = []

    @agent(subscribe=gather("c"), max_attempts=3)
    async def failing(payload: list[int]) -> None:
        got.append(payload)
        raise ValueError("no")

    async with make_executor([split, failing]) as executor:
        report = await executor.run("start", {"c": [1, 2]})
    assert got == [[1, 2]] * 3
    assert report.agents["failing"].dispositions == {"dead": 1, "joined": 1}


async def test_a_rejected_part_can_be_mended(make_executor: MakeExecutor) -> None:
    """Redriven with a payload that fits it takes its place among the others."""

    @agent(subscribe=all_of("a", "b"), publish="out")
    async def typed(payload: Pair) -> Any:
        return payload

    async with make_executor([split, typed]) as executor:
        async with await executor.start("start", {"a": ["one"], "b": ["x"]}) as run:
            await until(lambda: bool(executor.dead_letters.list()))
            [letter] = executor.dead_letters.list()
            await executor.dead_letters.redrive(letter.node_id, payload=1)
        report = await run.result()
    assert (report.status, report.outputs) == ("completed", {"out": [{"a": 1, "b": "x"}]})


async def test_a_whole_of_a_mended_part_can_be_cancelled(make_executor: MakeExecutor) -> None:
    """Parts that are not handled any more end once each, in whatever order they came."""

    @agent(subscribe=all_of("a", "b"), publish="out")
    async def typed(payload: Pair) -> Any:
        return payload

    async with make_executor([split, typed]) as executor:
        run = await executor.start("start", {"a": ["one"], "b": ["x"]})
        async with run:
            await until(lambda: len(run.report().dead_letters) == 1)
            await run.pause("to look at it")
            [letter] = run.report().dead_letters
            await executor.dead_letters.redrive(letter.node_id, payload=1)
            report = await run.cancel()
    assert report.status == "cancelled"
    assert report.agents["typed"].dispositions in ({"cancelled": 2}, {"cancelled": 1, "joined": 1})


async def test_what_was_handled_together_is_not_redriven(make_executor: MakeExecutor) -> None:
    """A dead join cannot go on in its run, since its other parts are gone; that is said."""

    @agent(subscribe=gather("c"), scope="start", max_attempts=1)
    async def failing(payload: list[int]) -> None:
        raise ValueError("no")

    @agent(subscribe="wait")
    async def waiting(ctx: Context) -> None:
        await ctx.ask("go on?")

    async with make_executor([split, failing, waiting]) as executor:
        async with await executor.start("wait", None) as run:
            await run.publish("start", {"c": [1, 2]})
            await until(lambda: bool(executor.dead_letters.list()))
            [letter] = executor.dead_letters.list()
            with pytest.raises(ExecutionError, match="handled together with other messages"):
                await executor.dead_letters.redrive(letter.node_id)
            await run.answer("question-0", True)
        assert (await run.result()).status == "failed"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"subscribe": "a", "scope": "b"}, "scope= and by= are for"),
        ({"subscribe": all_of("a", "b"), "by": "name"}, 'by= is "key"'),
        ({"subscribe": all_of("a", "b"), "by": "key", "scope": "c"}, "has no scope"),
        ({"subscribe": batch("a", size=2), "scope": "c"}, "has no scope"),
        ({"subscribe": gather("a"), "scope": 5}, "the name of a channel"),
    ],
)
def test_joins_that_cannot_be(options: Any, problem: str) -> None:
    """What contradicts itself is refused when it is declared."""

    async def handler(payload: Any) -> None:
        pass

    with pytest.raises(DefinitionError, match=problem):
        agent(**options)(handler)
    with pytest.raises(DefinitionError, match="two or more channels"):
        all_of("a")
    with pytest.raises(DefinitionError, match="each once"):
        first_of("a", "a")
    with pytest.raises(DefinitionError, match="size="):
        batch("a")


# -- restarts ------------------------------------------------------------------------


async def test_a_join_survives_half_filled(
    make_executor: MakeExecutor, store: Store | None
) -> None:
    """What was held when the process ended is held when it goes on, with its scopes."""
    store, seen = store or MemoryStore(), list[str]()
    gate = anyio.Event()

    @agent(subscribe="start", publish=["a", "late", "c"])
    async def begin(ctx: Context) -> None:
        ctx.publish("a", 1)
        ctx.publish("c", 1)
        ctx.publish("late", None)

    @agent(subscribe="late", publish=["b", "c"])
    async def late(ctx: Context) -> None:
        seen.append("late")
        await gate.wait()
        ctx.publish("b", 2)
        ctx.publish("c", 2)

    agents = [begin, late, both(scope="start"), collected(scope="start")]
    async with make_executor(agents, store=store) as executor:
        await executor.start("start", None, run_id="case")
        await until(lambda: seen == ["late"])
    async with make_executor(agents, store=store) as executor:
        run = executor.live("case")
        await until(lambda: seen == ["late", "late"])
        gate.set()
        report = await run.result()
    assert report.status == "completed"
    assert sorted(map(str, report.outputs["out"])) == ["[1, 2]", "{'a': 1, 'b': 2}"]


async def test_first_of_remembers_who_has_won(
    make_executor: MakeExecutor, store: Store | None
) -> None:
    """A message that comes after a restart does not win again."""
    store, won = store or MemoryStore(), list[int]()

    @agent(subscribe=first_of("a", "b"))
    async def fastest(payload: int) -> None:
        won.append(payload)

    @agent(subscribe="wait")
    async def waiting(ctx: Context) -> None:
        await ctx.ask("go on?")

    async with make_executor([fastest, waiting], store=store) as executor:
        run = await executor.start("wait", 0, run_id="case")
        await run.publish("a", 1)
        await until(lambda: won == [1])
    async with make_executor([fastest, waiting], store=store) as executor:
        run = executor.live("case")
        await run.publish("b", 2)
        await until(lambda: bool(run.questions))
        await run.answer("question-0", True)
        report = await run.result()
    assert won == [1]
    assert report.agents["fastest"].dispositions == {"ok": 1, "cancelled": 1}


async def test_a_fork_has_the_half_done_joins(make_executor: MakeExecutor, lasting: Store) -> None:
    """What a join held when a message was published it holds in a fork at that message."""

    @agent(subscribe="start", publish=["a", "more"])
    async def begin(ctx: Context) -> None:
        ctx.publish("a", "one")
        ctx.publish("more", 1)

    @agent(subscribe="more", publish="b")
    async def more(payload: int) -> int:
        return payload

    async with make_executor([begin, more, both()], store=lasting) as executor:
        report = await executor.run("start", None, run_id="parent")
        assert report.outputs == {"out": [{"a": "one", "b": 1}]}
        fork = await executor.fork("parent", at="parent.1.1", payload=2)
        report = await fork.result()
    assert (report.status, report.outputs) == ("completed", {"out": [{"a": "one", "b": 2}]})


@pytest.mark.parametrize(
    ("kind", "first", "expected"),
    [
        (all_of("a", "b"), "a", {"a": 1, "b": 20}),
        (gather("b"), "b", [1, 20]),
        (batch("b", size=2), "b", [1, 20]),
    ],
    ids=["all_of", "gather", "batch"],
)
async def test_a_fork_at_the_last_part_has_the_others(
    make_executor: MakeExecutor, lasting: Store, kind: Any, first: str, expected: Any
) -> None:
    """A join that the message makes whole is handled with all parts, and the message may say
    something else.
    """

    @agent(subscribe="start", publish=[first, "more", "aside"])
    async def begin(ctx: Context) -> None:
        ctx.publish(first, 1)
        ctx.publish("more", 2)
        ctx.publish("aside", 3)

    @agent(subscribe="more", publish="b")
    async def more(payload: int) -> int:
        return payload

    @agent(subscribe="aside")
    async def aside(payload: int) -> None: ...

    @agent(subscribe=kind, publish="out")
    async def join(payload: Any) -> Any:
        return payload

    async with make_executor([begin, more, aside, join], store=lasting) as executor:
        report = await executor.run("start", None, run_id="parent")
        [last] = [node for node in report.tree.nodes() if node.agent == "more"]
        fork = await executor.fork("parent", at=f"parent.{last.delivery}.0", payload=20)
        report = await fork.result()
    assert (report.status, report.outputs) == ("completed", {"out": [expected]})


async def test_a_run_that_is_held_open_is_still(make_executor: MakeExecutor) -> None:
    """`drain` does not wait for a join whose parts only somebody outside can bring."""
    async with make_executor([both()]) as executor:
        async with await executor.start("a", 1) as run:
            assert [each.id for each in await executor.drain()] == [run.id]
            await run.publish("b", 2)
        assert (await run.result()).outputs == {"out": [{"a": 1, "b": 2}]}


# -- exactness -----------------------------------------------------------------------

plans = st.recursive(st.integers(0, 3), lambda inner: st.lists(inner, max_size=3), max_leaves=12)


def total(plan: Any) -> int:
    """How many items a plan comes to."""
    return sum(map(total, plan)) if isinstance(plan, list) else plan


@given(plan=st.lists(plans, max_size=4), dice=st.randoms(use_true_random=False))
@settings(max_examples=settings().max_examples // 2)
def test_every_item_is_gathered_once(plan: list[Any], dice: Any) -> None:
    """Whatever a job splits into, in whichever order it is worked off: each job gathers all of
    its items, once.
    """

    @agent(subscribe="start", publish="job", publish_each=True)
    async def jobs(payload: list[Any]) -> list[Any]:
        return [[number, each] for number, each in enumerate(payload)]

    @agent(subscribe="job", publish=["node", "item"])
    async def open_job(payload: Any, ctx: Context) -> None:
        ctx.publish("node", payload)

    @agent(subscribe="node", publish=["node", "item"], hears_itself=True, concurrency=3)
    async def walk(payload: Any, ctx: Context) -> None:
        number, inner = payload
        for _ in range(dice.randrange(3)):
            await anyio.lowlevel.checkpoint()
        if isinstance(inner, list):
            for each in inner:
                ctx.publish("node", [number, each])
        else:
            for _ in range(inner):
                ctx.publish("item", number)

    @agent(subscribe=gather("item"), scope="job", publish="c")
    async def reduce(payload: list[int]) -> Any:
        assert len(set(payload)) == 1
        return [payload[0], len(payload)]

    async def main() -> Report:
        config = Config.model_validate({"overflow": "block"})
        async with Executor([jobs, open_job, walk, reduce, collected()], config=config) as it:
            return await it.run("start", plan)

    report = anyio.run(main)
    wanted = {number: total(each) for number, each in enumerate(plan) if total(each)}
    found = dict((report.outputs.get("out") or [[]])[0])
    assert report.status == "completed"
    assert found == wanted

"""Policies of steps: keys, caches, resources, priorities and timeouts, as a flow says them."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import (
    Context,
    ExecutionError,
    Executor,
    Flow,
    FlowReport,
    Flows,
    MemoryStore,
    ResourcePool,
    step,
)
from dagger.authoring.cache import CacheView
from dagger.flows import Defaults
from dagger.flows.functions import StepFunction
from dagger.flows.running import caching
from dagger.testing import simulate, simulated
from dagger.words.errors import FlowError
from tests.flows.running.stage import ONCE, Stage, acting, line
from tests.waiting import turns, until

TWICE = {"kind": "immediate", "max_attempts": 2}


@step
async def too_slow() -> None:
    """Take longer than there is time."""
    await anyio.sleep(20)


class Keys:
    """A step that notes the key it is known by, and fails at first."""

    def __init__(self, failures: int = 0) -> None:
        self.noted: list[str] = []
        self.failures = failures

    def function(self) -> StepFunction:
        """`make`, which gives how often it was called."""

        @step(name="make", retry=TWICE)
        async def made(idempotency_key: str, x: Any = None) -> int:
            self.noted.append(idempotency_key)
            if len(self.noted) <= self.failures:
                raise LookupError("not yet")
            return len(self.noted)

        return made

    def flows(self, **options: Any) -> Flows:
        """A flow `f` of that one step."""
        flow = Flow("f", inputs={"x": {"default": 0}}, output="${{ steps.a.output }}")
        flow = flow.step("a", "make", with_={"x": "${{ inputs.x }}"}, **options)
        return Flows(flow, uses=[self.function()], config=ONCE)


async def test_a_step_is_known_by_its_key_in_each_attempt() -> None:
    """Whoever asks for it gets the step's idempotency key, the same when it is tried again."""
    keys = Keys(failures=1)
    flows = keys.flows(idempotency_key="${{ inputs.x }} of f")
    async with Executor(flows.agents, config=ONCE) as executor:
        report = await flows.run(executor, "f", {"x": 7})
    assert keys.noted == ["7 of f", "7 of f"]
    assert report.output == 2


async def test_a_step_without_a_key_is_known_by_its_invocation() -> None:
    """That is the same in each attempt, too, and another in each run."""
    keys = Keys(failures=1)
    flows = keys.flows()
    async with Executor(flows.agents, config=ONCE) as executor:
        await flows.run(executor, "f")
        await flows.run(executor, "f")
    first, again, other = keys.noted
    assert first == again != other


async def test_what_was_done_under_a_key_is_done_once() -> None:
    """Another run, in another process too, gets what the first one made, and is told so."""
    store, keys = MemoryStore(), Keys()
    flows = keys.flows(idempotency_key="${{ inputs.x }}")
    reports: list[FlowReport] = []
    for _ in range(2):
        async with Executor(flows.agents, config=ONCE, store=store) as executor:
            reports += [await flows.run(executor, "f", {"x": "k"}) for _ in range(2)]
    assert keys.noted == ["k"]
    assert [each.output for each in reports] == [1, 1, 1, 1]
    assert [each.step("a").reused for each in reports] == [0, 1, 1, 1]


async def test_what_failed_under_a_key_is_done_again() -> None:
    """A key stands for what was done, and not for what could not be."""
    keys = Keys(failures=2)
    flows = keys.flows(idempotency_key="k")
    async with Executor(flows.agents, config=ONCE) as executor:
        first = await flows.run(executor, "f")
        second = await flows.run(executor, "f")
    assert (first.status, second.status, second.output) == ("failed", "succeeded", 3)


async def test_what_was_undone_is_done_again_under_its_key() -> None:
    """A key stands for what is there: after a run has undone it, the next one does it anew; what
    an earlier run has done is neither undone nor done again.
    """
    flow = acting(Flow("f"), "a", idempotency_key="k")
    flow = flow.step("b", "act", with_={"name": "b"}, needs="a")
    failing, stage = Stage(fails=["b"]), Stage()
    store = MemoryStore()
    for each in (failing, stage, stage, failing):
        flows = each.flows(flow)
        async with Executor(flows.agents, config=ONCE, store=store) as executor:
            await flows.run(executor, flow)
    assert failing.noted == ["a", "b", "undo a", "b"]
    assert stage.noted == ["a", "b", "b"]


async def test_a_key_is_that_of_its_step() -> None:
    """Steps that use the same function under one key are each carried out."""
    stage = Stage()
    flow = Flow("f")
    for name in ("a", "b"):
        flow = flow.step(name, "act", with_={"name": name}, idempotency_key="k")
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        await flows.run(executor, flow)
    assert sorted(stage.noted) == ["a", "b"]


@pytest.mark.parametrize("key", ["${{ inputs.x }}", "${{ inputs.x == 1 }}"])
async def test_what_is_no_key_fails_the_step(key: str) -> None:
    """A key that is empty, or no text and no number, is told as an error of its expression."""
    keys = Keys()
    flows = keys.flows(idempotency_key=key)
    async with Executor(flows.agents, config=ONCE) as executor:
        report = await flows.run(executor, "f", {"x": ""})
    assert keys.noted == []
    error = report.step("a").error
    assert error is not None
    assert error["type"] == "ExpressionError"


def test_a_cached_result_is_used_until_its_time_is_over() -> None:
    """A step that is given the same is not carried out; with other arguments, or later, it is."""
    keys = Keys()
    flows = keys.flows(cache=60)

    async def main() -> list[tuple[int, int]]:
        reports: list[FlowReport] = []
        async with simulated(*flows.agents, config=ONCE) as executor:
            for x, seconds in ((1, 0), (1, 59), (2, 0), (1, 2)):
                await anyio.sleep(seconds)
                reports.append(await flows.run(executor, "f", {"x": x}))
        return [(each.output, each.step("a").reused) for each in reports]

    assert simulate(main) == [(1, 0), (1, 1), (2, 0), (3, 0)]


async def test_what_fails_is_not_cached() -> None:
    """Only results are used again."""
    keys = Keys(failures=2)
    flows = keys.flows(cache=60)
    async with Executor(flows.agents, config=ONCE) as executor:
        reports = [await flows.run(executor, "f") for _ in range(3)]
    assert [each.status for each in reports] == ["failed", "succeeded", "succeeded"]
    assert [each.output for each in reports] == [None, 3, 3]


def test_room_in_a_full_cache_is_made_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though one result ends as another is put in: not all of it is looked through each time."""
    looked, get, count, most = list[str](), CacheView.get, 300, 50

    def counted(self: CacheView, key: str, **options: Any) -> Any:
        looked.append(key)
        return get(self, key, **options)

    @step
    async def in_a_second(number: int) -> int:
        await anyio.sleep(1)
        return number

    flow = Flow("f").step(
        "a",
        in_a_second,
        foreach=list(range(count)),
        max_parallel=1,
        cache=most,
        with_={"number": "${{ item }}"},
    )
    flows = Flows(flow, uses=[in_a_second], config=ONCE)

    async def main() -> int:
        async with simulated(*flows.agents, config=ONCE) as executor:
            await flows.run(executor, "f")
            return len(executor.shared.keys("flow cache f.a"))

    monkeypatch.setattr(CacheView, "get", counted)
    monkeypatch.setattr(caching, "MOST", most)
    monkeypatch.setattr(caching, "SWEPT", most // 10)
    assert most - most // 10 <= simulate(main) <= most
    assert len(looked) <= count * (1 + 10)


async def test_a_result_that_is_null_is_cached_like_any() -> None:
    """That nothing came of it is a result, too."""
    calls: list[int] = []

    @step
    def nothing() -> None:
        calls.append(1)

    flow = Flow("f").step("a", nothing, cache=60)
    flows = Flows(flow, uses=[nothing], config=ONCE)
    async with Executor(flows.agents, config=ONCE) as executor:
        reports = [await flows.run(executor, "f") for _ in range(2)]
    assert calls == [1]
    assert [each.step("a").reused for each in reports] == [0, 1]


async def test_resources_are_shared_by_the_steps_that_want_them() -> None:
    """Of two steps that want the one licence there is, one waits for the other."""
    stage = Stage(waits=["a"])
    flow = Flow("f", inputs={})
    for name in ("a", "b"):
        licence = {"custom": {"licence": 1}}
        flow = flow.step(name, "act", with_={"name": name}, resources=licence)
    flow = flow.step("c", "act", with_={"name": "c"})
    flows = stage.flows(flow)
    pool = ResourcePool(custom={"licence": 1})
    async with Executor(flows.agents, config=ONCE, resources=pool) as executor:
        live = await flows.start(executor, flow)
        await stage.reached("c")
        await turns()
        assert sorted(stage.noted) == ["a", "c"]
        stage.gates["a"].set()
        await live.result()
    assert stage.noted[-1] == "b"


async def test_the_higher_priority_goes_first() -> None:
    """Where not all may run at once, the order is that of the priorities and not of the flow."""
    stage = Stage(waits=["first", "x"])
    licence = {"custom": {"licence": 1}}
    flow = Flow("f").step("first", "act", with_={"name": "first"}, resources=licence)
    flow = flow.step("x", "act", with_={"name": "x"})
    for priority, name in enumerate("abc"):
        terms: Any = {"priority": priority, "resources": licence}
        flow = flow.step(name, "act", with_={"name": name}, needs="x", **terms)
    flows = stage.flows(flow)
    pool = ResourcePool(custom={"licence": 1})
    async with Executor(flows.agents, config=ONCE, resources=pool) as executor:
        live = await flows.start(executor, flow)
        await stage.reached("first")
        stage.gates["x"].set()
        await until(lambda: flows.report(live).step("a").status == "running")
        await turns()
        stage.gates["first"].set()
        await live.result()
    assert sorted(stage.noted[:2]) == ["first", "x"]
    assert stage.noted[2:] == ["c", "b", "a"]


def timed(flow: Flow, *functions: StepFunction, stage: Stage | None = None) -> Any:
    """When a flow has ended, and its report."""
    stage = stage or Stage()
    flows = Flows(flow, uses=[*functions, *stage.functions()], config=ONCE)

    async def main() -> tuple[float, FlowReport]:
        async with simulated(*flows.agents, config=ONCE) as executor:
            live = await flows.start(executor, flow)
            async for _ in live.outcomes():
                pass  # until its end
            return anyio.current_time(), flows.report(live)

    return simulate(main)


def test_a_timeout_is_that_of_one_attempt() -> None:
    """An attempt that takes longer fails, and another one follows as for any failure."""
    attempts: list[int] = []

    @step
    async def slow(ctx: Context) -> int:
        attempts.append(ctx.attempt)
        await anyio.sleep(20 if ctx.attempt < 3 else 5)
        return ctx.attempt

    retry = {"kind": "linear", "delay": 1, "max_attempts": 3}
    flow = Flow("f", output="${{ steps.a.output }}").step("a", slow, timeout=10, retry=retry)
    ended, report = timed(flow, slow)
    assert (ended, report.output, attempts) == (27, 3, [1, 2, 3])


def test_what_is_too_slow_for_good_has_failed_by_its_timeout() -> None:
    """The last attempt that takes too long is why the step has failed."""
    ended, report = timed(Flow("f").step("a", too_slow, timeout=10), too_slow)
    assert (ended, report.status) == (10, "failed")
    assert report.step("a").error["type"] == "TimeoutExceeded"


@pytest.mark.parametrize(
    ("uses", "given", "why"),
    [
        ("ask", {"question": "Well?"}, "no result within 10 s"),
        ("sleep", {"seconds": 3600}, "no result within 10 s"),
        ("wait_for", {"channel": "doorbell"}, "no message on channel 'doorbell' within 10 s"),
    ],
)
def test_what_only_waits_is_timed_by_the_clock(uses: str, given: dict[str, Any], why: str) -> None:
    """Waiting takes no running time: the step fails when the time is over, and is waited for
    no more.
    """
    flow = Flow("f").step("a", uses, with_=given, timeout=10)
    ended, report = timed(flow)
    assert (ended, report.status) == (10, "failed")
    assert report.step("a").error == {"type": "RequestTimeout", "message": why}


def test_what_is_published_for_later_is_waited_for() -> None:
    """A message has come when it is delivered, also where others hear nothing of it before."""
    said = {"channel": "doorbell", "payload": "here", "delay": 60}
    flow = Flow("f", output="${{ steps.b.output }}").step("a", "publish", with_=said)
    flow = flow.step("b", "wait_for", with_={"channel": "doorbell"})
    ended, report = timed(flow)
    assert (ended, report.output) == (60, "here")
    flow = Flow("f").step("a", "publish", with_=said)
    flow = flow.step("b", "wait_for", with_={"channel": "doorbell"}, timeout=10)
    ended, report = timed(flow)
    assert (ended, report.status) == (10, "failed")
    slow = Flow("f").step("a", "publish", with_=said)
    flow = slow.step("b", "wait_for", with_={"channel": "doorbell"}).step("c", too_slow, timeout=10)
    ended, report = timed(flow, too_slow)
    assert (ended, report.step("b").status) == (10, "cancelled")


def test_a_flow_within_another_is_timed_as_a_whole() -> None:
    """Its time is over: what it does is stopped and undone, and the step has failed; only then is
    undone what came before it.
    """
    stage = Stage(waits=["y"])
    inner = line("x", "y", flow=Flow("inner"))
    flow = acting(Flow("f"), "a").step("b", inner, needs="a", timeout=10)
    ended, report = timed(flow, stage=stage)
    assert (ended, report.status) == (10, "failed")
    assert report.step("b").error == {"type": "RequestTimeout", "message": "no result within 10 s"}
    assert stage.noted == ["a", "x", "y", "y stopped", "undo y", "undo x", "undo a"]


async def test_a_flow_within_another_that_is_late_is_so_after_a_restart() -> None:
    """Stopped in the midst of being undone, it is undone to its end, and told as late."""
    store, inner = MemoryStore(), line("x", "y", flow=Flow("inner"))
    flow = acting(Flow("f"), "a").step("b", inner, needs="a", timeout=0.05)
    stage = Stage(waits=["y", "undo x"])
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        live = await flows.start(executor, flow, run_id="r")
        await stage.reached("undo x")
        assert flows.report(live).step("b").status == "running"
    assert stage.noted[:5] == ["a", "x", "y", "y stopped", "undo y"]
    stage = Stage()
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        live = await flows.start(executor, flow, run_id="r")
        await live.result()
        report = flows.report(live)
    assert stage.noted == ["undo x", "undo a"]
    assert report.status == "failed"
    assert (report.step("b").error or {}).get("type") == "RequestTimeout"


async def test_a_flow_within_another_is_tried_again_as_a_whole() -> None:
    """What it did in vain is undone before the next attempt, which does all of it anew; a restart
    in the midst of that changes nothing.
    """
    store, retry = MemoryStore(), {"kind": "immediate", "max_attempts": 2}
    inner = line("x", "y", flow=Flow("inner", output="${{ steps.y.output }}"))
    flow = Flow("f", output="${{ steps.a.output }}").step("a", inner, retry=retry)
    stage = Stage(waits=["undo x"], fails=["y"])
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        live = await flows.start(executor, flow, run_id="r")
        await stage.reached("undo x")
        stage.fails.clear()
        stage.gates["undo x"].set()
        stage.gates["y"] = anyio.Event()
        await until(lambda: stage.noted.count("y") == 2)
    assert stage.noted[:7] == ["x", "y", "undo y", "undo x", "x", "y", "y stopped"]
    stage = Stage()
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        live = await flows.start(executor, flow, run_id="r")
        await live.result()
        report = flows.report(live)
    assert stage.noted == ["y"]
    assert (report.status, report.output) == ("succeeded", "made y")


def test_a_compensation_has_a_timeout_and_attempts_of_its_own() -> None:
    """One that takes too long is tried again, and in the end told as not undone."""
    flow = Flow("f").step(
        "a",
        "act",
        with_={"name": "a"},
        compensate={"uses": "too_slow", "timeout": 5, "retry": TWICE},
    )
    flow = flow.step("b", "act", with_={"name": "b"}, needs="a")
    ended, report = timed(flow, too_slow, stage=Stage(fails=["b"]))
    assert ended == 10
    assert report.undo.failed["a"].startswith("TimeoutExceeded: ")
    assert report.reason == "step 'b' failed: LookupError: no b"


async def test_a_step_alone_is_not_done_again() -> None:
    """The dead letter of a step is no way round its flow, open or ended: nobody would hear of the
    result, and nobody undo it.
    """
    stage = Stage(fails=["x"])
    flow = Flow("f").step("a", "act", with_={"name": "x"}, on_error="continue")
    flow = flow.step("b", "ask", with_={"question": "well?"}, needs="a")
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=MemoryStore()) as executor:
        live = await flows.start(executor, flow)
        await live.rest()
        for _ in range(2):
            (letter,) = executor.dead_letters.list()
            with pytest.raises(ExecutionError, match="has gone on without it"):
                await executor.dead_letters.redrive(letter.node_id)
            if not live.report().ended:
                await live.answer(live.questions[0].id, "yes")
                await live.result()
    assert stage.noted == ["x"]


@pytest.mark.parametrize("where", ["step", "defaults"])
@pytest.mark.parametrize("patience", [None, 60])
async def test_a_flow_within_another_is_tried_again(where: str, patience: float | None) -> None:
    """As its step says, or the defaults of the flow around it, within the time of the step."""
    inner = Flow("inner").step("x", "make", retry={"kind": "immediate", "max_attempts": 1})
    keys = Keys(failures=1)
    own: dict[str, Any] = {"retry": TWICE} if where == "step" else {}
    flow = Flow("f", defaults=Defaults(retry=TWICE if where == "defaults" else None))
    if patience is not None:
        own["timeout"] = patience
    flow = flow.step("a", inner, **own)
    flows = Flows(flow, uses=[keys.function()], config=ONCE)
    async with Executor(flows.agents, config=ONCE) as executor:
        report = await flows.run(executor, flow)
    assert (report.status, len(keys.noted)) == ("succeeded", 2)


@pytest.mark.parametrize("limit", [2, 3])
async def test_a_flow_at_its_end_says_so_though_no_message_is_left(limit: int) -> None:
    """What it has come to is told in any case; what would have to be done is not."""
    flow = line("a", "b", flow=Flow("f", output="done"))
    stage = Stage()
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        live = await flows.start(executor, flow, max_messages=limit)
        report = await live.result()
        told = flows.report(live)
    ends = {2: ("over_budget", "cancelled"), 3: ("completed", "succeeded")}
    assert (report.status, told.status) == ends[limit]
    assert stage.noted == {2: ["a", "undo a"], 3: ["a", "b"]}[limit]


@pytest.mark.parametrize("channel", ["f", "f.b:undo", "f:output"])
async def test_nobody_publishes_on_the_channels_of_a_flow(channel: str) -> None:
    """A channel that an expression gives is looked at where it is published: the step has failed,
    at once.
    """
    flow = acting(Flow("f", inputs={"c": {}}), "b")
    flow = flow.step("a", "publish", needs="b", with_={"channel": "${{ inputs.c }}"})
    stage = Stage()
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        report = await flows.run(executor, flow, {"c": channel})
    assert report.reason.startswith("step 'a' failed: ArgumentsRefused: ")
    assert "is a channel of the flow itself" in report.reason
    assert stage.noted == ["b", "undo b"]


def test_what_a_flow_gives_is_not_cached() -> None:
    """Nor does it take resources itself: both are refused, at its steps they mean something."""
    inner = Flow("inner").step("x", "act", with_={"name": "x"})
    flow = Flow("f").step("a", inner, cache=60, resources={"cpu": 1})
    with pytest.raises(FlowError) as raised:
        Stage().flows(flow)
    assert [each.problem for each in raised.value.problems] == [
        "what a flow gives cannot be used again; write cache at its steps",
        "a flow takes no resources itself; write them at its steps",
    ]


async def test_a_result_from_before_there_was_a_cache_is_a_result() -> None:
    """What was done under a key is used again, whether or not the step had a `cache` then."""
    keys, store = Keys(), MemoryStore()
    for options in ({}, {"cache": 60}):
        flows = keys.flows(idempotency_key="k", **options)
        async with Executor(flows.agents, config=ONCE, store=store) as executor:
            report = await flows.run(executor, "f")
        assert report.output == 1

"""Secrets that are called what parts of a flow are called: all of these are found all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dagger import (
    Config,
    Context,
    Executor,
    Flow,
    FlowReport,
    Flows,
    LmdbStore,
    RunConflict,
    agent,
    step,
)

TWICE = Config(retry_strategy="immediate", max_attempts=2)
NEUTRAL = "canary-Zq7wX0kJ"
NAMES = (
    *("shop7", "shop7.orders", "log-in7", "orders", "order7", "inner", "count7", "out:put"),
    *("status", "succeeded", "output", "steps", "inputs", "secrets", "with", "scope", "item"),
    *("index", "error", "type", "message", "definition", "completed", "running", "known", "until"),
    *("step", "request", "undo", "undo:orders", "look", "look7", "asked", "shared", "run"),
)
"""Names of the flow below and of what is in it, and words of Dagger's own."""


@step(name="log-in7")
async def log_in(user: str) -> dict[str, Any]:
    """Hands on what it was given."""
    return {"status": "fine", "user": user, "order7": 1}


@step(name="shop7.orders")
async def orders(count7: int, user: str, ctx: Context) -> dict[str, Any]:
    """Does a step, asks another agent, and keeps something."""
    if ctx.attempt == 1:
        raise ConnectionError("not at once")
    look7 = await ctx.step("look7", lambda: count7)
    assert await ctx.step("look7", lambda: "another", key="look") == "another"
    ctx.cache.set("look7", count7)
    return {"count": look7, "output": 2}


@step(name="take-back7")
async def take_back(said: Any) -> None:
    """Undoes nothing."""


@step(name="fail7")
async def fail(user: str) -> None:
    """Says what it was given."""
    raise LookupError(f"no {user}")


INNER = (
    Flow("inner", inputs={"count7": {}, "key": {"type": "string", "secret": True}})
    .step("look7", "log-in7", with_={"user": "${{ inputs.key }}"})
    .step("look", "log-in7", with_={"user": "u${{ inputs.count7 }}"}, cache=60)
)
FLOW = (
    Flow("shop7", inputs={"count7": {"type": "integer"}}, output="${{ steps.orders.output }}")
    .step("log-in7", "log-in7", with_={"user": "${{ secrets.DB_USER }}"})
    .step(
        "orders",
        "shop7.orders",
        foreach="${{ [inputs.count7, 2] }}",
        with_={"count7": "${{ item }}", "user": "${{ secrets.DB_USER }}"},
        needs="log-in7",
        compensate={"uses": "take-back7", "with": {"said": "${{ steps.orders.output }}"}},
    )
    .step(
        "inner",
        INNER,
        with_={"count7": "${{ steps.orders.output[0].count }}", "key": "${{ secrets.DB_USER }}"},
    )
    .step("asked", "ask", with_={"question": "go on?", "default": 1, "timeout": 0.001})
)


FAILS = FLOW.step(
    "last7", "fail7", with_={"user": "${{ secrets.DB_USER }}"}, needs=["orders", "inner", "asked"]
)


async def carried_out(secret: str, flow: Flow, path: Path) -> list[FlowReport]:
    """The report of a run, and what another executor knows of it."""
    found = []
    for _ in range(2):
        flows = Flows(flow, uses=[log_in, orders, take_back, fail], secrets={"DB_USER": secret})
        async with Executor(flows.agents, config=TWICE, store=LmdbStore(path)) as executor:
            found.append(await flows.run(executor, flow, {"count7": 1}, run_id="run"))
    return found


@pytest.mark.parametrize("secret", NAMES)
async def test_a_secret_may_be_a_name(secret: str, memory_path: Path) -> None:
    """A run ends as it does with any other secret, and its report names the same steps."""
    for report in await carried_out(secret, FLOW, memory_path / "store"):
        assert report.status == "succeeded", report.reason
        ends = {each.id: each.status for each in report.steps}
        assert ends == dict.fromkeys(("log-in7", "orders", "inner", "asked"), "succeeded")
        assert report.output == [{"count": 1, "output": 2}, {"count": 2, "output": 2}]
        assert report.flow == "shop7"


@pytest.mark.parametrize("secret", ["shop7", "orders", "last7", "take-back7", "fail7", "failed"])
async def test_what_it_was_undone_by_is_found(secret: str, memory_path: Path) -> None:
    """What is to be undone is, and the report says which step has failed, and not the secret."""
    for report in await carried_out(secret, FAILS, memory_path / "store"):
        assert report.status == "failed"
        assert report.reason == "step 'last7' failed: LookupError: no ***"
        assert report.undo is not None
        assert {*report.undo.undone} == {"orders[0]", "orders[1]"}


async def test_who_uses_no_flow_finds_his_names_too() -> None:
    """Other agents beside a flow say what they like on channels that are there; a channel that is
    made of a secret is not.
    """
    got: list[Any] = []

    @agent(subscribe="q2.ok", publish="*")
    async def hears(payload: Any, ctx: Context) -> None:
        got.append(payload)
        ctx.publish("no q2.ok here", await ctx.request("q2.ok:answer", payload, key="q2.ok"))

    @agent(subscribe="q2.ok:answer")
    async def answers(payload: Any) -> str:
        return f"heard {payload['said']}"

    flow = Flow("f").step("a", "log-in7", with_={"user": "${{ secrets.DB_USER }}"})
    flows = Flows(flow, uses=[log_in], secrets={"DB_USER": "q2.ok"})
    async with Executor([*flows.agents, hears, answers], config=TWICE) as executor:
        report = await executor.run("q2.ok", {"said": "q2.ok", "no": 2}, run_id="q2.ok")
        assert (report.run_id, report.status) == ("q2.ok", "completed")
        assert report.outputs == {"no *** here": ["heard ***"]}
    assert got == [{"said": "***", "no": 2}]


async def test_a_fork_begins_without_secrets(memory_path: Path) -> None:
    """What a person has a fork begin with instead is looked at as all that is brought."""
    got: list[Any] = []

    @agent(subscribe="first")
    async def hears(payload: Any) -> None:
        got.append(payload)

    flow = Flow("f").step("a", "log-in7", with_={"user": "${{ secrets.DB_USER }}"})
    flows = Flows(flow, uses=[log_in], secrets={"DB_USER": NEUTRAL})
    store = LmdbStore(memory_path / "store")
    async with Executor([*flows.agents, hears], config=TWICE, store=store) as executor:
        await executor.run("first", 1, run_id="r")
        fork = await executor.fork("r", "r.0.0", payload={"said": f"now {NEUTRAL}"})
        await fork.result()
    assert got == [1, {"said": "now ***"}]
    files = [each for each in memory_path.rglob("*") if each.is_file()]  # noqa: ASYNC240
    assert not any(NEUTRAL.encode() in each.read_bytes() for each in files)


async def test_the_key_of_a_call_is_no_secret() -> None:
    """What could neither be kept nor found again is refused, without being told."""

    @agent(subscribe="first", publish="second")
    async def calls(payload: Any, ctx: Context) -> None:
        with ctx.calls() as calls:
            await calls.send("second", 1, key=f"with {NEUTRAL}")

    @agent(subscribe="second")
    async def answers(payload: Any) -> int:
        return 1

    flow = Flow("f").step("a", "log-in7", with_={"user": "${{ secrets.DB_USER }}"})
    flows = Flows(flow, uses=[log_in], secrets={"DB_USER": NEUTRAL})
    async with Executor([*flows.agents, calls, answers], config=TWICE) as executor:
        report = await executor.run("first", 1)
        (letter,) = executor.dead_letters.list()
    assert report.status == "failed"
    assert (
        letter.failure.message == "the key of a call has a secret in it; tell calls by other keys"
    )


async def test_a_run_is_known_again_by_inputs_that_hold_a_secret() -> None:
    """It is another run's id only where it began with something else, not where it was masked."""
    flow = Flow("f", inputs={"q2": {}}).step("a", "log-in7", with_={"user": "${{ inputs.q2 }}"})
    flow = flow.step("b", "log-in7", with_={"user": "${{ secrets.DB_USER }}"})
    flows = Flows(flow, uses=[log_in], secrets={"DB_USER": "q2"})
    async with Executor(flows.agents, config=TWICE) as executor:
        for _ in range(2):
            report = await flows.run(executor, "f", {"q2": f"not q2 but q2 {NEUTRAL}"}, run_id="r")
            assert report.status == "succeeded"
        with pytest.raises(RunConflict):
            await flows.run(executor, "f", {"q2": "another"}, run_id="r")

"""No message is left lying: whoever gives up, waits, returns or goes home, somebody takes it."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagger import Config, Context, Executor, Immediate, agent
from tests.patience import PATIENCE
from tests.promises.conftest import MakeExecutor
from tests.waiting import turns, until


async def test_a_message_after_a_return_is_taken(make_executor: MakeExecutor) -> None:
    """A handler comes back from waiting, everybody goes to rest, and one more message comes."""
    gate = anyio.Event()

    @agent(subscribe="start", publish="out")
    async def waiter(payload: str, ctx: Context) -> str:
        if payload == "asks":
            await ctx.ask("go on?", name="question")
        elif payload == "busy":
            await gate.wait()
        return payload

    async with make_executor([waiter]) as executor:
        async with await executor.start("start", "asks") as run:
            await until(lambda: bool(run.questions))
            await run.publish("start", "busy")
            await turns()
            await run.answer("question", True)  # it has to wait for the slot
            await turns()
            gate.set()
            await turns()
            await run.publish("start", "late")
        report = await run.result()
    assert sorted(report.outputs["out"]) == ["asks", "busy", "late"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["plain", "turn", "sleep", "request", "fail", "slow", "key"]),
        st.integers(0, 6),
    ),
    max_size=25,
)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(steps=STEPS, concurrency=st.integers(1, 3), capacity=st.sampled_from([1, 2, 1024]))
def test_every_run_ends_whatever_its_handlers_do(
    steps: list[tuple[str, int]], concurrency: int, capacity: int, backend: str
) -> None:
    """Handlers that wait, ask each other, fail and hold keys, in any order: all is handled."""

    @agent(
        subscribe="work",
        publish="ask",
        concurrency=concurrency,
        retry=Immediate(),
        max_attempts=2,
        key=lambda payload: payload["key"],
        overflow="block",
        capacity=capacity,
    )
    async def worker(payload: dict[str, Any], ctx: Context) -> None:
        match payload["kind"]:
            case "turn":
                await anyio.lowlevel.checkpoint()
            case "sleep":
                await ctx.sleep(0.0005 * payload["key"])
            case "request":
                assert await ctx.request("ask", payload["key"]) == payload["key"]
            case "fail" if ctx.attempt == 1:
                raise ValueError("once")
            case "slow":
                await turns(payload["key"])

    @agent(subscribe="ask")
    async def answer(payload: int) -> int:
        await anyio.lowlevel.checkpoint()
        return payload

    async def main() -> None:
        async with Executor([worker, answer], config=Config()) as executor:
            with anyio.fail_after(PATIENCE):
                run = None
                for kind, key in [*steps, ("plain", 0)]:
                    message = {"kind": kind, "key": key}
                    if run is None:
                        run = await (await executor.start("work", message)).__aenter__()
                    else:
                        await run.publish("work", message)
                    await turns(key % 3)
                assert run is not None
                await run.__aexit__(None, None, None)
                report = await run.result()
            assert report.status == "completed"
            assert report.agents["worker"].dispositions == {"ok": len(steps) + 1}

    anyio.run(main, backend=backend)

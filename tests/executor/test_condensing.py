"""Calls: a handler of very many requests goes on from a value, and not from all their replies."""

from __future__ import annotations

from typing import Any

import pytest

from dagger import Context, Executor, MemoryStore, agent
from dagger.authoring.calls import Returned
from dagger.store.contract import Store
from dagger.testing import Crash, simulated

TURNS = 12


def agents(log: list[Any]) -> list[Any]:
    """One that asks for squares, two at a time, and keeps their sum; and one that replies."""

    @agent(subscribe="start", publish=["square", "out"], max_attempts=1)
    async def asker(ctx: Context) -> None:
        with ctx.calls() as calls:
            total, out, number = calls.base() or [0, [], 0]
            log.append((total, list(out), number))
            for each in out:
                await calls.send("square", each, key=str(each))
            while number < TURNS or out:
                while number < TURNS and len(out) < 2:
                    await calls.send("square", number, key=str(number))
                    out.append(number)
                    number += 1
                found = await calls.next()
                assert isinstance(found, Returned)
                out.remove(int(found.key))
                total += found.value
                calls.condense([total, out, number])
        ctx.publish("out", total)

    @agent(subscribe="square")
    async def square(payload: int) -> int:
        return payload * payload

    return [asker, square]


WANTED = sum(each * each for each in range(TURNS))


async def test_what_is_in_a_value_is_not_kept() -> None:
    """Of all that was asked and replied only what is still in flight is kept, with the value."""
    kept: list[int] = []
    asker, _ = agents([])

    @agent(subscribe="square")
    async def looking(payload: int) -> int:
        delivery = executor.live("run").state.deliveries[1]
        kept.append(len(delivery.kept or ()))
        return payload * payload

    executor = Executor([asker, looking], store=MemoryStore())
    async with executor:
        report = await executor.run("start", None, run_id="run")
    assert report.outputs["out"] == [WANTED]
    assert max(kept) <= 6
    assert report.messages == TURNS + 2


@pytest.mark.parametrize("crash_at", range(2, 60, 3))
def test_whoever_goes_on_from_a_value_loses_no_reply(crash_at: int) -> None:
    """A process that dies at any moment: the next one goes on from the value, and hears once of
    each reply that is not in it.
    """
    log: list[Any] = []

    async def main(store: Store) -> Any:
        async with simulated(*agents(log), store=store) as executor:
            report = await executor.run("start", None, run_id="run")
            return report.outputs["out"], report.messages

    crash = Crash(crash_at, lingering=crash_at % 2 == 0)
    assert crash.simulate(main) == ([WANTED], TURNS + 2)
    if len(log) > 1 and crash_at > 30:  # it was begun again, far into its work
        assert log[-1][0] > 0

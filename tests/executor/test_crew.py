"""A crew: as many slots as its agent's concurrency, handed on without loss or surplus."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import Agent, agent
from dagger.executor.accepting import Acceptance
from dagger.executor.crew import Crew, Slot
from dagger.state.queues import Subscriber
from tests.waiting import turns


def made(concurrency: int) -> tuple[Crew, list[Any]]:
    """A crew, and the workers that it has hired."""

    @agent(subscribe="start", concurrency=concurrency)
    async def handler(payload: Any) -> None: ...

    hired: list[Any] = []

    def hire(crew: Crew) -> Any:
        hired.append(object())
        return hired[-1]

    assert isinstance(handler, Agent)
    subscriber = Subscriber("handler", ("start",), hears_itself=False)
    nobody: Any = None  # is told of refusals: there are none here
    return Crew(
        handler, subscriber, Acceptance(handler, nobody), concurrency, hire, anyio.Event
    ), hired


def test_a_crew_hires_when_there_is_work() -> None:
    """Each ring hires one worker, until as many are coming as there are slots."""
    crew, hired = made(3)
    assert crew.subscriber.bell is not None
    for _ in range(10):
        if crew.subscriber.bell is not None:
            crew.subscriber.bell()
    assert len(hired) == 3
    assert crew.subscriber.bell is None


async def test_who_is_idle_is_called_before_anybody_is_hired() -> None:
    """A worker that rests is woken by the next ring; a surplus one goes home."""
    crew, hired = made(1)
    rested: list[bool] = []

    async def worker() -> None:
        rested.append(await crew.rest())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker)
        await turns()
        assert await crew.rest() is False  # there is one at rest already: no need for another
        crew.ring()
        await turns()
    assert rested == [True]
    assert hired == []


async def test_a_parked_slot_is_somebody_elses() -> None:
    """Parking gives a slot back; coming back waits until one is free."""
    crew, _ = made(1)
    crew.active = 1
    crew.park()
    assert (crew.active, crew.parked) == (0, 1)
    crew.active = 1  # somebody else has taken a delivery
    order: list[str] = []

    async def come_back() -> None:
        await crew.unpark()
        order.append("back")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(come_back)
        await turns()
        assert order == []
        order.append("given back")
        crew.give_back()
    assert order == ["given back", "back"]
    assert (crew.active, crew.parked) == (1, 0)


async def test_those_who_return_go_first_in_their_order() -> None:
    """Slots are handed to those who return, first come first served, before new work."""
    crew, _ = made(1)
    crew.active = 1
    order: list[int] = []

    async def come_back(number: int) -> None:
        crew.parked += 1
        await crew.unpark()
        order.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(come_back, number)
            await turns()
        for _ in range(3):
            assert crew.take() is None
            crew.give_back()
            await turns()
    assert order == [0, 1, 2]
    assert crew.active == 1


async def test_who_is_cancelled_while_it_returns_has_a_slot() -> None:
    """A handler that is cancelled runs its cleanup: it has a slot, which its worker gives back."""
    crew, _ = made(1)
    crew.active = 1
    crew.parked = 1
    with anyio.move_on_after(0.01):
        await crew.unpark()
    assert (crew.active, crew.parked) == (2, 0)
    crew.give_back()
    crew.give_back()
    assert crew.active == 0


@pytest.mark.parametrize(
    ("slot", "active", "parked"),
    [(Slot.HELD, 0, 1), (Slot.PARKED, 1, 0), (Slot.RETURNING, 1, 1)],
)
def test_the_slot_of_a_lost_worker_is_free(slot: Slot, active: int, parked: int) -> None:
    """A worker that is given up leaves just the slot that it had, if it had one."""
    crew, hired = made(1)
    crew.active, crew.parked = 1, 1
    crew.enlist()
    crew.replace(slot)
    assert (crew.active, crew.parked) == (active, parked)
    assert len(hired) == 1


async def test_a_crew_that_leaves_takes_nothing() -> None:
    """After `leave` nothing is taken or rung, and who rests goes home."""
    crew, _ = made(2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(crew.rest)
        await turns()
        crew.leave()
    assert crew.subscriber.bell is None
    assert crew.take() is None
    assert crew.more() is None


async def test_a_surplus_worker_leaves_the_bell_in_order() -> None:
    """Who goes home last, and had the last slot, leaves somebody to answer the next ring."""
    crew, hired = made(1)
    crew.active = 1  # a handler that came back from waiting has the slot

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(crew.rest)  # the worker that gave it the slot
        await turns()
        assert crew.subscriber.bell is None
        crew.give_back()
        assert await crew.rest() is False
        assert crew.subscriber.bell is not None
        crew.subscriber.bell()
        await turns()
    assert hired == []

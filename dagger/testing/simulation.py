"""Simulations: a program on virtual time, in an order that a seed decides."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import anyio

from dagger.authoring.agent import Agent
from dagger.executor.executor import Executor
from dagger.testing.loop import VirtualLoop
from dagger.testing.processes import InlineProcesses
from dagger.testing.threads import InlineThreads

T = TypeVar("T")
Result = TypeVar("Result", bound=Hashable)

MONTH = 30 * 24 * 3600.0
"""Virtual seconds that a simulation may take, unless it says otherwise."""

START = 1_700_000_000.0
"""Epoch seconds at which simulations begin."""


class SimulatedClock:
    """Wall time that follows the loop's, also from one life of a program to the next."""

    def now(self) -> float:
        """Seconds since the epoch, as the simulation has them."""
        return START + anyio.current_time()

    def monotonic(self) -> float:
        """Seconds of virtual time: no work takes any."""
        return anyio.current_time()


def simulated(*agents: Agent | str, **options: Any) -> Executor:
    """An executor for simulations: `Executor(agents, **options)` with virtual time.

    Its wall time is the loop's, and plain functions run inline, each whole, also those of
    `run_in="process"`. Give it a
    MemoryStore if it needs a store: one on disk has a thread, which a simulation has not.
    """
    inline = {"threads": InlineThreads, "processes": InlineProcesses}
    return Executor(agents, **{"clock": SimulatedClock(), **inline, **options})


def simulate(main: Callable[[], Awaitable[T]], *, seed: int | None = 0, limit: float = MONTH) -> T:
    """What `main` returns, run on virtual time: hours of waiting take milliseconds.

    What is ready at one moment runs in an order drawn by `seed`, and so does what the
    `random` module draws: the same seed does the same again. With None the order is
    asyncio's own. Tasks that `main` leaves behind are cancelled.

    Raises what `main` raises, with a note that tells the seed; SimulationStuck if nothing
    can happen any more, or not within `limit` virtual seconds.
    """
    with noted(f"seed {seed}: simulate({name_of(main)}, seed={seed}) does the same again"):
        return on_loop(VirtualLoop(seed, until=limit), seed, main)


def explore(
    main: Callable[[], Awaitable[Result]],
    *,
    seeds: Iterable[int] = range(1000),
    limit: float = MONTH,
) -> Counter[Result]:
    """Simulate `main` with each seed: how often each result was returned.

    Raises the first failure, with a note that tells its seed.
    """
    return Counter(simulate(main, seed=seed, limit=limit) for seed in seeds)


def on_loop(loop: VirtualLoop, seed: object, main: Callable[[], Awaitable[T]]) -> T:
    """What `main` returns on that loop; meanwhile `random` draws by the seed."""
    before = random.getstate()
    random.seed(str(seed))
    try:
        return loop.run(main)
    finally:
        random.setstate(before)


@contextmanager
def noted(text: str) -> Iterator[None]:
    """What is raised in this block has a note."""
    try:
        yield
    except BaseException as error:
        error.add_note(text)
        raise


def name_of(main: Callable[..., Any]) -> str:
    """What a reader may call it."""
    name: str = getattr(getattr(main, "func", main), "__name__", "main")
    return name

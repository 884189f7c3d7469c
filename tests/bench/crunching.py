"""Work that keeps a CPU busy, in one worker process and in two."""

from __future__ import annotations

import statistics
import time

from dagger import Config, Executor, agent

SLICES = 16
NUMBERS = 5_000
"""In each slice: some 60 ms of work."""

ROUNDS = 5


@agent(subscribe="slices", publish="longest", run_in="process", concurrency=2)
def longest(payload: int) -> int:
    """Of some numbers, the most steps that one takes to come down to 1."""
    return max(steps(number) for number in range(payload * NUMBERS + 1, (payload + 1) * NUMBERS))


def steps(number: int) -> int:
    """How many steps a number takes: halved where it is even, else tripled and one more."""
    count = 0
    while number != 1:
        number = 3 * number + 1 if number % 2 else number // 2
        count += 1
    return count


@agent(subscribe="start", publish="slices", publish_each=True)
async def cut(payload: int) -> list[int]:
    """Slices of numbers."""
    return list(range(payload))


async def both_cores() -> dict[str, float]:
    """Two worker processes against one, which have been started; the best of some rounds each."""
    async with (
        Executor([cut, longest], config=Config(max_processes=1)) as single,
        Executor([cut, longest], config=Config(max_processes=2)) as double,
    ):
        rounds = [(await seconds(single), await seconds(double)) for _ in range(ROUNDS + 1)]
    del rounds[0]  # it has started the processes
    one, two = (min(each) for each in zip(*rounds, strict=True))
    median = statistics.median(single / double for single, double in rounds)
    return {"times": one / two, "median": median, "one_s": one, "two_s": two}


async def seconds(executor: Executor) -> float:
    """Seconds that all slices take."""
    started = time.perf_counter()
    report = await executor.run("start", SLICES)
    assert report.outputs_total["longest"] == SLICES, report
    return time.perf_counter() - started

"""One watcher's stream: bounded, in order, and it ends."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.executor.events import LogLine, Missed
from dagger.executor.watchers import Watcher
from tests.waiting import turns


def line(number: int) -> LogLine:
    """An event that is told apart by its number."""
    return LogLine("run", "node", "agent", 20, str(number), float(number))


async def read(watcher: Watcher) -> list[Any]:
    """All that a stream gives until it ends."""
    return [event async for event in watcher]


@given(st.integers(1, 5), st.lists(st.integers(0, 7), max_size=10), st.integers(0, 3))
def test_nothing_is_lost_silently(size: int, bursts: list[int], late: int) -> None:
    """What a stream gives and what it says it missed add up to what there was, in order."""

    async def main() -> None:
        watcher = Watcher(None, None, size, late)
        got: list[Any] = []
        number = 0
        for burst in bursts:
            for _ in range(burst):
                watcher.put(line(number))
                number += 1
            if burst:
                got.append(await anext(watcher))
        watcher.close()
        got += await read(watcher)
        missed = sum(each.count for each in got if isinstance(each, Missed))
        seen = [int(each.text) for each in got if isinstance(each, LogLine)]
        assert missed + len(seen) == number + late
        assert seen == sorted(seen)
        assert seen[-size:] == list(range(number))[-size:] if seen else not number

    anyio.run(main)


async def test_a_stream_waits_for_what_comes() -> None:
    """Reading waits while there is nothing, and goes on with what comes."""
    watcher, got = Watcher(None, None, 10, 0), list[Any]()

    async def reader() -> None:
        got.extend(await read(watcher))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader)
        for number in range(3):
            await turns()
            watcher.put(line(number))
        await turns()
        watcher.close()
    assert got == [line(0), line(1), line(2)]


async def test_a_closed_stream_is_read_to_its_end() -> None:
    """What was told before the end is still read after it; then the stream ends, and stays so."""
    watcher = Watcher(None, None, 10, 0)
    watcher.put(line(1))
    watcher.close()
    assert await read(watcher) == [line(1)]
    assert await read(watcher) == []
    with pytest.raises(StopAsyncIteration):
        await anext(watcher)


async def test_every_reader_of_a_stream_ends() -> None:
    """However many tasks read one stream, all of them end with it."""
    watcher, got = Watcher(None, None, 10, 0), list[Any]()

    async def reader() -> None:
        got.extend(await read(watcher))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(reader)
        await turns()
        watcher.put(line(1))
        await turns()
        watcher.close()
    assert got == [line(1)]


async def test_a_reader_that_is_cancelled_takes_nothing_with_it() -> None:
    """A reader that stops waiting leaves the stream as it is."""
    watcher = Watcher(None, None, 10, 0)
    with anyio.move_on_after(0.01):
        await anext(watcher)
    watcher.put(line(1))
    assert await anext(watcher) == line(1)


async def test_a_stream_of_one_kind_has_that_kind() -> None:
    """A stream of outcomes alone is not told of anything else."""
    watcher = Watcher(None, Missed, 10, 0)
    watcher.put(line(1))
    watcher.close()
    assert await read(watcher) == []

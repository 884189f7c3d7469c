"""Blocks: what is taken out of one is what went into it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dagger.store.block import Block, block, decode
from dagger.words.packing import pack
from dagger.words.records import RunEnded


def made(runs: list[int], first: int) -> Block:
    """A block of one record of each of these runs, written and read."""
    blobs = [pack(RunEnded(run, "completed", "x" * (run % 7), at)) for at, run in enumerate(runs)]
    return decode(block(first, runs, blobs).encode())


BLOCKS = st.builds(made, st.lists(st.integers(0, 9), min_size=1), st.integers(1, 1_000))


@given(BLOCKS, st.sets(st.integers(0, 9)))
def test_taken_apart_a_block_gives_the_records_of_each_run(whole: Block, kept: set[int]) -> None:
    """All runs that are kept come in order, each with its own records at their positions."""
    found = dict(whole.apart(kept.__contains__))
    assert list(found) == sorted(kept & set(whole.runs))
    for run, own in found.items():
        assert list(own.records()) == [pair for pair in whole.records() if pair[1][0] == run]
        assert decode(own.encode()).last == own.last


@given(BLOCKS, st.integers(0, 1_200))
def test_what_is_behind_a_position_is_what_comes_after_it(whole: Block, position: int) -> None:
    """Records up to the position are left out, and no others."""
    assert whole.behind(position) == [record for at, record in whole.records() if at > position]

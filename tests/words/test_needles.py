"""Needles: however many there are, each is found, and nothing else."""

from __future__ import annotations

import random
from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from dagger.words.needles import FEW, WIDTH, Needles

PIECES = st.lists(st.sampled_from(["key-", "key-a", "ab", "ba", "é", "-", "z"]), max_size=8)
TEXTS = PIECES.map("".join)


@given(st.sets(TEXTS.filter(lambda text: len(text) >= WIDTH), max_size=3 * FEW), TEXTS, st.data())
def test_those_are_found_that_are_there(texts: set[str], hay: str, data: st.DataObject) -> None:
    """Few or many, as texts and as bytes, and also when some were taken away again."""
    gone = data.draw(st.sets(st.sampled_from(sorted(texts)))) if texts else set()
    needles, blobs = Needles[str](), Needles[bytes]()
    for each in texts:
        needles.add(each)
        blobs.add(each.encode())
    for each in gone:
        needles.remove(each)
        blobs.remove(each.encode())
    left = texts - gone
    assert bool(needles) is bool(left)
    assert sorted(needles.within(hay)) == sorted(each for each in left if each in hay)
    assert sorted(blobs.within(hay.encode())) == sorted(
        each.encode() for each in left if each in hay
    )


def test_ten_thousand_take_no_longer_than_a_hundred() -> None:
    """Also where all of them begin alike, as what is looked through does."""
    draw = random.Random(7)
    texts = [f"Bearer sk-{draw.getrandbits(128):032x}" for _ in range(10_000)]
    hay = f"Authorization: Bearer sk-{draw.getrandbits(128):032x} " * 20

    def seconds(count: int) -> float:
        needles = Needles[str]()
        for each in texts[:count]:
            needles.add(each)
        times = []
        for _ in range(5):
            started = process_time()
            assert needles.within(hay) == []
            times.append(process_time() - started)
        return min(times)

    assert seconds(10_000) < 10 * seconds(100)

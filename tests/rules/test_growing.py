"""Values that grow one by one: tuples in all but what one more costs."""

from __future__ import annotations

import pickle
import time

from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.growing import Growing


@given(st.lists(st.tuples(st.integers(min_value=0), st.integers(0, 2))))
def test_they_are_as_tuples_are(orders: list[tuple[int, int]]) -> None:
    """Whichever of them grow out of each other, each has its own values, and no other changes."""
    made: list[tuple[Growing[int], tuple[int, ...]]] = [(Growing(), ())]
    for number, value in orders:
        growing, values = made[number % len(made)]
        made.append((growing.then(value), (*values, value)))
    for growing, values in made:
        assert growing == values
        assert values == growing
        assert (len(growing), hash(growing), repr(growing)) == (
            len(values),
            hash(values),
            repr(values),
        )
        assert (growing[1:], growing[::-1], [*growing]) == (values[1:], values[::-1], [*values])
        assert [growing[at] for at in range(-len(values), len(values))] == [*values, *values]
        assert pickle.loads(pickle.dumps(growing)) == growing


def test_they_are_no_lists() -> None:
    """They are equal to what nobody can change."""
    assert Growing([1]) != [1]
    assert Growing([1]) != Growing([1]).then(2)


def test_one_more_costs_no_copy() -> None:
    """Two hundred thousand come one by one, which with a copy each would take minutes."""
    growing: Growing[int] = Growing()
    started = time.process_time()
    for number in range(200_000):
        growing = growing.then(number)
    assert time.process_time() - started < 10
    assert growing[-1] == len(growing) - 1 == 199_999

"""Budgets: amounts are checked, costs are exact, and what is written is read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger import Budget, ExecutionError
from dagger.words.budget import BILLION, MOST, price, read, told, units, written

counts = st.none() | st.integers(0, MOST)
costs = st.none() | st.integers(0, 10**15).map(price)
seconds = st.none() | st.floats(0, 1e9)
budgets = st.builds(Budget, tokens=counts, cost=costs, messages=counts, seconds=seconds)


@given(budgets)
def test_what_is_written_is_read(budget: Budget) -> None:
    """A budget comes back from the text of a header, and is told as it was given."""
    assert read(written(budget)) == budget.amounts
    assert told(budget.amounts) == budget


@given(st.lists(st.integers(0, 10**9), max_size=50))
def test_sums_of_costs_do_not_drift(amounts: list[int]) -> None:
    """Costs of up to nine decimals add up to what they add up to on paper."""
    paper = sum((Decimal(each) / BILLION for each in amounts), Decimal())
    assert sum(units(price(each)) for each in amounts) == paper * BILLION


def test_a_cost_is_what_is_written() -> None:
    """0.1 is a tenth, and not the float next to it; what is finer than a billionth is rounded."""
    assert [units(each) for each in (0.1, 3, Decimal("0.0000000007"), 1e-10)] == [
        10**8,
        3 * BILLION,
        1,
        0,
    ]
    assert price(10**8) == 0.1


@pytest.mark.parametrize(
    "amounts",
    [{"tokens": -1}, {"tokens": 1.0}, {"messages": True}, {"cost": "1"}, {"seconds": float("nan")},
     {"cost": float("inf")}, {"cost": 1e10}, {"tokens": 2**63}],
    ids=str,
)  # fmt: skip
def test_an_amount_that_makes_no_sense_is_refused(amounts: dict[str, Any]) -> None:
    """Negative, no number, or more than a record can hold."""
    with pytest.raises(ExecutionError):
        Budget(**amounts)

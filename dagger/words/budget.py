"""Budgets: amounts of tokens, cost, messages and seconds.

Cost is in whatever currency its user counts in. It is counted in whole billionths of one,
so that however many small sums are added, none drifts; what people write and read is a
plain number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from sys import maxsize
from typing import Any, NamedTuple

from dagger.words.errors import ExecutionError

BILLION = 10**9
"""Units of cost in one."""

MOST = maxsize
"""The largest amount that a record can hold."""

NAMES = ("tokens", "cost", "messages", "seconds")


class Amounts(NamedTuple):
    """What is counted, or None for what is not: the cost in billionths."""

    tokens: int | None = None
    cost: int | None = None
    messages: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """Amounts of what may be spent, or was: None for what has no limit.

    Raises ExecutionError for an amount that is negative or no number.
    """

    tokens: int | None = None
    """A whole number of them."""
    cost: float | Decimal | None = None
    """In whatever currency you count in, exact to a billionth."""
    messages: int | None = None
    """Messages that are published."""
    seconds: float | None = None
    """Time, by the wall clock."""

    def __post_init__(self) -> None:
        for name in NAMES:
            _check(name, getattr(self, name))

    @property
    def amounts(self) -> Amounts:
        """The same as it is counted."""
        cost = None if self.cost is None else units(self.cost)
        return Amounts(self.tokens, cost, self.messages, self.seconds)


def _check(name: str, amount: Any) -> None:
    whole = name in ("tokens", "messages")
    kinds = (int,) if whole else (int, float, Decimal) if name == "cost" else (int, float)
    most = MOST if name != "cost" else price(MOST)
    if amount is not None and (type(amount) not in kinds or not _between(amount, most)):
        what = "a whole number" if whole else "a number"
        raise ExecutionError(f"{name}= is {what}, 0 or more, not {amount!r}")


def _between(amount: Any, most: float) -> bool:
    return isfinite(amount) and 0 <= amount <= most


def told(amounts: Iterable[Any]) -> Budget:
    """Amounts as people read them: what is spent beyond a limit leaves nothing."""
    tokens, cost, messages, seconds = (None if each is None else max(0, each) for each in amounts)
    return Budget(tokens, None if cost is None else price(cost), messages, seconds)


def units(cost: float | Decimal) -> int:
    """A cost in billionths, the nearest number of them: 0.1 is what is written, not its float."""
    return int((Decimal(str(cost)) * BILLION).to_integral_value())


def price(units: int) -> float:
    """So many billionths: the float that is nearest to them."""
    return units / BILLION


def written(budget: Budget) -> str:
    """A budget as the text of a header."""
    pairs = zip(NAMES, budget.amounts, strict=True)
    return " ".join(f"{name}={amount!r}" for name, amount in pairs if amount is not None)


def read(text: str) -> Amounts:
    """What `written` has written."""
    said = dict(each.split("=") for each in text.split())
    tokens, cost, messages = (int(said[each]) if each in said else None for each in NAMES[:-1])
    return Amounts(tokens, cost, messages, float(said["seconds"]) if "seconds" in said else None)

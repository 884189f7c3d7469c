"""Reservations: what an invocation has set aside before it is spent.

    async with ctx.budget(tokens=100) as budget:      100 of what the run has left are its own
        await ctx.spend(60)                           drawn from those
        async with ctx.budget(tokens=30):             30 of the 40 that are left of those
            ...
                                                      the unused rest is free again

A reservation is a lease: it counts as long as its block is open and its invocation goes on,
and nothing of it is in the journal but what was spent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from dagger.words.budget import Amounts, Budget, price, told
from dagger.words.errors import BudgetExceeded, ExecutionError

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation

_INSIDE: ContextVar[Reservation | None] = ContextVar("dagger reservation", default=None)


def inside(invocation: Invocation) -> Reservation | None:
    """The innermost open block of an invocation that the caller is in."""
    found = _INSIDE.get()
    while found is not None and not (found.open and found.invocation is invocation):
        found = found.outer
    return found


class Reservation:
    """What `async with ctx.budget(...) as budget` gives; see `Context.budget`."""

    __slots__ = (
        *("_scope", "amounts", "cost", "home", "inner", "invocation", "messages", "open"),
        *("outer", "promised", "since", "tokens"),
    )

    def __init__(self, invocation: Invocation, amounts: Amounts) -> None:
        self.invocation = invocation
        self.amounts = amounts
        self.outer: Reservation | None = None  # the block around it
        self.inner: list[Reservation] = []  # open ones that draw on it
        self.home: list[Reservation] | None = None  # where it stands among others, once entered
        self.open = False
        self.since = 0.0  # on the loop's clock
        self.tokens = 0  # spent within it
        self.cost = 0
        self.messages = 0
        self.promised = 0  # of those, the ones that go out as the invocation settles
        self._scope: anyio.CancelScope | None = None

    def __repr__(self) -> str:
        return f"<reservation of {self.invocation.node_id}: {self.left!r} left>"

    @property
    def used(self) -> Budget:
        """What was spent in the block so far."""
        seconds = anyio.current_time() - self.since
        return told((self.tokens, self.cost, self.messages, seconds))

    @property
    def left(self) -> Budget:
        """What is left of it, and not set aside by a block within: None where it has no limit."""
        counts = (self._left(name) for name in ("tokens", "cost", "messages"))
        return told((*counts, self.seconds_left))

    @property
    def seconds_left(self) -> float | None:
        """Until its time is over."""
        seconds = self.amounts.seconds
        return None if seconds is None else self.since + seconds - anyio.current_time()

    def _left(self, name: str) -> int | None:
        amount = getattr(self.amounts, name)
        return None if amount is None else amount - self.reached(name)

    # -- the block -------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        held = self.invocation
        if self.home is not None:
            raise ExecutionError(f"{held.node_id} enters one block twice; call ctx.budget anew")
        self.outer = inside(held)
        self.since = anyio.current_time()
        held.host.reserve(held, self)
        self.open = True
        if self.amounts.seconds is not None:
            self._scope = anyio.CancelScope(deadline=self.since + self.amounts.seconds)
            self._scope.__enter__()
        _INSIDE.set(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        _INSIDE.set(self.outer)
        self.open = False
        stays = self.outer is None and self.promised
        if self.home is not None and self in self.home and not stays:
            self.home.remove(self)
        scope, self._scope = self._scope, None
        swallowed = scope is not None and bool(scope.__exit__(kind, error, trace))
        if scope is not None and scope.cancelled_caught:
            raise self._exceeded("seconds", anyio.current_time() - self.since) from None
        return swallowed

    # -- drawing on it ---------------------------------------------------------------

    def chain(self) -> Iterator[Reservation]:
        """It, and the open ones around it."""
        each: Reservation | None = self
        while each is not None:
            yield each
            each = each.outer

    def cover(self, name: str) -> Reservation | None:
        """The nearest one of the chain that has something of this set aside."""
        return next((each for each in self.chain() if _amount(each, name) is not None), None)

    def spend(self, tokens: int, cost: int) -> None:
        """It was spent: whether it was there is for `check` to say."""
        for each in self.chain():
            each.tokens += tokens
            each.cost += cost

    def check(self, name: str, more: int = 0) -> None:
        """Raise BudgetExceeded if more was spent than is set aside, or would be."""
        for each in self.chain():
            amount, reached = _amount(each, name), each.reached(name) + more
            if amount is not None and reached > amount:
                raise each._exceeded(name, reached)

    def publish(self, *, held_back: bool = False) -> None:
        """One message goes out, or will as the invocation settles."""
        kept = held_back and self.cover("messages") is not None
        for each in self.chain():
            each.messages += 1
            each.promised += kept

    # -- as others see it ------------------------------------------------------------

    def reached(self, name: str) -> int:
        """What was spent of it, or is set aside by blocks within."""
        return self._spent(name) + sum(each.free(name) for each in self.inner)

    def free(self, name: str) -> int:
        """What is still set aside, and not spent."""
        amount = _amount(self, name)
        if not self.open:
            return 0
        if amount is None:
            return sum(each.free(name) for each in self.inner)
        return max(0, amount - self._spent(name))

    def outstanding(self, name: str) -> int:
        """The same with what will be published: what nobody else may spend, as long as the
        invocation goes on.
        """
        return self.free(name) + (self.promised if name == "messages" else 0)

    def _spent(self, name: str) -> int:
        spent: int = getattr(self, name)
        return spent

    def _exceeded(self, name: str, reached: float) -> BudgetExceeded:
        limit = getattr(self.amounts, name)
        if name == "cost":
            limit, reached = price(limit), price(int(reached))
        held = self.invocation
        return BudgetExceeded(held.run.id, name, limit, reached, node=held.node_id)


def _amount(reservation: Reservation, name: str) -> int | None:
    amount: int | None = getattr(reservation.amounts, name)
    return amount

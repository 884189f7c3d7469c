"""Budgets: whether there is anything left to spend, of the run and of what was given to parts.

A purse is what one draws on: the run, and the accounts of the messages that an invocation
descends from. Of each, what was spent and what is set aside by those at work are never more
than its limit, as far as they set aside what they spend. What is set aside is not written
down: it is what the open blocks of invocations in hand amount to (see `authoring.reserving`).

    a run is overspent           it is cancelled, and ends over_budget
    a message's budget is        what descends from it is dead; the rest of the run goes on
    a reservation is             its handler gets BudgetExceeded, and may catch it
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from dagger.authoring.reserving import inside
from dagger.executor.failures import describe
from dagger.state.budgets import Account
from dagger.state.joins import scopes_of
from dagger.state.queues import HELD, RUNNING
from dagger.words.budget import MOST, price, units
from dagger.words.errors import BudgetExceeded, RunCancelled
from dagger.words.ids import message_id
from dagger.words.outcomes import RunStatus
from dagger.words.records import Spent

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.authoring.reserving import Reservation
    from dagger.executor.engine import Engine
    from dagger.executor.timers import Timer
    from dagger.state.queues import Delivery
    from dagger.state.run import Run

_RUNNING = RunStatus.RUNNING

COUNTED = ("tokens", "cost", "messages")
"""What is set aside by counting; time is not."""


class Budgets:
    """The budgets of all runs of one executor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._timers: dict[int, list[Timer]] = {}  # of the accounts of each run
        engine.state.allotted = self._keep_time

    # -- publishing ------------------------------------------------------------------

    def may_settle(self, invocation: Invocation, count: int) -> None:
        """Raise RunCancelled if the run only winds down, and BudgetExceeded if `count` messages
        are more than may be published, or if the invocation draws on a budget that is over.

        Who cleans up says what it has come to in any case: that must not keep it from doing so.
        """
        run = invocation.run
        for purse in self._open(run, invocation):
            if not invocation.agent.cleans_up:
                self._has_room(run, purse, count, invocation, besides=invocation)

    def may_publish(
        self, run: Run, invocation: Invocation | None = None, block: Reservation | None = None
    ) -> None:
        """The same for a message that is published at once, from a `block` or from outside."""
        if block is not None:
            block.check("messages", 1)
        covered = block is not None and block.cover("messages") is not None
        for purse in self._open(run, invocation):
            self._has_room(run, purse, 1, invocation, covered=covered)

    def _open(self, run: Run, invocation: Invocation | None) -> Iterator[Run | Account]:
        """The purses of an invocation, or of the outside, none of which may be over."""
        if run.status is not _RUNNING:
            self._may_clean_up(run, invocation)
            return
        for purse in _purses(run, invocation) if run.bounded else ():
            if isinstance(purse, Account) and (error := self._over(run, purse)):
                raise error
            yield purse

    def _may_clean_up(self, run: Run, invocation: Invocation | None) -> None:
        """Raise RunCancelled for whoever does not clean up, which costs what it costs."""
        if invocation is None or not self._engine.cleanup.goes_on(invocation):
            raise RunCancelled(run.id, run.reason)

    def _has_room(
        self,
        run: Run,
        purse: Run | Account,
        count: int,
        invocation: Invocation | None,
        *,
        covered: bool = False,
        besides: Invocation | None = None,
    ) -> None:
        limit = _limit(purse, "messages")
        if limit is None:
            return
        reached = purse.messages + count
        if reached > limit:
            raise _exceeded(run, purse, "messages", reached)
        if not covered:
            self._leave_to_others(run, purse, "messages", reached, invocation, besides)

    # -- spending --------------------------------------------------------------------

    def spend(self, invocation: Invocation, tokens: int, cost: int) -> None:
        """What is spent is spent. Raises BudgetExceeded where that was not there."""
        run, engine = invocation.run, self._engine
        if run.tokens + tokens > MOST or run.cost + cost > MOST:
            raise ValueError("that is more than can be counted")
        engine.commit(Spent(run.number, invocation.delivery.number, tokens, cost))
        block = inside(invocation)
        if block is not None:
            block.spend(tokens, cost)
        spent = {"tokens": tokens, "cost": cost}
        for purse in _purses(run, invocation):
            for name in spent:
                limit, reached = _limit(purse, name), getattr(purse, name)
                if limit is not None and reached > limit:
                    error = _exceeded(run, purse, name, reached)
                    self._end(run, purse, error, invocation.delivery)
                    raise error
        for name in [each for each, amount in spent.items() if amount]:
            if block is not None:
                block.check(name)
                if block.cover(name) is not None:
                    continue
            for purse in _purses(run, invocation):
                self._leave_to_others(run, purse, name, getattr(purse, name), invocation)

    def _leave_to_others(
        self,
        run: Run,
        purse: Run | Account,
        name: str,
        reached: int,
        invocation: Invocation | None,
        besides: Invocation | None = None,
    ) -> None:
        """Raise BudgetExceeded for what others have set aside."""
        limit = _limit(purse, name)
        if limit is None:
            return
        reached += self._reserved(run, purse, name, besides)
        if reached > limit:
            raise _exceeded(run, purse, name, reached, _node(invocation))

    # -- setting aside ---------------------------------------------------------------

    def reserve(self, invocation: Invocation, wanted: Reservation) -> None:
        """Set something aside for an invocation. Raises BudgetExceeded, RunCancelled."""
        run, outer = invocation.run, wanted.outer
        if run.status is not _RUNNING:
            self._may_clean_up(run, invocation)
        for name in COUNTED:
            amount = getattr(wanted.amounts, name)
            if amount is None:
                continue
            cover = None if outer is None else outer.cover(name)
            if cover is not None:
                cover.check(name, amount)
                continue
            for purse in _purses(run, invocation):
                reached = getattr(purse, name) + amount
                self._leave_to_others(run, purse, name, reached, invocation)
        seconds, left = wanted.amounts.seconds, self._seconds_left(invocation, outer)
        if seconds is not None and seconds > left:
            left = max(0.0, round(left, 3))
            raise BudgetExceeded(run.id, "seconds", left, seconds, node=invocation.node_id)
        wanted.home = self._engine.runs.live[run.number].reserved if outer is None else outer.inner
        wanted.home.append(wanted)

    def _reserved(
        self, run: Run, purse: Run | Account, name: str, besides: Invocation | None = None
    ) -> int:
        """What those at work have set aside of a purse, and not spent."""
        live = self._engine.runs.live.get(run.number)
        if live is None or not live.reserved:
            return 0
        live.reserved[:] = [each for each in live.reserved if not each.invocation.closed]
        return sum(
            each.outstanding(name)
            for each in live.reserved
            if each.invocation is not besides and _draws(each.invocation.delivery, purse)
        )

    def _seconds_left(self, invocation: Invocation, outer: Reservation | None) -> float:
        """Until the first of what bounds an invocation is over."""
        run, now = invocation.run, self._engine.now()
        live = self._engine.runs.live[run.number]
        found = [] if outer is None else [each.seconds_left for each in outer.chain()]
        found += [each.over_at and each.over_at - now for each in _accounts(run, invocation)]
        if "deadline" in run.limits:
            found.append(run.limits["deadline"] - now)
        if live.clock is not None:
            found.append(live.clock.left)
        return min((each for each in found if each is not None), default=inf)

    # -- budgets that are over -------------------------------------------------------

    def over(self, run: Run, delivery: Delivery) -> BudgetExceeded | None:
        """Why a delivery does not go on, if a budget that it draws on is over."""
        if run.accounts is None:
            return None
        found = (self._over(run, each) for each in run.accounts.of(delivery))
        return next((each for each in found if each is not None), None)

    def _over(self, run: Run, account: Account) -> BudgetExceeded | None:
        name, now = account.overspent, self._engine.now()
        if name:
            return _exceeded(run, account, name, getattr(account, name))
        if account.over_at is not None and account.over_at <= now:
            return _exceeded(run, account, "seconds", round(now - account.opened_at, 3))
        return None

    def _end(
        self, run: Run, purse: Run | Account, error: BudgetExceeded, spender: Delivery
    ) -> None:
        """More was spent of a purse than there was."""
        if isinstance(purse, Account):
            self._sweep(run, spender)
        else:
            self._engine.runs.over_budget(run, error)

    def _sweep(self, run: Run, spender: Delivery | None = None) -> None:
        """What draws on a budget that is over ends; who has just spent it is told otherwise."""
        engine = self._engine
        for each in list(run.deliveries.values()):
            if engine.runs.closing(run):
                return
            held = each is spender or each.stage == HELD  # or belongs to what it is a part of
            error = None if held else self.over(run, each)
            if error is None or not each.is_open:
                continue
            if each.stage == RUNNING:
                engine.cancel(each)
            else:
                engine.settling.bury(run, each, describe(error), each.attempts)
        engine.admissions.room()

    def _keep_time(self, run: Run, account: Account) -> None:
        """See to it that a budget ends when its time is over."""
        if account.over_at is not None:
            timer = self._engine.timers.at(account.over_at, partial(self._late, run, account))
            self._timers.setdefault(run.number, []).append(timer)

    def _late(self, run: Run, account: Account) -> None:
        early = (account.over_at or 0.0) - self._engine.now()
        if early > 0:  # the wall clock is a little behind
            self._engine.timers.after(early, partial(self._late, run, account))
        elif run.ended_at is None:
            self._sweep(run)

    def go_on(self, run: Run) -> None:
        """A run that others have begun goes on."""
        if run.accounts is not None:
            for account in run.accounts.kept(run):
                self._keep_time(run, account)
            self._sweep(run)

    def ended(self, run: Run) -> None:
        """Nothing of a run is spent any more."""
        for timer in self._timers.pop(run.number, ()):
            timer.cancel()


def _accounts(run: Run, invocation: Invocation | None) -> list[Account]:
    if run.accounts is None or invocation is None:
        return []
    return run.accounts.of(invocation.delivery)


def _purses(run: Run, invocation: Invocation | None) -> Iterator[Run | Account]:
    """What an invocation draws on, or the outside: the run first."""
    yield run
    yield from _accounts(run, invocation)


def _draws(delivery: Delivery, purse: Run | Account) -> bool:
    return not isinstance(purse, Account) or purse.scope in scopes_of(delivery)


def _limit(purse: Run | Account, name: str) -> float | None:
    """What may be spent of it."""
    if isinstance(purse, Account):
        limit: float | None = getattr(purse.limits, name)
        return limit
    found = purse.limits.get(f"max_{name}")
    return units(found) if found is not None and name == "cost" else found


def _exceeded(
    run: Run, purse: Run | Account, name: str, reached: float, node: str = ""
) -> BudgetExceeded:
    """What would be reached of a limit; `node` is who is refused for the sake of others."""
    limit = _limit(purse, name) or 0
    if name == "cost":
        limit, reached = price(int(limit)), price(int(reached))
    message, known_as = "", f"max_{name}"
    if isinstance(purse, Account):
        message, known_as = purse.id or message_id(run.id, purse.parent, purse.place), name
    return BudgetExceeded(run.id, known_as, limit, reached, message=message, node=node)


def _node(invocation: Invocation | None) -> str:
    return "the outside" if invocation is None else invocation.node_id
